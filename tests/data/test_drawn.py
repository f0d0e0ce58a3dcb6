import ast
import hashlib
from pathlib import Path

import numpy as np
import pytest

import mien.data.drawing
from mien.data import drawn
from mien.data.drawing.actions import FORMS, UNITS, actions
from mien.data.drawing.canvas import ONE, PIXEL, SIDE, Window, band, blurred, ellipse, upsampled, warped
from mien.data.drawing.dice import Dice, mix
from mien.data.drawing.portrait import portrait
from mien.data.drawn import draw, drawn_faces
from mien.errors import DataError
from mien.labels import FER2013

CHECKSUM = "7ea487677ba3a2a36847c286656012da83a0999033990cb69efefe76b7903366"


def test_the_bytes_of_a_seed_are_the_same_everywhere():
    assert hashlib.sha256(draw(64, seed=1).images.tobytes()).hexdigest() == CHECKSUM


def test_splitmix_gives_its_published_numbers():
    # the first three outputs of the reference C code for seed 1234567
    states = np.uint64(1234567) + np.arange(1, 4, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    assert mix(states).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_it_says_how_many_are_drawn():
    told: list[tuple[int, int]] = []
    drawn_faces(100, only=("train", "test"), tick=lambda *at: told.append(at))
    assert told == [(64, 85), (70, 85), (85, 85)]


def test_who_stops_it_doesnt_wait_for_the_rest(monkeypatch):
    begun: list[int] = []
    monkeypatch.setattr(drawn, "portrait", lambda dice, acts: begun.append(len(dice)) or portrait(dice, acts))

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw(6400, tick=stop)
    assert sum(begun) < 3200


def test_a_face_depends_on_its_own_number_only(monkeypatch):
    faces = draw(40, seed=3)
    assert np.array_equal(draw(9, seed=3).images, faces.images[:9])
    later = draw(20, seed=3, first=20)
    assert np.array_equal(later.images, faces.images[20:])
    assert later.targets.tolist() == faces.targets[20:].tolist()
    assert later.rows.tolist() == list(range(20, 40))
    monkeypatch.setattr(drawn, "_AT_ONCE", 7)
    assert np.array_equal(draw(40, seed=3).images, faces.images)


def test_another_seed_gives_other_faces():
    for seed in (1, -1, 2**63):
        assert (draw(14, seed=seed).images != draw(14, seed=0).images).any((1, 2)).all()


def test_every_class_is_drawn_equally_often_and_in_no_fixed_order():
    faces = draw(7 * 60)
    assert set(faces.counts.values()) == {60}
    assert faces.classes == FER2013
    assert len({tuple(run) for run in faces.targets.reshape(-1, 7)}) > 20


def test_splits_share_no_face():
    splits = drawn_faces(400, seed=5)
    assert [len(faces) for _, faces in splits] == [280, 60, 60]
    assert len({face.tobytes() for _, faces in splits for face in faces.images}) == 400
    assert np.array_equal(drawn_faces(200, seed=5).val.images, splits.val.images[:30])
    assert all(max(faces.counts.values()) - min(faces.counts.values()) <= 1 for _, faces in splits)


def test_a_split_that_is_drawn_alone_is_the_same():
    alone, whole = drawn_faces(400, only=("val",)), drawn_faces(400)
    assert [len(faces) for _, faces in alone] == [0, 60, 0]
    assert alone.val.checksum == whole.val.checksum
    assert np.array_equal(alone.val.rows, whole.val.rows)
    assert (alone.source, alone.classes) == (whole.source, whole.classes)
    assert drawn_faces(only=()).origin is None  # to be read again are all


def test_pixels_use_the_range_and_the_faces_differ():
    images = draw(210).images
    assert images.dtype == np.uint8
    assert images.shape == (210, 48, 48)
    assert 90 < images.mean() < 165
    assert np.quantile(images.std((1, 2)), 0.05) > 12  # nearly no face is a flat gray
    assert images.std(0).min() > 25  # every pixel varies from face to face


def test_expressions_show_in_the_mean_faces():
    faces = draw(7 * 120, seed=2)
    means = np.stack([faces.images[faces.targets == k].mean(0) for k in range(7)])
    for a in range(7):
        for b in range(a):
            assert np.abs(means[a] - means[b]).max() > 12, (FER2013[a], FER2013[b])


def test_no_faces_and_impossible_numbers():
    assert len(draw(0)) == 0
    assert len(drawn_faces(0).train) == 0
    with pytest.raises(DataError, match="-1 faces"):
        drawn_faces(-1, only=("train",))


def test_every_expression_has_forms_of_known_units():
    assert set(FORMS) == set(FER2013)
    assert {unit for forms in FORMS.values() for form in forms for unit in form} <= set(UNITS)


def test_actions_are_what_the_label_says():
    numbers = np.arange(500)
    happy = actions(Dice(0, numbers), np.full(500, FER2013.index("happy")))
    neutral = actions(Dice(0, numbers), np.full(500, FER2013.index("neutral")))
    assert (happy["smile"] > 50).all()
    assert (neutral["smile"] < 50).all()
    assert happy["smile"].std() > 30  # weak smiles and strong ones


@pytest.mark.parametrize("module", sorted(Path(mien.data.drawing.__file__).parent.glob("*.py")), ids=lambda p: p.stem)
def test_no_float_is_written_in_the_drawing_code(module):
    tree = ast.parse(module.read_text(encoding="utf-8"))
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Div)]
    assert not [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is float]


def test_no_float_arises_in_drawing():
    numbers = np.arange(14)
    dice = Dice(0, numbers)
    layer = drawn.portrait(dice, actions(dice, numbers % 7))
    assert layer.dtype == np.int32
    assert layer.shape == (14, SIDE, SIDE)


def value(number: int) -> np.ndarray:
    return np.full((1, 1, 1), number, np.int32)


def test_an_ellipse_covers_its_area():
    whole = Window(0, SIDE, 0, SIDE)
    area = ellipse(whole, value(40 * PIXEL), value(40 * PIXEL), value(20 * PIXEL), value(12 * PIXEL)).sum() / ONE
    assert area == pytest.approx(np.pi * 20 * 12, rel=0.02)


@pytest.mark.parametrize("tenths", [4, 10, 35])
def test_a_band_covers_its_thickness(tenths):
    whole = Window(0, SIDE, 0, SIDE)
    cover = band(whole.y, value(30 * PIXEL), value(30 * PIXEL + tenths * PIXEL // 10))
    assert cover.sum() / ONE == pytest.approx(tenths / 10, abs=0.06)
    assert not band(whole.y, value(30 * PIXEL), value(29 * PIXEL)).any()


def test_a_warp_agrees_with_bilinear_sampling_in_floating_point():
    rng = np.random.default_rng(0)
    layer = upsampled(rng.integers(0, 1000, (1, 6, 6)).astype(np.int32), SIDE)
    seen = warped(layer, 48, value(41 * PIXEL), value(38 * PIXEL), value(80), value(50), value(-1))[0]
    at = (np.arange(48) - 23.5) * 80 / 64
    tangent = 50 / 256
    cosine = 1 - tangent**2 / 2
    x = 41 + (-at[None, :] * cosine - at[:, None] * tangent) - 0.5
    y = 38 + (-at[None, :] * tangent + at[:, None] * cosine) - 0.5
    x, y = np.clip(x, 0, SIDE - 1.001), np.clip(y, 0, SIDE - 1.001)
    i, j, fx, fy = x.astype(int), y.astype(int), x % 1, y % 1
    picture = layer[0]
    top = picture[j, i] * (1 - fx) + picture[j, i + 1] * fx
    below = picture[j + 1, i] * (1 - fx) + picture[j + 1, i + 1] * fx
    assert np.abs(seen - (top * (1 - fy) + below * fy)).mean() < 2


def test_blur_keeps_the_mean_and_lowers_the_contrast():
    picture = np.random.default_rng(0).integers(0, 4096, (2, 48, 48)).astype(np.int32)
    soft = blurred(picture, value(80))
    assert soft.mean() == pytest.approx(picture.mean(), abs=5)
    assert soft.std() < picture.std() / 2
    assert np.array_equal(blurred(picture, value(0)), picture)


def test_upsampling_passes_through_its_points():
    coarse = np.random.default_rng(0).integers(0, 1000, (3, 6, 6)).astype(np.int32)
    fine = upsampled(coarse, 80)
    assert np.array_equal(fine[:, ::16, ::16], coarse[:, :5, :5])
    assert fine.min() >= coarse.min() - 2
    assert fine.max() <= coarse.max()


def test_dice_cover_their_range_evenly():
    throws = Dice(0, np.arange(70_000)).between("some trait", -3, 3).ravel()
    assert np.bincount(throws + 3, minlength=7) == pytest.approx(10_000, rel=0.05)
    other = Dice(0, np.arange(70_000)).between("other trait", -3, 3).ravel()
    assert abs(np.corrcoef(throws, other)[0, 1]) < 0.02


def test_a_saved_set_of_drawn_faces_keeps_its_checksum(tmp_path):
    faces = draw(7)
    faces.save(tmp_path / "faces.npz")
    assert type(faces).load(tmp_path / "faces.npz").checksum == faces.checksum

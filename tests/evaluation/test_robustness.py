"""The corruptions: each changes faces as it says, the same way for the same seed; and what a network makes of them."""

import hashlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.data.drawn import draw, drawn_faces
from mien.data.faces import FaceSet
from mien.evaluation.corruptions import CORRUPTIONS, Corruption, corrupted
from mien.evaluation.robustness import as_markdown, robustness

FACES = drawn_faces(140).val
BY_NAME = {corruption.name: corruption for corruption in CORRUPTIONS}


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.name)
def test_each_level_is_worse_than_the_one_before(corruption: Corruption) -> None:
    away = []
    for level in corruption.levels:
        changed = corrupted(FACES, corruption, level)
        assert changed.images.dtype == np.uint8
        assert changed.images.shape == FACES.images.shape
        assert (changed.labels == FACES.labels).all()
        assert (changed.images == corrupted(FACES, corruption, level).images).all()
        away.append(np.abs(changed.images.astype(int) - FACES.images).mean())
    assert away == sorted(away)
    assert away[0] > 0


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.name)
def test_colour_and_oblong_faces_keep_their_shape(corruption: Corruption) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 40, 32, 3), np.uint8)
    changed = corrupted(FaceSet(images, [0, 1, 2]), corruption, corruption.levels[-1])
    assert changed.images.shape == images.shape
    assert (changed.images != images).any()


def test_only_what_is_random_follows_the_seed() -> None:
    for name, random in {"roll": True, "occlusion": True, "low light": True, "blur": False, "JPEG": False}.items():
        kind = BY_NAME[name]
        first, second = (corrupted(FACES, kind, kind.levels[1], seed=seed).images for seed in (0, 1))
        assert (first != second).any() == random, name


def test_darkness_takes_little_memory_and_is_drawn_as_if_in_one_piece() -> None:
    faces = np.full((150, 8, 8), 200, np.uint8)
    (dark,) = (kind for kind in CORRUPTIONS if kind.name == "low light")
    noise = np.random.default_rng(1).normal(0, 3, faces.shape)
    expected = np.clip(np.rint(faces * 0.5 + noise), 0, 255).astype(np.uint8)
    assert np.array_equal(dark.apply(faces, 0.5, np.random.default_rng(1)), expected)


def test_a_roll_goes_to_both_sides_by_that_angle() -> None:
    images = np.zeros((40, 49, 49), np.uint8)
    images[:, 24, 30:48] = 255  # a bar from the middle to the right
    turned = corrupted(FaceSet(images, np.zeros(40, int)), BY_NAME["roll"], 15.0).images
    rise = np.array([24 - face[:, 44].argmax() for face in turned])  # 20 pixels from the middle
    assert set(np.sign(rise)) == {-1, 1}
    np.testing.assert_allclose(np.abs(rise), 20 * np.tan(np.deg2rad(15)), atol=1.5)


def test_a_square_covers_that_share() -> None:
    plain = FaceSet(np.zeros((20, 48, 48), np.uint8), np.zeros(20, int))
    covered = corrupted(plain, BY_NAME["occlusion"], 0.3).images == 128
    np.testing.assert_allclose(covered.mean((1, 2)), 0.3, atol=0.02)


def test_the_published_table_has_these_kinds_and_levels() -> None:
    page = (Path(__file__).parents[2] / "docs" / "ROBUSTNESS.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| (.+?) \((.+?)\) \| ([\d.]+) \|", page, re.MULTILINE)
    here = [(kind.name, kind.unit, level) for kind in CORRUPTIONS for level in kind.levels]
    assert [(name, unit, float(level)) for name, unit, level in told] == here


@pytest.mark.parametrize(
    ("level", "seed", "expected"),
    [
        (0.05, 0, "4abb69cedc06641bedc82f5e6eac44cb14ce39face663a227075ef073ce78119"),
        (0.1, 0, "f6fa5be44918174c9c2bc6e05cb98a2918d9c176e9895b8bb749ef52d47e0e46"),
        (0.2, 0, "9d1f44c63f75fc31000d1a4cfb4290e95fc8c12138ecdf953bebdea3bf5e5bd4"),
        (0.3, 0, "584aa641d6a02775cce6a734d13f1881467e435ab795f99e32be94ac52df2aac"),
        (0.3, 1, "de221f986a3ebe62815c6dc3333a045286ebba9c134ec0f7a3e0877f8120133c"),
    ],
)
def test_the_published_occlusions_are_these_very_bytes(level: float, seed: int, expected: str) -> None:
    """All whole numbers: the same on any chip with any version. Who changes these changes what was published."""
    covered = corrupted(draw(8), BY_NAME["occlusion"], level, seed=seed)
    assert hashlib.sha256(covered.images.tobytes()).hexdigest() == expected


def test_what_is_random_follows_from_seed_kind_and_level() -> None:
    for place, kind in enumerate(CORRUPTIONS):
        for number, level in enumerate(kind.levels):
            own = kind.apply(FACES.images, level, np.random.default_rng((5, place, number)))
            assert np.array_equal(corrupted(FACES, kind, level, seed=5).images, own), (kind.name, level)


RAMP = np.repeat(4 * np.arange(48, dtype=np.uint8)[None], 48, 0)
"""Each pixel tells its column, in fours."""


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3])
@pytest.mark.parametrize("name", ["tighter crop", "looser crop"])
@pytest.mark.parametrize("across", [True, False])
def test_a_crop_is_of_the_middle_by_that_share(name: str, share: float, across: bool) -> None:
    """On average; the sides of a looser one are whole pixels."""
    face = RAMP if across else RAMP.T
    images = corrupted(FaceSet(face[None], [0]), BY_NAME[name], share).images[0]
    seen = images if across else images.T
    more = round(share * 48 / 2) if name == "looser crop" else -share * 48 / 2
    read = (np.arange(48) + 0.5) * (48 + 2 * more) / 48 - 0.5 - more  # the column that each pixel looks at
    whole = (read > 2) & (read < 45)  # the rest is by the edge
    assert whole.sum() > 30
    np.testing.assert_allclose(seen[:, whole], np.broadcast_to(4 * read, (48, 48))[:, whole], atol=1.1)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.5, 2.0])
def test_a_dot_is_blurred_that_wide(sigma: float) -> None:
    line = np.zeros((1, 49, 49), np.uint8)
    line[:, :, 24] = 255  # a dot in each row
    blurred = corrupted(FaceSet(line, [0]), BY_NAME["blur"], sigma).images[0, 24]
    away = (np.arange(49) - 24) ** 2
    assert float((blurred * away).sum() / blurred.sum()) ** 0.5 == pytest.approx(sigma, rel=0.12)


@pytest.mark.parametrize("side", [24, 16, 12])
def test_of_few_pixels_none_tells_stripes_within_it(side: int) -> None:
    """A pixel of a coarse face is 48 / side wide: stripes that share it half and half are gray, wider ones stay."""
    period = 48 // side
    columns = np.arange(48)
    narrow = np.where(columns % period < period / 2, 0, 200).astype(np.uint8)
    wide = np.where(columns // period % 2, 0, 200).astype(np.uint8)
    faces = FaceSet(np.stack([np.tile(row, (48, 1)) for row in (narrow, wide)]), [0, 1])
    gray, striped = corrupted(faces, BY_NAME["low resolution"], side).images
    assert int(np.ptp(gray)) <= 1
    assert int(np.ptp(striped)) > 90


@pytest.mark.parametrize("quality", [50, 30, 15, 8])
def test_jpeg_is_pillows_of_that_quality(quality: int) -> None:
    for face, seen in zip(FACES.images[:3], corrupted(FACES[:3], BY_NAME["JPEG"], quality).images, strict=True):
        buffer = io.BytesIO()
        Image.fromarray(face).save(buffer, "JPEG", quality=quality)
        assert np.array_equal(np.asarray(Image.open(buffer)), seen)


def test_a_network_that_looks_at_brightness_suffers_in_the_dark_alone() -> None:
    def bright(pixels: np.ndarray) -> np.ndarray:
        return np.eye(7)[np.where(pixels.mean((1, 2, 3)) > 100, 0, 1)]

    faces = FaceSet(np.full((10, 48, 48), 200, np.uint8), np.zeros(10, int))
    ticks: list[None] = []
    found = robustness(bright, faces, tick=lambda: ticks.append(None))
    assert found.clean == 1
    assert len(ticks) == len(found.levels)
    assert [level.accuracy for level in found.of("blur")] == [1, 1, 1, 1]
    assert [level.accuracy for level in found.of("low light")][1:] == [0, 0, 0]
    assert found.mean == pytest.approx(np.mean([level.accuracy for level in found.levels]))
    assert as_markdown({"bright": found}).count("\n") == len(found.levels) + 4


def test_corruptions_and_levels_of_ones_own() -> None:
    def noisy(faces: np.ndarray, level: float, generator: np.random.Generator) -> np.ndarray:
        return np.clip(faces + generator.normal(0, level, faces.shape), 0, 255).astype(np.uint8)

    own = [Corruption(name, "deviation", (5.0, 10.0), noisy) for name in ("noise", "grain")]
    first, again, other = (corrupted(FACES, kind, 5.0).images for kind in (own[0], own[0], own[1]))
    assert (first == again).all()
    assert (first != other).any()
    assert corrupted(FACES, BY_NAME["roll"], 12.0).images.shape == FACES.images.shape

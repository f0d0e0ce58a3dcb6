"""The corruptions: each changes faces as it says, the same way for the same seed; and what a network makes of them."""

import numpy as np
import pytest

from mien.data.drawn import drawn_faces
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

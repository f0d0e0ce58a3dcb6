"""The deletion check, on networks of which it is known what they look at."""

import io
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from mien.errors import DataError
from mien.evaluation import figures
from mien.evaluation.explanation import Check, Explanation, area, check, curve, order_of, random_orders, shares, without

TOP, LEFT = 12, 20
"""Where the patch is that the network below looks at."""


def patch_network(pixels: NDArray[np.uint8]) -> NDArray[np.floating]:
    """Sees nothing but an 8×8 square: the lighter it is, the likelier class 1."""
    seen = pixels[:, 0, TOP : TOP + 8, LEFT : LEFT + 8].astype(np.float64).mean((1, 2)) / 255
    return np.stack([1 - seen, seen], 1)


@pytest.fixture
def face() -> NDArray[np.uint8]:
    """A dark face with a light square where the network looks."""
    image = np.random.default_rng(0).integers(0, 60, (48, 48), np.uint8)
    image[TOP : TOP + 8, LEFT : LEFT + 8] = 255
    return image


@pytest.fixture
def true_heat() -> NDArray[np.float32]:
    heat = np.zeros((48, 48), np.float32)
    heat[TOP : TOP + 8, LEFT : LEFT + 8] = 1
    return heat


def test_the_true_heatmap_is_believed(face: NDArray[np.uint8], true_heat: NDArray[np.float32]) -> None:
    found = check(patch_network, face, true_heat, 1)
    assert found.passed
    assert found.verdict == "it passes: the heatmap is better than 20 of 20 random orders"
    assert found.curve[0] == 1
    assert found.curve[1] < 0.5  # the first step, four patches, takes the square
    assert found.area < 0.6 * found.areas.mean()
    assert found.orders.shape == (20, 37)
    assert found.taken[0] == 0
    assert found.taken[-1] == 1
    np.testing.assert_allclose(found.orders[:, -1], found.curve[-1])  # in the end all the same is gone


def test_the_opposite_is_refused(face: NDArray[np.uint8], true_heat: NDArray[np.float32]) -> None:
    found = check(patch_network, face, -true_heat, 1)
    assert found.better_than == 0
    assert found.verdict == "don't believe it: the heatmap is better than 0 of 20 random orders"


def test_random_heatmaps_are_refused_but_for_one_in_21(
    face: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.evaluation.explanation.STEPS", 12)
    dice = np.random.default_rng(1)
    found = [check(patch_network, face, dice.random((48, 48)), 1, seed=seed) for seed in range(60)]
    assert sum(one.passed for one in found) <= 7  # binomial, 60 times 1/21: more in one case of 200
    assert 5 < np.mean([one.better_than for one in found]) < 15


def test_a_face_and_a_heatmap_without_anything_are_refused() -> None:
    found = check(patch_network, np.full((48, 48), 90, np.uint8), np.zeros((48, 48)), 1)
    assert not found.passed
    assert found.better_than == 0  # all curves are equal: a tie speaks for the random orders


def test_the_curve_against_one_made_step_by_step(face: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.evaluation.explanation.PATCH", 8)
    heat = np.random.default_rng(2).random((48, 48))
    got = curve(patch_network, face, order_of(heat, face), 1)
    means = {(r, c): heat[r : r + 8, c : c + 8].mean() for r in range(0, 48, 8) for c in range(0, 48, 8)}
    now, expected = face.copy(), [patch_network(face[None, None])[0, 1]]
    for r, c in sorted(means, key=means.__getitem__, reverse=True):
        now[r : r + 8, c : c + 8] = without(face)[r : r + 8, c : c + 8]
        expected.append(patch_network(now[None, None])[0, 1])
    np.testing.assert_allclose(got, expected)


def test_insertion_is_deletion_of_the_other_order(face: NDArray[np.uint8]) -> None:
    turns = random_orders(144, 1)[0]
    back = curve(patch_network, face, turns, 1, insert=True)
    np.testing.assert_allclose(back, curve(patch_network, face, 143 - turns, 1)[::-1])


def test_colours_and_sides_that_patches_dont_divide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.evaluation.explanation.PATCH", 9)  # 4 pixels of a face so small
    image = np.random.default_rng(0).integers(0, 256, (21, 18, 3), np.uint8)
    seen: list[NDArray[np.uint8]] = []

    def network(pixels: NDArray[np.uint8]) -> NDArray[np.floating]:
        seen.append(pixels)
        return np.full((len(pixels), 2), 0.5)

    found = check(network, image, np.arange(21.0 * 18).reshape(21, 18), 0, orders=1)
    assert len(found.taken) == 31  # 6 × 5 patches, fewer than the steps
    assert seen[0].shape == (31, 3, 21, 18)
    np.testing.assert_array_equal(seen[0][0].transpose(1, 2, 0), image)
    np.testing.assert_array_equal(seen[0][-1].transpose(1, 2, 0), without(image))
    np.testing.assert_array_equal(seen[0][1][:, :20], seen[0][0][:, :20])  # the hottest patch is the one-row last
    assert (seen[0][1][:, 20:, 16:] != seen[0][0][:, 20:, 16:]).any()


def test_the_mean_in_place_of_the_blur(face: NDArray[np.uint8]) -> None:
    assert (without(face, None) == round(float(face.mean()))).all()


def test_area_is_that_of_a_curve() -> None:
    assert area(shares(4), np.array([1.0, 0, 0, 0, 0])) == 0.125
    np.testing.assert_allclose(area(shares(144), np.ones((2, 37))), 1)


@pytest.mark.parametrize("heat", [np.zeros((47, 48)), np.full((48, 48), np.nan)])
def test_heatmaps_that_arent(heat: NDArray[np.floating], face: NDArray[np.uint8]) -> None:
    with pytest.raises(DataError, match="finite"):
        check(patch_network, face, heat, 1)


def explained(face: NDArray[np.uint8], heat: NDArray[np.float32]) -> Explanation:
    return Explanation(face, "happy", 0.75, heat, "by hand", check(patch_network, face, heat, 1))


def test_an_explanation_as_plain_data(face: NDArray[np.uint8], true_heat: NDArray[np.float32]) -> None:
    one = explained(face, true_heat)
    plain = one.as_json()
    assert plain["believe"] is True
    assert (plain["better_than"], plain["random_orders"]) == (20, 20)
    assert plain["deletion_area"] < plain["random_area"] == pytest.approx(one.check.areas.mean())
    assert len(plain["heatmap"]) == len(plain["heatmap"][0]) == 48
    np.testing.assert_allclose(plain["random"], one.check.orders.mean(0), atol=1e-4)
    with pytest.raises(FrozenInstanceError):
        one.label = "sad"  # type: ignore[misc]


def test_the_picture(face: NDArray[np.uint8], true_heat: NDArray[np.float32], drawn: list[Figure]) -> None:
    good, bad = explained(face, true_heat), explained(face, -true_heat)
    one, two = (figures.explanation_picture(shown) for shown in ([good], [good, bad]))
    pictures = [np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int) for png in (one, two)]
    assert pictures[1].shape[0] > 1.7 * pictures[0].shape[0]
    red, _, blue = np.moveaxis(pictures[0][:, :900], 2, 0)  # left of the curve
    assert (red - blue > 100).any()  # what speaks for the label
    assert not (blue - red > 100).any()
    assert drawn[0].axes[1].get_xlabel() == "red: for it; blue: against it"
    assert figures.explanation_picture([good]) == one
    svg = figures.explanation_picture([good, bad], kind="svg")
    assert svg.startswith(b"<?xml")


def test_a_tie_is_no_victory() -> None:
    curves = np.ones((3, 5))
    assert Check(shares(4), curves[0], curves).better_than == 0


def test_a_face_twice_as_large_is_judged_as_the_small_one(
    face: NDArray[np.uint8], true_heat: NDArray[np.float32]
) -> None:
    def network(pixels: NDArray[np.uint8]) -> NDArray[np.floating]:
        return patch_network(pixels[:, :, ::2, ::2])

    twice = np.kron(face, np.ones((2, 2), np.uint8))
    small, large = (
        check(ask, seen, heat, 1)
        for ask, seen, heat in (
            (patch_network, face, true_heat),
            (network, twice, np.kron(true_heat, np.ones((2, 2), np.float32))),
        )
    )
    np.testing.assert_array_equal(small.taken, large.taken)
    np.testing.assert_allclose(small.curve, large.curve, atol=0.02)
    np.testing.assert_allclose(small.orders, large.orders, atol=0.02)


def test_a_class_that_the_face_hardly_has_is_never_believed() -> None:
    curves = np.full((3, 5), 0.002)
    found = Check(shares(4), curves[0] / 2, curves)
    assert found.better_than == 3
    assert not found.passed
    assert found.verdict.startswith("don't believe it: the probability is below 0.01")


@pytest.mark.parametrize("believed", [True, False])
def test_no_word_of_the_picture_is_cut_off(
    face: NDArray[np.uint8], true_heat: NDArray[np.float32], believed: bool
) -> None:
    one = replace(explained(face, true_heat if believed else -true_heat), label="a word of some length")
    png = figures.explanation_picture([one] * 2)
    assert (np.asarray(Image.open(io.BytesIO(png)).convert("L"))[:, [0, 1, 2, -3, -2, -1]] == 255).all()

"""Augmentation, against a slow reference that goes face by face and pixel by pixel."""

import math

import cv2
import numpy as np
import pytest
import torch

from mien.training.augment import augment, blur, draw_warps, erase, warp
from mien.training.recipe import Recipe, recipe

NONE = Recipe(model="cnn")


def faces(n: int = 4, size: int = 16) -> torch.Tensor:
    return torch.randint(0, 256, (n, 1, size, size), generator=torch.Generator().manual_seed(5), dtype=torch.uint8)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def slow_warp(face: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """One face: for each output pixel the input place that `matrix` names, bilinear, edges carried on."""
    side = face.shape[0]
    out = np.zeros((size, size))
    for row in range(size):
        for column in range(size):
            place = np.array([(2 * column + 1) / size - 1, (2 * row + 1) / size - 1, 1.0])
            x, y = (((matrix @ place) + 1) * side - 1) / 2
            x, y = min(max(x, 0), side - 1), min(max(y, 0), side - 1)
            left, top = min(math.floor(x), side - 2), min(math.floor(y), side - 2)
            dx, dy = x - left, y - top
            corner = face[top : top + 2, left : left + 2]
            out[row, column] = np.array([1 - dy, dy]) @ corner @ np.array([1 - dx, dx])
    return out


@pytest.mark.parametrize("size", [16, 12, 20])
def test_the_batch_agrees_with_the_slow_reference(size: int) -> None:
    strong = recipe("cnn", flip=True, shift=0.2, scale=0.3, rotate=40)
    maps = draw_warps(4, strong, seeded(3))
    fast = warp(faces().float(), maps, size)
    for face, matrix, result in zip(faces()[:, 0], maps, fast[:, 0], strict=True):
        slow = slow_warp(face.numpy().astype(float), matrix.double().numpy(), size)
        np.testing.assert_allclose(result.numpy(), slow, atol=0.02)


def test_a_flip_is_the_exact_mirror_and_takes_about_half() -> None:
    only_flip = Recipe(model="cnn", flip=True)
    many = faces(200)
    result = augment(many, only_flip, seeded())
    mirrored = (result - many.flip(-1)).abs().amax((1, 2, 3)) < 1e-3
    same = (result - many).abs().amax((1, 2, 3)) < 1e-3
    assert (mirrored | same).all()
    assert 70 < int(mirrored.sum()) < 130


def test_shift_moves_by_no_more_than_it_says() -> None:
    maps = draw_warps(500, Recipe(model="cnn", shift=0.1), seeded())
    assert torch.equal(maps[:, :, :2], torch.eye(2).expand(500, 2, 2))
    moved = maps[:, :, 2] / 2  # -1..1 is one side
    for most in (moved.amax(0), -moved.amin(0)):  # across and down, to either side
        assert most.min() > 0.09
        assert most.max() <= 0.1
    assert moved.mean(0).abs().max() < 0.01


def test_rotation_and_scale_stay_in_their_bounds() -> None:
    maps = draw_warps(500, Recipe(model="cnn", scale=0.2, rotate=30), seeded())
    zoom = 1 / maps[:, :, 0].norm(dim=1)
    angle = torch.rad2deg(torch.atan2(maps[:, 1, 0], maps[:, 0, 0]))
    assert 0.8 <= zoom.min() < 0.82
    assert 1.18 < zoom.max() <= 1.2
    assert 29 < angle.max() <= 30
    assert -30 <= angle.min() < -29
    torch.testing.assert_close(maps[:, :, 1], maps[:, :, 0].flip(1) * torch.tensor([-1.0, 1.0]))  # nothing is stretched


def test_a_recipe_without_augmentation_changes_nothing() -> None:
    assert torch.equal(augment(faces(), NONE, seeded()), faces().float())


def test_light_changes_stay_within_the_range() -> None:
    bright = augment(faces(64), Recipe(model="cnn", brightness=0.5, contrast=0.5), seeded())
    assert bright.min() >= 0
    assert bright.max() <= 255
    assert (bright - faces(64)).abs().amax((1, 2, 3)).min() > 0


def test_brightness_changes_by_up_to_its_share_of_the_range() -> None:
    gray = torch.full((400, 1, 8, 8), 128.0)
    moved = augment(gray, Recipe(model="cnn", brightness=0.3), seeded()) - gray
    assert float(moved.std((1, 2, 3)).max()) < 1e-3  # each face as a whole
    assert 0.29 * 255 < float(moved.max()) <= 0.3 * 255
    assert -0.3 * 255 <= float(moved.min()) < -0.29 * 255


def test_contrast_stretches_about_the_mean_by_up_to_its_share() -> None:
    halves = torch.full((400, 1, 8, 8), 88.0)
    halves[..., 4:] = 152.0
    result = augment(halves, Recipe(model="cnn", contrast=0.4), seeded())
    torch.testing.assert_close(result.mean((1, 2, 3)), torch.full((400,), 120.0))
    stretched = (result[:, 0, 0, 7] - result[:, 0, 0, 0]) / 64
    assert 1.39 < float(stretched.max()) <= 1.4001
    assert 0.5999 <= float(stretched.min()) < 0.61


def test_a_blur_agrees_with_opencvs_away_from_the_edges() -> None:
    sigma = torch.tensor([0.0, 0.7, 1.5])
    sharp = faces(3, 32).float()
    blurred = blur(sharp, sigma)
    torch.testing.assert_close(blurred[0], sharp[0])
    for face, result, width in zip(sharp[1:, 0], blurred[1:, 0], sigma[1:], strict=True):
        slow = cv2.GaussianBlur(face.numpy(), (15, 15), float(width))
        np.testing.assert_allclose(result.numpy()[8:-8, 8:-8], slow[8:-8, 8:-8], atol=0.1)


def test_a_blur_keeps_the_light_of_an_even_face_at_its_edges() -> None:
    even = torch.full((2, 1, 12, 12), 77.0)
    torch.testing.assert_close(blur(even, torch.tensor([1.0, 4.0])), even)


def test_half_of_the_faces_stay_sharp_and_the_others_are_blurred_by_a_share_of_their_side() -> None:
    point = torch.zeros(400, 1, 33, 33)
    point[:, :, 16, 16] = 255
    result = augment(point, Recipe(model="cnn", blur=0.06), seeded())
    away = (torch.arange(33) - 16).square()
    sigma = ((result[:, 0] * away).sum((1, 2)) / result[:, 0].sum((1, 2))).sqrt()
    assert 160 < int((sigma == 0).sum()) < 240
    assert 1.85 < sigma.max() <= 0.06 * 33


def test_half_of_the_faces_get_noise_and_it_stays_within_the_range() -> None:
    gray = torch.full((400, 1, 24, 24), 128.0)
    result = augment(gray, Recipe(model="cnn", noise=0.1), seeded())
    spread = result.std((1, 2, 3))
    assert 160 < int((spread == 0).sum()) < 240
    assert 24 < spread.max() < 28
    dark = augment(faces(64), Recipe(model="cnn", noise=1), seeded())
    assert dark.min() >= 0
    assert dark.max() <= 255


def test_erasing_fills_a_rectangle_with_the_mean_in_that_share_of_faces() -> None:
    many = faces(400, 48).float()
    erased = erase(many, 0.25, seeded())
    changed = (erased != many)[:, 0]
    share = changed.any((1, 2)).float().mean()
    assert 0.18 < share < 0.32
    whole, middles = [], []  # of those that no edge cuts
    for before, after, where in zip(many[:, 0], erased[:, 0], changed, strict=True):
        if where.any():
            rows, columns = where.any(1).nonzero(), where.any(0).nonzero()
            inside = after[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            torch.testing.assert_close(inside, before.mean().expand_as(inside))
            assert max(inside.shape) <= 25
            middles.append(torch.stack([rows.float().mean(), columns.float().mean()]))
            ends = torch.cat([rows, columns])
            whole += [inside.shape] if ends.min() > 0 and ends.max() < 47 else []
    sides, places = torch.tensor(whole), torch.stack(middles)
    assert sides.min() >= 9  # 20 to 50 % of 48
    assert (sides.amax(0) >= 22).all()
    assert (sides.amin(0) <= 12).all()
    assert (places.amin(0) < 8).all()
    assert (places.amax(0) > 40).all()
    assert torch.corrcoef(places.T)[0, 1].abs() < 0.4


def test_the_generator_decides() -> None:
    tuned = recipe("resnet", brightness=0.2)
    first, again, other = (augment(faces(), tuned, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_faces_come_out_at_the_size_asked_for() -> None:
    assert augment(faces(3, 48), recipe("resnet"), seeded(), 32).shape == (3, 1, 32, 32)
    assert augment(faces(3, 48), NONE, seeded(), 32).shape == (3, 1, 32, 32)
    assert augment(faces(3, 48).expand(-1, 3, -1, -1), recipe("resnet"), seeded()).shape == (3, 3, 48, 48)

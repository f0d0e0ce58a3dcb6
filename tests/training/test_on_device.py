"""Faces of every kind of array, from disk, turned round, in colour, with soft targets, on their way to a device."""

from pathlib import Path

import numpy as np
import torch

from mien.data.faces import FaceSet
from mien.training.device import OnDevice

CPU = torch.device("cpu")


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_every_face_comes_once_when_batches_fit_and_in_another_order_each_time() -> None:
    held = OnDevice(FaceSet(pixels(12, 8, 8), np.arange(12) % 7, rows=np.arange(12)), CPU)
    generator = torch.Generator().manual_seed(0)
    orders = []
    for _ in range(2):
        images, targets = zip(*held.shuffled(4, generator), strict=True)
        found = [int((held.images == image).all((1, 2, 3)).nonzero()) for image in torch.cat(images)]
        assert sorted(found) == list(range(12))
        assert torch.equal(torch.cat(targets), held.targets[found])  # each with its own target
        orders.append(found)
    assert orders[0] != orders[1]


def test_a_memory_mapped_set_is_taken_without_a_warning(tmp_path: Path) -> None:
    np.save(tmp_path / "faces.npy", pixels(6, 8, 8))
    images = np.load(tmp_path / "faces.npy", mmap_mode="r")
    held = OnDevice(FaceSet(images, [0] * 6), CPU)
    np.testing.assert_array_equal(held.images[:, 0], images)


def test_a_set_turned_round() -> None:
    faces = FaceSet(pixels(5, 8, 8), [0, 1, 2, 3, 4])[::-1]
    held = OnDevice(faces, CPU)
    np.testing.assert_array_equal(held.images[:, 0], faces.images)
    assert held.targets.tolist() == [4, 3, 2, 1, 0]


def test_colour_comes_channels_first() -> None:
    images = pixels(3, 8, 8, 3)
    held = OnDevice(FaceSet(images, [0, 1, 2]), CPU)
    np.testing.assert_array_equal(held.images, images.transpose(0, 3, 1, 2))


def test_soft_targets_stay_shares_and_empty_ones_are_left_out() -> None:
    shares = np.zeros((4, 7), np.float32)
    shares[[0, 2, 3], [1, 1, 5]] = 0.75
    shares[[0, 2, 3], 6] = 0.25  # face 1 has none
    held = OnDevice(FaceSet(pixels(4, 8, 8), shares), CPU)
    assert held.targets.dtype == torch.float32
    np.testing.assert_array_equal(held.targets, shares[[0, 2, 3]])

"""Faces of every kind of array, from disk, turned round, in colour, with soft targets, on their way to a device."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mien.data.faces import FaceSet
from mien.training.device import OnDevice, room

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


def test_balanced_draws_show_every_class_as_often() -> None:
    labels = np.repeat([0, 2, 5], [900, 90, 10])  # 1, 3, 4 and 6 have no faces
    faces = FaceSet(np.arange(1000, dtype=np.uint16).view(np.uint8).reshape(1000, 1, 2), labels)
    held = OnDevice(faces, CPU)
    drawn = [torch.cat(part) for part in zip(*held.shuffled(100, torch.Generator().manual_seed(0), True), strict=True)]
    counts = torch.bincount(drawn[1], minlength=7)
    assert counts[[1, 3, 4, 6]].sum() == 0
    assert all(abs(int(counts[label]) - 333) < 60 for label in (0, 2, 5))
    own = [int(np.ascontiguousarray(image).view(np.uint16)[0, 0, 0]) for image in drawn[0].numpy()]
    assert labels[own].tolist() == drawn[1].tolist()  # each with its own target
    assert len({row for row in own if row >= 990}) == 10  # of a class, every face has its turn
    again = torch.cat([targets for _, targets in held.shuffled(100, torch.Generator().manual_seed(0), True)])
    assert torch.equal(again, drawn[1])


def test_balanced_draws_by_the_largest_share() -> None:
    shares = np.tile(np.float32([[0.6, 0.4], [0.6, 0.4], [0.6, 0.4], [0.1, 0.9]]), (50, 1))
    held = OnDevice(FaceSet(pixels(200, 2, 2), shares, classes=("a", "b")), CPU)
    drawn = torch.cat([targets for _, targets in held.shuffled(50, torch.Generator().manual_seed(0), True)])
    assert 80 < int((drawn[:, 1] > 0.5).sum()) < 120


def test_balanced_draws_go_by_the_faces_own_labels_whatever_stands_beside_them() -> None:
    shares = np.tile(np.float32([[0.4, 0.3, 0.3]] * 9 + [[0.3, 0.4, 0.3]]), (20, 1))
    held = OnDevice(FaceSet(pixels(200, 2, 2), shares, classes=("a", "b", "c")), CPU)
    held.targets = torch.cat([held.targets, torch.ones(200, 1)], 1)  # a second labelling, of which everyone is sure
    drawn = torch.cat([targets for _, targets in held.shuffled(50, torch.Generator().manual_seed(0), True)])
    assert 80 < int((drawn[:, :3].argmax(1) == 1).sum()) < 120


@pytest.mark.parametrize(("free", "most"), [(140 << 30, 35 << 30), (2 << 30, 1 << 30)])
def test_a_large_gpu_holds_larger_sets(free: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (free, 2 * free))
    assert room(torch.device("cuda", 0)) == most
    assert room(CPU) == 1 << 30


@pytest.mark.parametrize("shape", [(50, 8, 8), (50, 8, 8, 3)])
def test_a_set_for_which_there_is_room_is_held_face_by_face(
    tmp_path: Path, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "faces.npy", pixels(*shape))
    faces = FaceSet(np.load(tmp_path / "faces.npy", mmap_mode="r"), np.arange(50) % 8 - 1)
    whole = OnDevice(faces, CPU).images
    monkeypatch.setattr("mien.training.device.RESIDENT", 1)
    monkeypatch.setattr("mien.training.device.LOOKED_AT", 10)
    for bytes_, held in ((faces.images.nbytes - 1, False), (faces.images.nbytes, True)):
        monkeypatch.setattr("mien.training.device.room", lambda device, most=bytes_: most * (device == CPU))
        images = OnDevice(faces, CPU).images
        assert (images is not None) == held
    assert whole is not None
    assert images is not None
    assert torch.equal(images, whole)


@pytest.mark.parametrize("shape", [(50, 8, 8), (50, 8, 8, 3)])
@pytest.mark.parametrize("balanced", [False, True])
def test_a_set_that_stays_on_disk_gives_the_same_batches(
    tmp_path: Path, shape: tuple[int, ...], balanced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "faces.npy", pixels(*shape))
    images = np.load(tmp_path / "faces.npy", mmap_mode="r")
    targets, marks = np.arange(50) % 8 - 1, np.where(np.arange(50) % 9 == 4, "tie", "")
    sets = []
    for budget in (1 << 30, 1):
        monkeypatch.setattr("mien.training.device.RESIDENT", budget)
        monkeypatch.setattr("mien.training.device.LOOKED_AT", 10)
        held = OnDevice(FaceSet(images, targets, marks=marks), CPU, judged=True)
        assert (held.images is None) == (budget == 1)
        assert len(held) == sum((targets >= 0) & (marks == ""))
        drawn = [*held.shuffled(7, torch.Generator().manual_seed(1), balanced), *held.batches(9)]
        sets.append([torch.cat([part[k].flatten() for part in drawn]) for k in (0, 1)])
    assert all(torch.equal(*pair) for pair in zip(*sets, strict=True))

from pathlib import Path

import numpy as np

from mien.data.copies import leaked
from mien.data.faces import FaceSet


def noise(n: int, seed: int, shape: tuple[int, ...] = (6, 8)) -> FaceSet:
    rng = np.random.default_rng(seed)
    return FaceSet(rng.integers(0, 256, (n, *shape), np.uint8), rng.integers(0, 7, n))


def test_it_finds_every_copy_and_nothing_else() -> None:
    train, val = noise(5000, 0), noise(40, 1)  # more than one piece of 4,096
    images = val.images.copy()
    images[[3, 17, 39]] = train.images[[0, 4999, 4096]]
    images[5] = train.images[8]
    images[5, 2, 2] ^= 1  # nearly a copy
    images[6] = train.images[9][:, ::-1]  # a mirror image isn't one
    mask = leaked(train, FaceSet(images, val.targets))
    assert mask.dtype == np.bool_
    assert np.flatnonzero(mask).tolist() == [3, 17, 39]


def test_labels_do_not_matter_but_the_shape_does() -> None:
    train = noise(4, 0)
    assert leaked(train, FaceSet(train.images, [-1] * 4)).all()
    assert not leaked(train, FaceSet(train.images.reshape(4, 8, 6), train.targets)).any()
    assert leaked(train, train[[]]).shape == (0,)
    assert not leaked(train[[]], train).any()


def test_colour_and_memory_mapped_faces(tmp_path: Path) -> None:
    colour = noise(5, 2, (6, 8, 3))
    np.save(tmp_path / "faces.npy", colour.images)
    mapped = FaceSet(np.load(tmp_path / "faces.npy", mmap_mode="r"), colour.targets)
    assert leaked(mapped, colour[[4, 0]]).all()
    assert not leaked(mapped, noise(5, 3, (6, 8, 3))).any()


def test_changes_to_copy_on_write_faces_survive_a_look_at_them(tmp_path: Path) -> None:
    np.save(tmp_path / "faces.npy", noise(5, 2).images)
    faces = FaceSet(np.load(tmp_path / "faces.npy", mmap_mode="c"), [0] * 5)
    faces.images[:] = 7
    assert leaked(faces, faces).all()
    assert faces.checksum == faces.checksum
    assert (faces.images == 7).all()

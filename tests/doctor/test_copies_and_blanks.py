import numpy as np
import pytest

from mien.data.faces import FaceSet
from mien.data.splits import Splits
from mien.doctor.blank import looks
from mien.doctor.copies import identical
from mien.doctor.pool import Pool
from mien.errors import DataError


def nothing(like: FaceSet) -> FaceSet:
    return like[[]]


def test_identical_faces_across_splits_whatever_their_labels(planted) -> None:
    pool = Pool(planted)
    groups = identical(pool)
    pairs = [(pool.split[i], pool.rows[i], pool.rows[groups.first[i]]) for i in np.flatnonzero(groups.copies)]
    assert pairs == [(0, 10, 9), (0, 31, 30), (1, 0, 5), (1, 1, 6), (2, 3, 20)]
    assert groups.conflicting(pool.labels).sum() == 2


def test_faces_of_a_memory_mapped_set_that_end_in_zeros(tmp_path) -> None:
    images = np.zeros((9000, 4, 5, 3), np.uint8)  # more than two pieces; nearly all the same
    images[8000, 3, 4, 2] = 1
    images[8999, 3, 4, 2] = 1
    np.save(tmp_path / "faces.npy", images)
    faces = FaceSet(np.load(tmp_path / "faces.npy", mmap_mode="r"), np.zeros(9000, np.int64))
    groups = identical(Pool(Splits(faces, nothing(faces), nothing(faces))))
    assert np.unique(groups.first).tolist() == [0, 8000]
    assert groups.first[8999] == 8000


def test_constant_and_faint(planted) -> None:
    found = looks(Pool(planted))
    assert np.flatnonzero(found.constant).tolist() == [30, 31]
    assert np.flatnonzero(found.faint).tolist() == [32]
    red = np.zeros((1, 8, 8, 3), np.uint8)
    red[..., 0] = 255  # one colour all over is constant, though its channels differ
    faces = FaceSet(red, [0])
    assert looks(Pool(Splits(faces, nothing(faces), nothing(faces)))).constant.tolist() == [True]


def test_how_little_is_faint() -> None:
    images = np.full((2, 8, 8), 100, np.uint8)
    images[0, :4], images[1, :4] = 105, 107  # half and half: standard deviations of 2.5 and 3.5
    faces = FaceSet(images, [0, 0])
    assert looks(Pool(Splits(faces, nothing(faces), nothing(faces)))).faint.tolist() == [True, False]


def test_a_pool_is_its_splits_in_order(planted) -> None:
    pool = Pool(planted)
    whole = np.concatenate([faces.images for _, faces in planted])
    assert len(pool) == 420
    assert np.array_equal(np.concatenate([images for _, images in pool.pieces(100)]), whole)
    assert [start for start, _ in pool.pieces(100)] == [0, 100, 200, 294, 357]
    numbers = np.array([400, 3, 300, 3])
    assert np.array_equal(pool.take(numbers), whole[numbers])
    assert {name: at.tolist() for name, at in pool.places(numbers).items()} == {
        "train": [3, 3], "val": [6], "test": [43],
    }  # fmt: skip


def test_large_faces_come_in_small_pieces(planted) -> None:
    pool = Pool(planted)
    assert pool.at_once(1024) == 1024
    pool.shape = (1024, 1024, 3)
    assert pool.at_once(1024) == 10


def test_what_is_no_pool(planted) -> None:
    train = planted.train
    with pytest.raises(DataError, match="no faces"):
        Pool(Splits(nothing(train), nothing(train), nothing(train), "empty.csv"))

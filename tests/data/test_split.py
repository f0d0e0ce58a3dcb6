import numpy as np
import pytest

from mien.data.faces import FaceSet
from mien.data.split import split_off, stratified
from mien.errors import DataError


def test_every_class_gives_the_same_share():
    labels = np.repeat([0, 1, 2], [100, 10, 40])
    chosen = stratified(labels, 0.2)
    assert np.bincount(labels[chosen]).tolist() == [20, 2, 8]


def test_small_classes_give_one_and_keep_one_and_unlabelled_faces_stay():
    labels = np.array([0, 0, 1, 2, 2, 2, -1, -1, -1])
    chosen = stratified(labels, 0.01)
    assert np.bincount(labels[chosen], minlength=3).tolist() == [1, 0, 1]
    assert np.bincount(labels[stratified(labels, 0.99)], minlength=3).tolist() == [1, 0, 2]


def test_the_same_seed_chooses_the_same_rows_with_every_numpy():
    assert np.flatnonzero(stratified([0] * 12, 0.25, seed=7)).tolist() == [3, 6, 11]
    assert not np.array_equal(stratified([0] * 99, 0.25, seed=1), stratified([0] * 99, 0.25, seed=2))


def test_split_off_keeps_order_and_loses_nobody():
    faces = FaceSet(np.arange(60, dtype=np.uint8)[:, None, None] + np.zeros((60, 4, 4), np.uint8), [0, 1] * 30)
    kept, aside = split_off(faces, 0.3)
    assert len(aside) == 18
    assert sorted([*kept.rows, *aside.rows]) == list(range(60))
    assert all(np.diff(part.rows).min() > 0 for part in (kept, aside))
    assert np.array_equal(aside.images[:, 0, 0], aside.rows)


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan")])
def test_a_share_that_is_none(share):
    with pytest.raises(DataError, match="share"):
        stratified([0, 1], share)


@pytest.mark.parametrize(
    ("subjects", "found"), [(["a", "b"], "subjects of shape"), (["a", None, "b"], "1 without"), ([1, np.nan, 2], "1 w")]
)
def test_every_face_needs_a_subject(subjects, found):
    faces = FaceSet(np.zeros((3, 4, 4), np.uint8), [0, 1, 0])
    with pytest.raises(DataError, match=f"3 faces need a subject each; found {found}"):
        split_off(faces, 0.3, subjects=subjects)
    with pytest.raises(DataError, match=r"split_off takes one FaceSet, .* Found a list"):
        split_off([faces], 0.3)

"""A FaceSet and its splits as they are used: changed in place, indexed, copied, saved."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from mien.data.drawn import drawn_faces
from mien.data.faces import UNLABELLED, FaceSet
from mien.data.splits import Splits
from mien.errors import CheckpointError, DataError
from mien.labels import FERPLUS
from mien.runs import begin
from mien.training.recipe import recipe


def test_what_is_changed_in_place_is_seen():
    faces = drawn_faces(100).train
    before = faces.checksum
    assert faces.sure.all()
    faces.targets[0] = UNLABELLED
    assert (faces.sure[0], len(faces.labelled), len(faces.judged)) == (False, 69, 69)
    labelled = faces.checksum
    faces.images[:] = 255 - faces.images
    assert len({before, labelled, faces.checksum}) == 3
    assert faces.replaced(marks=["tie", *[""] * (len(faces) - 1)]).checksum != faces.checksum


def test_the_checksum_is_that_of_all_bytes_at_once():
    """Which is what cards have, of sets that were read by any version."""
    images = np.random.default_rng(0).integers(0, 256, (9000, 2, 2), np.uint8)
    labels = np.arange(9000) % 2
    for targets in (labels, np.eye(2, dtype=np.float32)[labels]):
        said = repr((images.shape, targets.shape, ("a", "b"))).encode()
        expected = hashlib.sha256(said + images.tobytes() + targets.tobytes()).hexdigest()
        assert FaceSet(images, targets, classes=("a", "b")).checksum == expected


def test_shares_that_are_changed_in_place_are_seen():
    faces = FaceSet(np.zeros((2, 48, 48), np.uint8), np.eye(2, 8, dtype=np.float32), classes=FERPLUS)
    assert faces.labels.tolist() == [0, 1]
    faces.targets[0, :2] = 0, 1
    assert (faces.labels.tolist(), faces.counts[FERPLUS[1]]) == ([1, 1], 2)
    for shares in ([0.5, 0.2], [1.5, -0.5]):
        with pytest.raises(DataError, match="shares that add to 1"):
            FaceSet(faces.images, np.array([shares] * 2, np.float32), classes=("a", "b"))


def test_a_run_on_faces_that_were_changed_meanwhile_is_refused(tmp_path):
    splits = drawn_faces(100)
    begin(tmp_path, splits, recipe("logistic", "demo"))
    begin(tmp_path, splits, recipe("logistic", "demo"))
    splits.train.images[:] = 255 - splits.train.images
    with pytest.raises(CheckpointError, match="begun on other data"):
        begin(tmp_path, splits, recipe("logistic", "demo"))


def test_a_file_of_faces_may_have_any_name(tmp_path):
    splits = drawn_faces(20)
    splits.save(tmp_path / "three")
    splits.val.save(tmp_path / "one.faces")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.faces", "three"]
    assert Splits.load(tmp_path / "three").checksums == splits.checksums
    assert FaceSet.load(tmp_path / "one.faces").checksum == splits.val.checksum


@pytest.mark.parametrize("two", [np.array(2), np.int64(2), np.uint8(2), torch.tensor(2), -3])
def test_one_face_is_asked_for_by_any_whole_number(two):
    faces = FaceSet(np.arange(5 * 4, dtype=np.uint8).reshape(5, 2, 2), [0, 1, 2, 3, 4])
    face, target = faces[two]
    assert (face.tolist(), target) == ([[[8, 9], [10, 11]]], 2)
    face[:] = 99  # one's own copy
    assert faces.images.max() == 19


@pytest.mark.parametrize(
    "some", [[1, 2], (1, 2), np.array([1, 2]), torch.tensor([1, 2]), slice(1, 3), np.array([False, True, True]), []]
)
def test_several_faces_are_a_set(some):
    faces = FaceSet(np.zeros((3, 2, 2), np.uint8), [0, 1, 2])
    assert faces[some].rows.tolist() == ([1, 2] if len(faces[some]) else [])
    assert faces[torch.tensor([2])].rows.tolist() == [2]


@pytest.mark.parametrize("odd", [1.0, None, True, np.True_, np.array(True), "1", ..., [0.5], [[0, 1]], [None]])
def test_what_faces_cannot_be_asked_for_by_is_said(odd):
    with pytest.raises(TypeError, match=r"Faces are asked for by a whole number, faces\[3\]; by a slice"):
        FaceSet(np.zeros((3, 2, 2), np.uint8), [0, 1, 2])[odd]


def test_a_set_with_other_fields_keeps_the_rest():
    faces = FaceSet(
        np.zeros((2, 2, 2), np.uint8), [0, 1], len, classes="ab", rows=[5, 9], marks=["", "tie"], source="here"
    )
    other = faces.replaced(targets=[1, 1], marks=["", ""])
    assert (other.counts, other.marks.tolist(), other.transform) == ({"a": 0, "b": 2}, ["", ""], len)
    assert (other.rows.tolist(), other.source, other.images is faces.images) == ([5, 9], "here", True)
    assert faces.counts == {"a": 1, "b": 1}
    with pytest.raises(DataError, match="label 2 isn't one of the 2 classes"):
        faces.replaced(targets=[2, 1])
    with pytest.raises(TypeError, match="pixels"):
        faces.replaced(pixels=faces.images)


def test_splits_that_do_not_belong_together_are_refused():
    train, val, test = (faces for _, faces in drawn_faces(20))
    with pytest.raises(
        DataError, match=r"a\.npz: the splits have other classes, .*angry, .* in train; neutral, .* in val"
    ):
        Splits(train, val.replaced(classes=train.classes[::-1]), test, "a.npz")
    small = test.replaced(images=test.images[:, ::2, ::2])
    with pytest.raises(DataError, match="faces of several sizes: 48×48 in train, 48×48 in val, 24×24 in test"):
        Splits(train, val, small)
    colour = val.replaced(images=np.repeat(val.images[..., None], 3, 3))
    with pytest.raises(DataError, match="48×48×3 in val"):
        Splits(train, colour, test)
    for odd in (val.images, None, "val"):
        with pytest.raises(DataError, match=rf"empty, faces\[:0\]\. For val: Found an? {type(odd).__name__}"):
            Splits(train, odd, test)


def test_empty_splits_are_of_any_kind():
    train = drawn_faces(20).train
    other = FaceSet(np.zeros((0, 9, 9), np.uint8), [], classes=FERPLUS)
    assert Splits(train, other, other).classes == Splits(other, train, other).classes == train.classes
    assert Splits(other, other, other).classes == FERPLUS


@pytest.mark.parametrize("kind", [list, np.array, lambda names: np.array(names, object)])
def test_targets_may_be_the_names_of_the_classes(kind):
    images = np.zeros((3, 2, 2), np.uint8)
    faces = FaceSet(images, kind(["happy", "sad", "happy"]))
    assert (faces.targets.dtype, faces.counts["happy"], faces.counts["sad"]) == (np.int64, 2, 1)
    with pytest.raises(DataError, match="label 'joy' is none of the classes, angry, disgust"):
        FaceSet(images, kind(["happy", "joy", "sad"]))
    with pytest.raises(DataError, match=r"3 faces of 7 classes need targets of shape \(3,\)"):
        FaceSet(images, kind(["happy", "sad"]))


def test_masked_targets_are_refused() -> None:
    images = np.zeros((3, 2, 2), np.uint8)
    targets = np.ma.array([0, 1, 2], mask=[False, True, False])
    with pytest.raises(DataError, match=r"some are masked\. For no label give -1, as targets\.filled"):
        FaceSet(images, targets)
    assert FaceSet(images, targets.filled(-1)).targets.tolist() == [0, UNLABELLED, 2]
    assert FaceSet(images, np.ma.array([0, 1, 2])).targets.tolist() == [0, 1, 2]


def test_an_empty_split_is_saved_as_one_of_the_others_kind(tmp_path: Path) -> None:
    images = np.zeros((4, 48, 48), np.uint8)
    own = FaceSet(images, [0, 1, 1, 0], classes=("a", "b"))
    Splits(own, own, FaceSet(images[:0], [])).save(tmp_path / "own.npz")
    assert Splits.load(tmp_path / "own.npz").train.counts == {"a": 2, "b": 2}
    soft = FaceSet(images, np.eye(7, dtype=np.float32)[[0, 1, 1, 0]])
    Splits(soft, soft, FaceSet(images[:0], [])).save(tmp_path / "soft.npz")
    assert Splits.load(tmp_path / "soft.npz").val.soft


def test_names_come_from_an_iterator_and_back_from_a_data_frame() -> None:
    faces = FaceSet(np.zeros((3, 48, 48), np.uint8), [0, 1, -1], classes=iter("ab"))  # type: ignore[arg-type]
    again = FaceSet(faces.images, faces.to_pandas().label, classes=faces.classes)
    assert again.classes == ("a", "b")
    assert again.targets.tolist() == [0, 1, -1]
    numpys = faces.replaced(classes=np.unique(["a", "b"]))
    assert (numpys.checksum, repr(numpys.classes)) == (faces.checksum, "('a', 'b')")


@pytest.mark.parametrize("odd", [[0, 1], ["a", None]])
def test_classes_without_names_are_refused(odd: list) -> None:  # else a training would fail as it writes its card
    with pytest.raises(DataError, match=r"Classes are names, .* Found an? (int|NoneType)\."):
        FaceSet(np.zeros((2, 48, 48), np.uint8), [0, 1], classes=odd)


def test_a_tensors_faces_are_asked_for_as_an_array() -> None:
    with pytest.raises(DataError, match=r"must be a numpy array: images\.numpy\(\)"):
        FaceSet(torch.zeros(2, 48, 48, dtype=torch.uint8), [0, 1])  # type: ignore[arg-type]

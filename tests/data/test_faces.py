"""A FaceSet and its splits as they are used: changed in place, indexed, copied, saved."""

import numpy as np
import pytest

from mien.data.drawn import drawn_faces
from mien.data.faces import UNLABELLED, FaceSet, Splits
from mien.errors import CheckpointError
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


def test_shares_that_are_changed_in_place_are_seen():
    faces = FaceSet(np.zeros((2, 48, 48), np.uint8), np.eye(2, 8, dtype=np.float32), classes=FERPLUS)
    assert faces.labels.tolist() == [0, 1]
    faces.targets[0, :2] = 0, 1
    assert (faces.labels.tolist(), faces.counts[FERPLUS[1]]) == ([1, 1], 2)


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

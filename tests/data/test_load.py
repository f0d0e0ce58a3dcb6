import numpy as np
import pytest
from fer2013_files import csv_bytes, faces, write
from PIL import Image

from mien.data.drawn import drawn_faces
from mien.data.faces import FaceSet
from mien.data.fer2013 import load_fer2013
from mien.data.load import load_faces
from mien.errors import DataError
from mien.labels import SPLITS

CSV = csv_bytes(faces(4), [0, 1, 2, 3], ["Training", "Training", "PublicTest", "PrivateTest"])


def test_a_csv_an_npz_and_a_folder(tmp_path):
    csv = write(tmp_path / "f.csv", CSV)
    expected = [part.checksum for _, part in load_fer2013(csv)]
    assert [part.checksum for _, part in load_faces(csv)] == expected
    load_faces(csv).save(tmp_path / "f.npz")
    assert [part.checksum for _, part in load_faces(str(tmp_path / "f.npz"))] == expected
    (tmp_path / "folder/val/happy").mkdir(parents=True)
    Image.fromarray(faces(1)[0]).save(tmp_path / "folder/val/happy/1.png")
    assert np.array_equal(load_faces(tmp_path / "folder").val.images, faces(1))


@pytest.mark.parametrize("size", [0, -4])
def test_a_side_that_faces_cant_have(tmp_path, size):
    with pytest.raises(DataError, match=f"size is {size}"):
        load_faces(tmp_path, size=size)


def test_faces_in_a_list_are_refused():
    with pytest.raises(DataError, match=r"one array, not a list: numpy\.stack"):
        FaceSet(list(faces(2)), [0, 1])


class OnDemand:
    """Faces that exist only when asked for."""

    dtype, ndim, shape = np.dtype(np.uint8), 3, (3, 48, 48)

    def __len__(self):
        return 3

    def __getitem__(self, at):
        return faces(3)[at]


def test_faces_that_exist_when_asked_for_are_as_good_as_an_array():
    """So benchmarks/large.py and near.py have a million of them."""
    found = FaceSet(OnDemand(), [0, 1, 2])
    assert np.array_equal(found[1:].images, faces(3)[1:])
    assert found[2][1] == 2


def test_nothing_gives_drawn_faces(monkeypatch):
    asked = []
    monkeypatch.setattr("mien.data.load.drawn_faces", lambda **how: asked.append(how) or drawn_faces(70))
    splits = load_faces()
    assert asked == [{"only": SPLITS, "tick": None}]  # all of them; test_origin.py knows how many
    assert splits.train.images.shape[1:] == (48, 48)
    assert [len(part) for _, part in splits] == [50, 10, 10]
    with pytest.raises(DataError, match="votes belong to the rows of FER2013"):
        load_faces(None, votes="fer2013new.csv")


def test_bad_rows_are_skipped_on_request(tmp_path):
    path = write(tmp_path / "f.csv", CSV + b"9,1 2 3,Training\n")
    with pytest.raises(DataError, match="row 4"):
        load_faces(path)
    assert load_faces(path, skip_bad_rows=True).left_out == 1


@pytest.mark.parametrize("name", ["none.csv", "none.npz", "none"])
def test_no_such_file(tmp_path, name):
    with pytest.raises(DataError, match="no such file"):
        load_faces(tmp_path / name)


@pytest.mark.parametrize("votes", [None, "votes.csv"])
@pytest.mark.parametrize("ending", ["", ".csv", ".npz"])
def test_a_name_that_no_file_can_have(ending, votes):
    with pytest.raises(DataError, match=r"no such file|read"):
        load_faces("n" * 300 + ending, votes)


def test_an_empty_name_is_not_the_folder_that_one_is_in(tmp_path, monkeypatch):
    (tmp_path / "train/happy").mkdir(parents=True)
    Image.fromarray(faces(1)[0]).save(tmp_path / "train/happy/1.png")
    monkeypatch.chdir(tmp_path)
    assert len(load_faces(".").train) == 1
    for votes in (None, "votes.csv"):
        with pytest.raises(DataError, match="The name of the data is empty"):
            load_faces("", votes)


def test_saved_faces_are_no_csv_file(tmp_path):
    drawn_faces(20).save(tmp_path / "f.npz")
    with pytest.raises(DataError, match=r"f\.npz: no CSV file, but arrays, .* mien\.load_faces"):
        load_fer2013(tmp_path / "f.npz")

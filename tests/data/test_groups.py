"""Subjects: nobody stands in two splits, and every class keeps about its share."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mien.data.drawn import draw
from mien.data.faces import FaceSet
from mien.data.folder import load_folder
from mien.data.groups import Groups
from mien.data.listing import TRAIN, VAL, Listed, Listing
from mien.data.load import load_faces
from mien.data.split import apart, grouped
from mien.data.splits import Splits
from mien.errors import DataError


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def put(root: Path, where: str) -> None:
    path = root / where
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (48, 48)).save(path)


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 9)), min_size=1, max_size=80), st.integers(0, 99))
def test_whole_subjects_or_a_reason(rows: list[tuple[int, int]], seed: int) -> None:
    labels, subjects = np.array([row[0] for row in rows]), np.array([f"s{row[1]}" for row in rows])
    try:
        chosen = grouped(labels, subjects, 0.2, seed)
    except DataError:  # then nobody may leave: each subject has no label, or all faces of a class
        for subject in set(subjects):
            shown = set(labels[subjects == subject]) - {-1}
            assert shown - set(labels[subjects != subject]) or not shown
        return
    assert chosen.any()
    assert not set(subjects[chosen]) & set(subjects[~chosen])
    assert set(labels[chosen]) - {-1} <= set(labels[~chosen])  # every class can still be learned
    assert np.array_equal(chosen, grouped(labels, subjects, 0.2, seed))


def test_a_file_is_found_however_its_letters_are_composed(tmp_path: Path) -> None:
    apart, whole = (unicodedata.normalize(form, "glücklich/é.png") for form in ("NFD", "NFC"))
    table = tmp_path / "subjects.csv"
    table.write_text(f"file,subject\n{whole},anna\n", encoding="utf-8")
    assert Groups.read(table).of([apart]).tolist() == ["anna"]


def test_many_subjects_give_every_class_its_share() -> None:
    draws = np.random.default_rng(0)
    subjects = draws.integers(0, 200, 4000)
    labels = (draws.integers(0, 4, 4000) + subjects % 3) % 5  # who it is decides partly what is shown
    chosen = grouped(labels, subjects, 0.15)
    shares = np.bincount(labels[chosen]) / np.bincount(labels)
    assert abs(shares - 0.15).max() < 0.03
    assert not np.array_equal(chosen, grouped(labels, subjects, 0.15, seed=1))


@pytest.mark.parametrize(
    ("labels", "subjects", "found"),
    [([0, 1, 0], ["a", "a", "a"], "there is only one"), ([0, 1], ["a", "b"], "only faces of some class")],
)
def test_subjects_that_cannot_be_parted(labels: list[int], subjects: list[str], found: str) -> None:
    with pytest.raises(DataError, match=found):
        grouped(labels, subjects, 0.5)


def test_a_folder_by_subject(tmp_path: Path) -> None:
    lines = ["file,subject"]
    for person in range(12):
        for kind in ("cat", "dog"):
            for take in range(person % 3 + 1):
                put(tmp_path / "faces", f"{kind}/p{person}_{take}.png")
                lines.append(f"{kind}/p{person}_{take}.png,person {person}")
    who = table(tmp_path / "who.csv", *lines)
    splits = load_folder(tmp_path / "faces", groups=who)
    subjects = Groups.read(who).of(sorted(line.partition(",")[0] for line in lines[1:]))
    assert not set(subjects[splits.train.rows]) & set(subjects[splits.val.rows])
    assert len(splits.train) + len(splits.val) == len(lines) - 1
    assert splits.val.counts["cat"] == splits.val.counts["dog"] > 0
    assert "subject by subject" in splits.source


def test_names_alone_are_enough_where_they_are_unique(tmp_path: Path) -> None:
    who = table(tmp_path / "who.csv", "\ufeffName,Person", "a.png,x", "", ".\\sub\\b.png,y")
    groups = Groups.read(who)
    assert groups.of(["cat/a.png", "sub/b.png"]).tolist() == ["x", "y"]
    with pytest.raises(DataError, match="name of 2 files: give their paths"):
        groups.of(["cat/a.png", "dog/a.png"])
    with pytest.raises(DataError, match=r"no subject for 7 files: cat/0.png.* and 2 more"):
        groups.of([f"cat/{n}.png" for n in range(7)])
    with pytest.raises(DataError, match="give a column 'row'"):
        groups.of_rows([0])


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["a,b", "1,2"], "its columns are a, b; needed are 'file'"),
        ([""], "needed are"),
        (["file,subject", "a.png,"], "line 2 has an empty subject"),
        (["file,subject", ",x"], "line 2 has an empty name"),
        (["file,subject", "a.png,x", "a.png,y"], "line 3: a.png has two subjects, x and y"),
        (["row,subject", "one,x"], "line 2: 'one' is no row number"),
        (["row,subject", "1" * 5000 + ",x"], "is no row number"),
    ],
)
def test_a_table_that_says_nothing(tmp_path: Path, lines: list[str], found: str) -> None:
    with pytest.raises(DataError, match=found):
        Groups.read(table(tmp_path / "who.csv", *lines))


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="can't be read"):
        Groups.read(tmp_path / "none.csv")


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_a_table_that_isnt_utf_8(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "who.csv").write_text("file,subject\na.png,Zoë\n", encoding)
    with pytest.raises(DataError, match=r'who\.csv: it isn\'t UTF-8.*save it as "CSV UTF-8"'):
        Groups.read(tmp_path / "who.csv")


@pytest.mark.parametrize("mark", [";", "\t"])
def test_what_a_spreadsheet_has_for_commas(tmp_path: Path, mark: str) -> None:
    who = table(tmp_path / "who.csv", f"\ufefffile{mark}subject", f'"a, b; c\td.png"{mark}Zoë, 8')
    assert Groups.read(who).subjects == {"a, b; c\td.png": "Zoë, 8"}


def test_a_subject_in_two_given_splits_is_told(tmp_path: Path) -> None:
    for where in ("train/cat/1.png", "train/cat/2.png", "val/cat/3.png", "test/cat/4.png"):
        put(tmp_path / "faces", where)
    who = table(tmp_path / "who.csv", "file,subject", "1.png,ann", "2.png,bob", "3.png,ann", "4.png,cem")
    with pytest.raises(DataError, match=r"1 subject in more than one split: ann\. Put all pictures"):
        load_folder(tmp_path / "faces", groups=who)
    table(who, "file,subject", "1.png,ann", "2.png,ann", "3.png,bob", "4.png,cem")
    assert [len(faces) for _, faces in load_folder(tmp_path / "faces", groups=who)] == [2, 1, 1]
    apart([0, 0, 1], ["a", "a", "b"], "x")
    found = [Listed(TRAIN, 0, tmp_path / "1.png"), Listed(VAL, 0, tmp_path / "3.png")]
    found.append(Listed(VAL, 0, tmp_path / "2.png", problem="torn"))  # so it will be in no split
    Listing(tmp_path, ("cat",), found).with_val(0.15, 0, Groups.read(who))


def test_rows_of_other_data(tmp_path: Path) -> None:
    faces = draw(12, seed=1)
    train, val = faces[:8], faces[8:]
    Splits(train, val, faces[:0]).save(tmp_path / "faces.npz")
    who = table(tmp_path / "who.csv", "row,subject", *(f"{row},s{row // 4}" for row in range(12)))
    loaded = load_faces(tmp_path / "faces.npz", groups=who)
    assert [len(part) for _, part in loaded] == [8, 4, 0]
    assert loaded.origin is not None
    assert loaded.origin.groups == str(who)
    table(who, "row,subject", *(f"{row},s{row // 6}" for row in range(12)))
    with pytest.raises(DataError, match="in more than one split: s1"):
        load_faces(tmp_path / "faces.npz", groups=who)
    with pytest.raises(DataError, match="drawn faces have no subjects"):
        load_faces(None, groups=who)


def test_the_contests_table_without_usage_is_parted_by_subject(tmp_path: Path) -> None:
    faces: FaceSet = draw(40, seed=2)
    rows = (f"{label},{' '.join(map(str, image.ravel()))}" for image, label in faces)
    data = table(tmp_path / "train.csv", "emotion,pixels", *rows)
    who = table(tmp_path / "who.csv", "row,subject", *(f"{row},s{row // 4}" for row in range(40)))
    splits = load_faces(data, groups=who)
    assert len(splits.val)
    assert not set(splits.train.rows // 4) & set(splits.val.rows // 4)

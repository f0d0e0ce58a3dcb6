"""RAF-DB and AffectNet, small, in the layouts in which they are handed out, made from drawn faces."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mien.data.drawn import draw
from mien.data.faces import UNLABELLED
from mien.data.folder import load_folder
from mien.errors import DataError
from mien.labels import FER2013, FERPLUS

# What the distributions' own notes say, written down here a second time.
RAFDB = {1: "surprise", 2: "fear", 3: "disgust", 4: "happy", 5: "sad", 6: "angry", 7: "neutral"}
AFFECTNET = ["neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt"]

FACES = draw(60, seed=11).images


def save(path: Path, face: NDArray[np.uint8], side: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(face).resize((side, side), Image.Resampling.BICUBIC).convert("RGB").save(path, quality=95)


@pytest.fixture
def rafdb(tmp_path: Path) -> Path:
    root = tmp_path / "basic"
    lines = []
    for split, count in (("train", 28), ("test", 14)):
        for number in range(1, count + 1):
            lines.append(f"{split}_{number:04d}.jpg {number % 7 + 1}")
            save(root / "Image" / "aligned" / f"{split}_{number:04d}_aligned.jpg", FACES[number], 100)
    (root / "EmoLabel").mkdir()
    (root / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize("at", ["basic", "."])
def test_rafdb(rafdb: Path, at: str) -> None:
    splits = load_folder(rafdb.parent / at)
    assert splits.classes == FER2013
    assert [len(faces) for _, faces in splits] == [21, 7, 14]  # one of four of each class becomes val
    assert set(splits.val.counts.values()) == {1}
    names = sorted(f"test_{number:04d}" for number in range(1, 15))
    found = [FER2013[label] for label in splits.test.labels]
    assert found == [RAFDB[int(name[-4:]) % 7 + 1] for name in names]
    assert abs(splits.test.images[0].astype(int) - FACES[1]).mean() < 8  # the picture that stands under that name


def test_rafdb_in_colour_and_another_size(rafdb: Path) -> None:
    assert load_folder(rafdb, size=64, rgb=True).train.images.shape == (21, 64, 64, 3)


def test_rafdb_with_the_originals_alone(rafdb: Path) -> None:
    aligned = rafdb / "Image" / "aligned"
    for path in aligned.iterdir():
        path.rename(path.with_name(path.name.replace("_aligned", "")))
    aligned.rename(rafdb / "Image" / "original")
    assert [len(faces) for _, faces in load_folder(rafdb)] == [21, 7, 14]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("train_0099.jpg 4", r"train_0099_aligned.jpg.*no such file"),
        ("train_0001.jpg 8", "is no name and label 1..7"),
        ("../train_0001.jpg 4", "is no name and label"),
        ("train_0001.jpg", "line 43 of list_patition_label.txt"),
    ],
)
def test_a_line_of_rafdb_that_is_wrong(rafdb: Path, line: str, found: str) -> None:
    with (rafdb / "EmoLabel" / "list_patition_label.txt").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=found):
        load_folder(rafdb)
    splits = load_folder(rafdb, skip_bad_rows=True)
    assert splits.left_out == 1
    assert sum(len(faces) for _, faces in splits) == 42


def test_a_picture_that_rafdbs_list_does_not_name(rafdb: Path) -> None:
    save(rafdb / "Image" / "aligned" / "train_0099_aligned.jpg", FACES[0], 100)
    with pytest.raises(DataError, match=r"1 pictures .* doesn't name, such as train_0099_aligned.jpg"):
        load_folder(rafdb)
    (rafdb / "Image" / "aligned" / "train_0099_aligned.jpg").unlink()
    (rafdb / "Image" / "aligned" / "Thumbs.db").write_bytes(b"a system's")
    assert len(load_folder(rafdb).test) == 14
    (rafdb / "Image" / "aligned").rename(rafdb / "elsewhere")
    with pytest.raises(DataError, match="no Image/aligned beside EmoLabel"):
        load_folder(rafdb)


def test_the_copy_of_rafdb_on_kaggle(tmp_path: Path) -> None:
    for split, count in (("train", 28), ("test", 14)):
        for number in range(1, count + 1):
            where = tmp_path / "DATASET" / split / str(number % 7 + 1) / f"{split}_{number:05d}_aligned.jpg"
            save(where, FACES[number], 100)
        (tmp_path / f"{split}_labels.csv").write_text("image,label\n")
    for root in (tmp_path, tmp_path / "DATASET"):
        splits = load_folder(root)
        assert splits.classes == FER2013
        assert [len(faces) for _, faces in splits] == [21, 7, 14]
        numbers = sorted((number % 7 + 1, number) for number in range(1, 15))
        assert [FER2013[label] for label in splits.test.labels] == [RAFDB[folder] for folder, _ in numbers]


def test_folders_1_to_7_of_somebody_else_keep_their_names(tmp_path: Path) -> None:
    for folder in range(1, 8):
        save(tmp_path / str(folder) / "me.jpg", FACES[0], 100)
    assert load_folder(tmp_path).classes == tuple("1234567")


def small_affectnet(root: Path, labels: int = 8, dtype: type = str) -> Path:
    for folder, count in (("train_set", 3 * labels), ("val_set", labels)):
        notes = root / folder / "annotations"
        notes.mkdir(parents=True)
        for number in range(count):
            save(root / folder / "images" / f"{number}.jpg", FACES[number], 224)
            np.save(notes / f"{number}_exp.npy", np.array(number % labels).astype(dtype))
            for other in ("aro", "val", "lnd"):
                np.save(notes / f"{number}_{other}.npy", np.array("0.1"))
    return root


@pytest.mark.parametrize(("labels", "dtype", "classes"), [(8, str, FERPLUS), (7, int, FER2013)])
def test_affectnet(tmp_path: Path, labels: int, dtype: type, classes: tuple[str, ...]) -> None:
    splits = load_folder(small_affectnet(tmp_path, labels, dtype))
    assert splits.classes == classes
    assert [len(faces) for _, faces in splits] == [3 * labels, labels, 0]
    assert [classes[label] for label in splits.val.labels] == AFFECTNET[:labels]
    assert [classes[label] for label in splits.train.labels] == AFFECTNET[:labels] * 3  # 2.jpg before 10.jpg
    assert abs(splits.train.images[10].astype(int) - FACES[10]).mean() < 8


def test_one_of_affectnets_sets_alone(tmp_path: Path) -> None:
    shutil.rmtree(small_affectnet(tmp_path) / "train_set")
    splits = load_folder(tmp_path)
    assert [len(faces) for _, faces in splits] == [0, 8, 0]
    assert [FERPLUS[label] for label in splits.val.labels] == AFFECTNET


def test_affectnets_annotations_that_are_wrong(tmp_path: Path) -> None:
    small_affectnet(tmp_path)
    notes = tmp_path / "train_set" / "annotations"
    (notes / "0_exp.npy").unlink()
    np.save(notes / "1_exp.npy", np.array("8"))
    np.save(notes / "2_exp.npy", np.array(["1", "2"]))
    (notes / "3_exp.npy").write_bytes(b"nothing")
    np.save(notes / "4_exp.npy", np.array({"a": 1}, object), allow_pickle=True)
    np.save(notes / "5_exp.npy", np.inf)
    (notes / "6_exp.npy").write_bytes(b"PK\x03\x04, but no archive")
    with pytest.raises(DataError, match="7 bad rows") as raised:
        load_folder(tmp_path)
    said = str(raised.value)
    assert "0_exp.npy: no such annotation" in said
    assert "label 8 isn't 0..7" in said
    assert "4_exp.npy: no label" in said
    splits = load_folder(tmp_path, skip_bad_rows=True)
    assert (splits.left_out, len(splits.train), len(splits.val)) == (7, 17, 8)


def full_affectnet(root: Path, pictures: str, tables: str) -> Path:
    (root / tables).mkdir(parents=True, exist_ok=True)
    header = ["subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks"]
    for name, count in (("training.csv", 22), ("validation.csv", 8)):
        with (root / tables / name).open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow([*header, "expression", "valence", "arousal"])
            for number in range(count):
                photo = np.full((150, 200), 255, np.uint8)
                photo[30:126, 60:156] = np.asarray(Image.fromarray(FACES[number]).resize((96, 96)))
                where = f"{number % 3}/{name[0]}{number}.jpg"
                (root / pictures / where).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(photo).convert("RGB").save(root / pictures / where, quality=95)
                expression = number % 11
                box = [60, 30, 96, 96] if expression != 10 else ["NULL"] * 4
                rows.writerow([where, *box, "1;2", expression, -2, -2])
    return root


@pytest.mark.parametrize(
    ("pictures", "tables"),
    [
        ("Manually_Annotated_Images", "Manually_Annotated_file_lists"),
        ("Manually_Annotated_Images", "."),  # the only folder, but not the one that holds everything
        (".", "."),
        ("AffectNet/Manually_Annotated_Images", "AffectNet"),
    ],
)
def test_the_full_affectnet_is_cut_at_its_boxes(tmp_path: Path, pictures: str, tables: str) -> None:
    splits = load_folder(full_affectnet(tmp_path, pictures, tables))
    assert splits.classes == FERPLUS
    assert [len(faces) for _, faces in splits] == [22, 8, 0]
    names = [FERPLUS[label] if label != UNLABELLED else "" for label in splits.train.labels]
    assert names == [*AFFECTNET, "", "", ""] * 2
    assert splits.train.marks.tolist() == [*[""] * 8, "none", "unknown", "no face"] * 2
    assert len(splits.train.labelled) == 16
    assert abs(splits.train.images[5].astype(int) - FACES[5]).mean() < 8  # the face alone, without the white around it


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ("0/t0.jpg,60,30,96,96,,11", "expression '11' isn't 0..10"),
        ("0/t0.jpg,60,30,NULL,96,,3", "a face with an expression, but it stands at 60, 30, NULL, 96"),
        ("0/t0.jpg,500,30,96,96,,3", "the box (500, 30, 596, 126) lies outside of the picture"),
        (f"0/t0.jpg,60,30,96,96,,{'1' * 5000}", "isn't 0..10"),
        ("../../t0.jpg,60,30,96,96,,3", "leads out of the data set"),
        ("0/none.jpg,60,30,96,96,,3", "no such file"),
        (f"0/{'n' * 300}.jpg,60,30,96,96,,3", "can't be read"),
    ],
)
def test_a_row_of_the_full_affectnet_that_is_wrong(tmp_path: Path, cells: str, found: str) -> None:
    full_affectnet(tmp_path, ".", ".")
    with (tmp_path / "training.csv").open("a") as file:
        file.write(cells + "\n")
    with pytest.raises(DataError, match="1 bad row") as raised:
        load_folder(tmp_path)
    assert found in str(raised.value)
    splits = load_folder(tmp_path, skip_bad_rows=True)
    assert (splits.left_out, len(splits.train)) == (1, 22)


@pytest.mark.parametrize("header", ["", "subDirectory_filePath,face_x,face_y,face_width,face_height,expression\n"])
def test_a_table_of_affectnets_with_an_endless_cell(tmp_path: Path, header: str) -> None:
    (tmp_path / "training.csv").write_text(header + "a" * 200_000)
    with pytest.raises(DataError, match=r"training\.csv: not a table of AffectNet's"):
        load_folder(tmp_path)

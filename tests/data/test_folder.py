import os
import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mien.data.folder import load_folder
from mien.errors import DataError
from mien.labels import FER2013, FERPLUS


def put(root, where: str, tone: int = 0, size: int = 48):
    path = root / where
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size, size), tone, np.uint8)).save(path)
    return path


def tones(faces) -> list[int]:
    assert all((image == image[0, 0]).all() for image in faces.images)
    return faces.images[:, 0, 0].tolist()


def test_train_val_and_test_folders(tmp_path):
    for at, split in enumerate(("Train", "validation", "test")):
        put(tmp_path, f"{split}/happy/a.png", 10 + at)
        put(tmp_path, f"{split}/angry/deep/down/b.png", 20 + at)
    (tmp_path / "validation" / "sad").mkdir()  # a class that train has not, but nothing in it
    splits = load_folder(tmp_path)
    assert splits.classes == FER2013
    for at, (_, faces) in enumerate(splits):
        assert dict(zip(tones(faces), faces.labels.tolist(), strict=True)) == {10 + at: 3, 20 + at: 0}
    assert splits.source == str(tmp_path)


def test_linked_folders_are_read_too(tmp_path):
    put(tmp_path, "faces/happy/a.png", 10)
    put(tmp_path, "elsewhere/b.png", 20)
    put(tmp_path, "gloomy/c.png", 30)
    (tmp_path / "faces" / "happy" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "faces" / "sad").symlink_to(tmp_path / "gloomy")
    train = load_folder(tmp_path / "faces", val_share=0).train
    assert dict(zip(tones(train), train.labels.tolist(), strict=True)) == {10: 3, 20: 3, 30: 4}


def test_a_link_to_itself_is_a_bad_file_or_nothing(tmp_path):
    for name in ("happy/a.png", "happy/b.png", "sad/a.png"):
        put(tmp_path, name, 10)
    for place in (tmp_path, tmp_path / "happy"):
        (place / "round").symlink_to("round")
    with pytest.raises(DataError, match=r"1 bad row:\n  happy/round: can't be read"):
        load_folder(tmp_path)
    assert len(load_folder(tmp_path, val_share=0, skip_bad_rows=True).train) == 3


def test_a_folder_that_may_be_listed_but_not_entered(tmp_path, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    put(tmp_path, "happy/a.png")
    monkeypatch.setattr("pathlib.Path.is_file", denied)
    with pytest.raises(DataError, match=r": this folder can't be read \(Permission denied: "):
        load_folder(tmp_path)


def test_kaggles_image_copy_gets_its_three_splits_back(tmp_path):
    put(tmp_path, "fer2013/train/sad/Training_1.png", 1)
    put(tmp_path, "fer2013/test/sad/PublicTest_7.png", 2)
    put(tmp_path, "fer2013/test/sad/PrivateTest_3.png", 3)
    splits = load_folder(tmp_path)
    assert [tones(faces) for _, faces in splits] == [[1], [2], [3]]
    assert splits.train.labels.tolist() == [4]


def test_the_same_names_without_split_folders(tmp_path):
    for tone, name in enumerate(("Training_1", "Training_2", "PublicTest_7", "PrivateTest_3")):
        put(tmp_path, f"sad/{name}.png", tone)
    assert [tones(faces) for _, faces in load_folder(tmp_path)] == [[0, 1], [2], [3]]


def test_a_val_folder_stands_whatever_the_files_are_called(tmp_path):
    for split in ("train", "val", "test"):
        put(tmp_path, f"{split}/sad/PrivateTest_3.png")
    assert [len(faces) for _, faces in load_folder(tmp_path)] == [1, 1, 1]


def test_without_val_a_seeded_stratified_share_of_train(tmp_path):
    for n in range(20):
        put(tmp_path, f"cat/{n}.png", n)
        put(tmp_path, f"dog/{n}.png", 100 + n)
    splits = load_folder(tmp_path, val_share=0.2)
    assert splits.classes == ("cat", "dog")
    assert splits.val.counts == {"cat": 4, "dog": 4}
    assert splits.train.counts == {"cat": 16, "dog": 16}
    assert sorted(tones(splits.train) + tones(splits.val)) == [*range(20), *range(100, 120)]
    assert load_folder(tmp_path, val_share=0.2).val.checksum == splits.val.checksum
    assert load_folder(tmp_path, val_share=0.2, seed=1).val.checksum != splits.val.checksum
    assert "20%" in splits.source
    drawn = (load_folder(tmp_path, **how).origin for how in ({}, {"seed": 1}, {"val_share": 0.2}))
    assert [origin is not None for origin in drawn] == [True, False, False]  # `load_faces` reads by seed 0 alone
    assert len(load_folder(tmp_path, val_share=0).train) == 40
    with pytest.raises(DataError, match="share"):
        load_folder(tmp_path, val_share=1.5)


def test_a_stray_picture_is_in_no_split(tmp_path):
    lines = ["file,subject"]
    for name in ("happy", "sad"):
        for who in range(6):
            put(tmp_path, f"{name}/{who}.png", 10 * who)
            lines.append(f"{name}/{who}.png,person {who}")
    for who in range(6):
        put(tmp_path, f"stray {who}.png")
        lines.append(f"stray {who}.png,person {who}")
    (tmp_path / "who.csv").write_text("\n".join(lines))
    splits = load_folder(tmp_path, groups=tmp_path / "who.csv", skip_bad_rows=True)
    assert splits.left_out == 6
    assert len(splits.val) in (2, 4)


def test_one_picture_of_each_class_leaves_none_for_validation(tmp_path):
    for name in ("happy", "sad"):
        put(tmp_path, f"{name}/1.png")
    splits = load_folder(tmp_path)
    assert len(splits.train) == 2
    with pytest.raises(DataError, match=r"no class has a second picture to set aside.* has no faces for 'val'"):
        splits["val"]


@pytest.mark.parametrize(
    ("folders", "classes", "labels"),
    [
        (["Anger", "surprised"], FER2013, [0, 5]),
        (["contempt", "happiness"], FERPLUS, [7, 3]),
        (["0", "6"], FER2013, [0, 6]),
        (["0", "7"], ("0", "7"), [0, 1]),
        (["0", "happy"], ("0", "happy"), [0, 1]),
        (["bored", "happy"], ("bored", "happy"), [0, 1]),
    ],
)
def test_class_names(tmp_path, folders, classes, labels):
    for folder in folders:
        put(tmp_path, f"{folder}/1.png")
    splits = load_folder(tmp_path)
    assert splits.classes == classes
    assert splits.train.labels.tolist() == sorted(labels, key=lambda label: folders[labels.index(label)])


def test_a_class_is_one_class_however_its_letters_are_composed(tmp_path):
    put(tmp_path, f"train/{unicodedata.normalize('NFD', 'fröhlich')}/1.png", 1)  # as Finder writes it
    put(tmp_path, f"val/{unicodedata.normalize('NFC', 'fröhlich')}/1.png", 2)
    put(tmp_path, "train/müde/1.png", 3)
    splits = load_folder(tmp_path)
    assert splits.classes == ("fröhlich", "müde")
    assert splits.val.labels.tolist() == [0]


def test_other_sizes_are_resized_and_litter_is_passed_over(tmp_path):
    put(tmp_path, "happy/large.png", 90, size=200)
    put(tmp_path, "happy/small.png", 30, size=20)
    for litter in ("Thumbs.db", "happy/.DS_Store", "happy/Thumbs.db", "happy/._large.png", "README.txt", ".git/x.png"):
        path = tmp_path / litter
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    splits = load_folder(tmp_path, size=64, val_share=0)
    assert splits.train.images.shape == (2, 64, 64)
    assert tones(splits.train) == [90, 30]
    assert splits.left_out == 0


def test_bad_files_are_named_and_can_be_left_out(tmp_path):
    put(tmp_path, "happy/1.png", 1)
    put(tmp_path, "outside.png")
    (tmp_path / "happy/2.png").write_bytes((tmp_path / "happy/1.png").read_bytes()[:60])
    (tmp_path / "happy/3.jpg").write_bytes(b"")
    (tmp_path / "happy/4.jpg").write_bytes(b"no picture")
    (tmp_path / "happy/notes.txt").write_bytes(b"hello")
    with pytest.raises(DataError, match="5 bad rows") as raised:
        load_folder(tmp_path)
    lines = str(raised.value).splitlines()
    for name, found in (
        ("happy/2.png", "damaged"),
        ("happy/3.jpg", "0 bytes"),
        ("happy/4.jpg", "not an image"),
        ("happy/notes.txt", "not an image"),
        ("outside.png", "outside of all class folders"),
    ):
        assert any(name in line and found in line for line in lines), name
    splits = load_folder(tmp_path, skip_bad_rows=True)
    assert splits.left_out == 5
    assert tones(splits.train) == [1]


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such pipes in folders")
def test_a_pipe_among_the_pictures_is_a_bad_file(tmp_path):
    for name in ("happy/1.png", "happy/2.png", "sad/1.png"):
        put(tmp_path, name)
    os.mkfifo(tmp_path / "sad" / "2.png")
    with pytest.raises(DataError, match=r"1 bad row:\n  sad/2\.png: no file \(.*a pipe"):
        load_folder(tmp_path)


def test_a_class_of_which_nothing_can_be_read_is_said(tmp_path):
    for number in range(8):
        put(tmp_path, f"happy/{number}.png", number)
    (tmp_path / "sad").mkdir()
    with pytest.raises(DataError, match="sad: a folder for a class, with nothing in it"):
        load_folder(tmp_path)
    (tmp_path / "sad" / "1.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match="none of the training images of 'sad' can be read"):
        load_folder(tmp_path, skip_bad_rows=True)


def test_pictures_are_known_by_their_content(tmp_path):
    for name in ("happy/1.jfif", "happy/2", "sad/1.png"):
        put(tmp_path, f"{name}.png", 7)
        (tmp_path / f"{name}.png").rename(tmp_path / name)
    assert len(load_folder(tmp_path, val_share=0).train) == 3


def test_pictures_in_no_folder(tmp_path):
    put(tmp_path, "1.png", 1)
    with pytest.raises(DataError, match=r"in no folder\. Images are expected in a folder for each class"):
        load_folder(tmp_path)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ([], "no images in it"),
        (["train/happy/1.png", "test/sad/1.png"], "unknown class folder 'sad' in test; train has happy"),
        (["train/happy/1.png", "val/bored/1.png"], "unknown class folder 'bored' in val"),
        (["train/happy/1.png", "other/happy/1.png"], "'other', which is no split"),
        (["val/happy/1.png", "valid/happy/1.png"], "are the same split"),
        (["train_set/happy/1.png", "test_set/happy/1.png"], "'test_set', 'train_set' look like splits, .* Call splits"),
        (["seg_train/a/1.png", "seg_test/a/1.png"], "'seg_test', 'seg_train' look like splits"),
        (["anger/1.png", "angry/1.png"], "mean the same class"),
        (["all/bored/1.png", "all/keen/2.png", "0.png"], r"0\.png lies beside all, .* or name .*all\."),
        (["happy/train/1.png", "happy/test/2.png", "sad/train/3.png"], "its folders are splits .* instead: test/happy"),
    ],
)
def test_folders_that_make_no_sense(tmp_path, files, found):
    for file in files:
        put(tmp_path, file)
    with pytest.raises(DataError, match=found):
        load_folder(tmp_path)


def test_classes_may_begin_as_splits_do(tmp_path):
    for file in ("testy/monday/1.png", "testy/tuesday/2.png", "valiant/3.png", "valiant/4.png"):
        put(tmp_path, file)
    assert load_folder(tmp_path).classes == ("testy", "valiant")


def test_a_class_alone_is_no_wrapping(tmp_path):
    for file in ("happy/monday/1.png", "happy/tuesday/2.png"):
        put(tmp_path, file)
    found = load_folder(tmp_path)
    assert found.train.counts["happy"] + found.val.counts["happy"] == 2


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a name is text")
def test_a_class_whose_name_is_no_text_is_refused_at_once(tmp_path):
    put(tmp_path, os.fsdecode(b"train/caf\xe9/a.png"))
    put(tmp_path, "train/bar/a.png")
    with pytest.raises(DataError, match=r"train: the name of the class folder 'caf\\udce9' isn't text in UTF-8"):
        load_folder(tmp_path)


def test_no_folder(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        load_folder(tmp_path / "none")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="not a folder"):
        load_folder(tmp_path / "file")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 10**6), st.booleans(), st.booleans())
def test_any_bytes_as_images_give_splits_or_a_data_error(tmp_path, content, at, damage, skip):
    path = put(tmp_path, "happy/1.png")
    good = path.read_bytes()
    cut = at % len(good)
    path.write_bytes(good[:cut] + content + good[cut + len(content) :] if damage else content)
    try:
        splits = load_folder(tmp_path, skip_bad_rows=skip)
    except DataError as error:
        found = str(error)
    else:
        assert len(splits.train) == 1
        return
    assert "1.png" in found

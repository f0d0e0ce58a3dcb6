import gzip
import io
import lzma
import tarfile
import time
import tracemalloc
import zipfile

import numpy as np
import pandas
import pytest
from fer2013_files import HEADER, csv_bytes, faces, text, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.data.faces import UNLABELLED
from mien.data.fer2013 import load_fer2013
from mien.data.pixels import parse_row, parse_rows
from mien.data.splits import Splits
from mien.errors import DataError

USAGES = ["Training"] * 6 + ["PublicTest"] * 3 + ["PrivateTest"] * 2
IMAGES = faces(len(USAGES))
LABELS = [n % 7 for n in range(len(USAGES))]
GOOD = csv_bytes(IMAGES, LABELS, USAGES)
PIXELS = text(IMAGES[0])


def zipped(**members: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__csv", ".csv").replace("__txt", ".txt"), content)
    return held.getvalue()


def check(splits: Splits) -> None:
    for part, where in ((splits.train, slice(0, 6)), (splits.val, slice(6, 9)), (splits.test, slice(9, 11))):
        assert np.array_equal(part.images, IMAGES[where])
        assert part.labels.tolist() == LABELS[where]
        assert part.rows.tolist() == list(range(len(USAGES)))[where]
    assert splits.left_out == 0


FORMS = {
    "plain": GOOD,
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "windows line ends": GOOD.replace(b"\n", b"\r\n"),
    "no last line end": GOOD.rstrip(b"\n"),
    "blank lines": GOOD + b"\n\r\n  \n",
    "icml_face_data": csv_bytes(IMAGES, LABELS, USAGES, header=b"emotion, Usage, pixels"),
    "other order": csv_bytes(IMAGES, LABELS, USAGES, header=b'"pixels","Usage","Emotion"'),
    "quoted": GOOD.replace(PIXELS, b'"' + PIXELS + b'"'),
    "more spaces": GOOD.replace(PIXELS, b'" ' + PIXELS.replace(b" ", b"  ") + b' "'),
    "gzip": gzip.compress(GOOD),
    "xz": lzma.compress(GOOD),
    "zip": zipped(fer2013__csv=GOOD),
    "zip of a Mac": zipped(fer2013__csv=GOOD, **{"__MACOSX/._fer2013__csv": b"\0\5\x16\7\0\2\0\0Mac OS X"}),
    "zip where one table fits": zipped(readme__txt=b"hello", a__csv=GOOD, example_submission__csv=b"id,label\n1,2\n"),
    "zip where one fits best": zipped(a__csv=GOOD, b__csv=csv_bytes(IMAGES, LABELS, USAGES, header=b"emotion,pixels")),
}


@pytest.mark.parametrize("content", FORMS.values(), ids=FORMS.keys())
def test_every_form_gives_the_same_faces(tmp_path, content):
    check(load_fer2013(write(tmp_path / "named_anything", content)))


def test_training_public_and_private_test_are_train_val_and_test(tmp_path):
    images = np.repeat(np.array([11, 22, 33], np.uint8), 48 * 48).reshape(3, 48, 48)
    splits = load_fer2013(
        write(tmp_path / "f.csv", csv_bytes(images, [0, 1, 2], ["Training", "PublicTest", "PrivateTest"]))
    )
    assert [part.images[0, 0, 0] for _, part in splits] == [11, 22, 33]
    assert [int(part.labels[0]) for _, part in splits] == [0, 1, 2]


def test_a_file_without_one_of_the_splits_is_fine(tmp_path):
    splits = load_fer2013(write(tmp_path / "f.csv", csv_bytes(IMAGES[:9], LABELS[:9], USAGES[:9])))
    assert [len(part) for _, part in splits] == [6, 3, 0]
    assert splits.test.images.shape == (0, 48, 48)


def test_splits_in_any_order_over_many_blocks_as_pandas_reads_them(tmp_path):
    n = 1500
    images, order = faces(n), np.random.default_rng(1).integers(0, 3, n)
    usages = [("Training", "PublicTest", "PrivateTest")[split] for split in order]
    path = write(tmp_path / "f.csv", csv_bytes(images, [n % 7 for n in range(n)], usages))
    splits, frame = load_fer2013(path), pandas.read_csv(path)
    for split, (_, part) in enumerate(splits):
        assert part.rows.tolist() == np.flatnonzero(order == split).tolist()
        expected = [np.array(row.split(), np.uint8) for row in frame["pixels"][order == split]]
        assert np.array_equal(part.images.reshape(len(part), -1), expected)
        assert part.labels.tolist() == frame["emotion"][order == split].tolist()


def test_the_contests_train_csv_gets_a_stratified_validation_split(tmp_path):
    images, labels = faces(100), [0] * 60 + [3] * 40
    path = write(tmp_path / "train.csv", csv_bytes(images, labels, [""] * 100, header=b"emotion,pixels"))
    splits, again = load_fer2013(path), load_fer2013(path)
    assert splits.val.counts["angry"] == 9
    assert splits.val.counts["happy"] == 6
    assert not len(splits.test)
    assert sorted([*splits.train.rows, *splits.val.rows]) == list(range(100))
    assert np.array_equal(splits.val.images, images[splits.val.rows])
    assert splits.val.checksum == again.val.checksum
    assert "15%" in splits.source


def test_the_contests_test_csv_is_a_test_split_without_labels(tmp_path):
    splits = load_fer2013(write(tmp_path / "test.csv", csv_bytes(IMAGES, LABELS, USAGES, header=b"pixels")))
    assert len(splits.test) == len(IMAGES)
    assert set(splits.test.labels.tolist()) == {UNLABELLED}
    assert not len(splits.train)
    assert not len(splits.val)


def row(label: bytes = b"3", pixels: bytes = PIXELS, usage: bytes = b"Training") -> bytes:
    return b",".join((label, pixels, usage))


BAD_ROWS = [
    (row(pixels=PIXELS[:-4].rpartition(b" ")[0]), "pixels instead of 2,304"),
    (row(pixels=PIXELS + b" 7"), "2,305 pixels instead of 2,304"),
    (row(pixels=b""), "0 pixels instead of 2,304"),
    (row(pixels=b"256" + PIXELS[PIXELS.index(b" ") :]), "pixel 1 is '256'"),
    (row(pixels=b"-1" + PIXELS[PIXELS.index(b" ") :]), "pixel 1 is '-1'"),
    (row(pixels=b"1.5" + PIXELS[PIXELS.index(b" ") :]), "pixel 1 is '1.5'"),
    (row(pixels=PIXELS[: PIXELS.rindex(b" ")] + b" dark"), "pixel 2304 is 'dark'"),
    (row(pixels="٣".encode() + PIXELS[PIXELS.index(b" ") :]), "pixel 1 is '٣'"),
    (row(label=b"7"), "unknown label '7'"),
    (row(label=b"happy"), "unknown label 'happy'"),
    (row(label=b""), "unknown label ''"),
    (row(usage=b"Testing"), "unknown usage 'Testing'"),
    (row()[:-9], "2 columns instead of 3"),
    (row(usage=b"Trai"), "unknown usage 'Trai'"),
]


@pytest.mark.parametrize(("bad", "found"), BAD_ROWS, ids=[found for _, found in BAD_ROWS])
def test_a_bad_row_is_named_and_can_be_left_out(tmp_path, bad, found):
    lines = GOOD.splitlines()
    path = write(tmp_path / "f.csv", b"\n".join([*lines[:3], b"", bad, *lines[3:]]))
    with pytest.raises(DataError) as raised:
        load_fer2013(path)
    message = str(raised.value)
    assert "f.csv: 1 bad row:" in message
    assert "row 2 (line 5): " in message
    assert found in message
    splits = load_fer2013(path, skip_bad_rows=True)
    assert splits.left_out == 1
    assert splits.train.rows.tolist() == [0, 1, 3, 4, 5, 6]  # the places in the file, bad rows counted: it was row 2
    assert np.array_equal(splits.train.images, IMAGES[:6])
    assert np.array_equal(splits.test.images, IMAGES[9:])


def test_ten_bad_rows_are_named_and_all_counted(tmp_path):
    path = write(tmp_path / "f.csv", b"\n".join([HEADER, *[row(label=b"9")] * 25, row()]))
    with pytest.raises(DataError, match="25 bad rows") as raised:
        load_fer2013(path)
    assert "row 9 (line 11)" in str(raised.value)
    assert "row 10" not in str(raised.value)
    assert "and 15 more" in str(raised.value)
    assert load_fer2013(path, skip_bad_rows=True).left_out == 25


WHOLE_FILES = [
    (b"", "empty"),
    (b"\n \r\n", "empty"),
    (HEADER, "no rows"),
    (HEADER + b"\n\n", "no rows"),
    (GOOD.replace(b"pixels", b"picture"), "no column 'pixels'"),
    (GOOD.replace(b"emotion", b"mood"), "no column 'emotion'"),
    (b"Label,pixels\n3," + PIXELS, "no column 'emotion', but 'label'"),
    (b"\n".join(GOOD.splitlines()[1:]), "no column 'pixels'"),
    (b"file,label\na.png,happy\n", r"no column 'pixels'.*put the pictures into a folder for each class"),
    (b"emotion,pixels,pixels,Usage\n", "twice"),
    (gzip.compress(GOOD)[:-30], "cut off"),
    (gzip.compress(GOOD)[:5000], "cut off"),
    (lzma.compress(GOOD)[:5000], "cut off"),
    (zipped(fer2013__csv=GOOD)[:5000], "zip"),
    (zipped(readme__txt=b"hello"), "holds readme.txt"),
    (zipped(**{"a.JPG": b"", "b.txt": b""}), "holds a.JPG, b.txt. .* unpack it, and name the folder"),
    (zipped(a__csv=GOOD, b__csv=GOOD), "several tables in it fit: a.csv, b.csv"),
    (GOOD.replace(b"\n", b" "), "no rows"),
    (HEADER + b"\n" + b"1 " * (1 << 20), "line 2 has"),
    (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "no column"),
    (b"\0" * 100, "not a CSV file"),
]


@pytest.mark.parametrize(("content", "found"), WHOLE_FILES, ids=range(len(WHOLE_FILES)))
@pytest.mark.parametrize("skip", [False, True])
def test_a_file_that_cant_be_read(tmp_path, content, found, skip):
    with pytest.raises(DataError, match=found) as raised:
        load_fer2013(write(tmp_path / "f.csv", content), skip_bad_rows=skip)
    assert "f.csv" in str(raised.value)


def test_only_bad_rows_is_an_error_even_when_skipping(tmp_path):
    with pytest.raises(DataError, match="none of its 2 rows can be used"):
        load_fer2013(write(tmp_path / "f.csv", HEADER + b"\n1,2,3\n4,5,6\n"), skip_bad_rows=True)


def test_a_tar_archive_a_folder_and_nothing(tmp_path):
    with tarfile.open(tmp_path / "fer2013.tar.gz", "w:gz") as archive:
        archive.add(write(tmp_path / "fer2013.csv", GOOD), "fer2013/fer2013.csv")
    with pytest.raises(DataError, match="unpack it first"):
        load_fer2013(tmp_path / "fer2013.tar.gz")
    with pytest.raises(DataError, match="can't be read"):
        load_fer2013(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        load_fer2013(tmp_path / "none.csv")
    with pytest.raises(DataError, match="can't be read"):
        load_fer2013("a\0b")


def test_a_file_cut_off_anywhere_gives_faces_or_an_error_but_never_other_pixels(tmp_path):
    for cut in range(len(GOOD) - 1, len(HEADER) + 9300, -1777):
        path = write(tmp_path / "f.csv", GOOD[:cut])
        splits = load_fer2013(path, skip_bad_rows=True)
        for _, part in splits:
            assert np.array_equal(part.images, IMAGES[part.rows])


def test_memory_stays_under_two_and_a_half_times_the_pixels(tmp_path):
    n = 6000
    path = write(tmp_path / "f.csv", csv_bytes(np.tile(faces(100), (60, 1, 1)), [0] * n, ["Training"] * n))
    tracemalloc.start()
    try:
        splits = load_fer2013(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert splits.train.images.nbytes == n * 48 * 48
    assert peak < 2.5 * splits.train.images.nbytes


def test_pixels_are_read_many_times_as_fast_as_by_a_split_per_row():
    texts = [text(face) for face in faces(64)]
    fast, slow = [], []
    for _ in range(5):
        start = time.process_time()
        found = parse_rows(texts, 48 * 48)
        fast.append(time.process_time() - start)
        start = time.process_time()
        expected = np.stack([np.array(row.split(), np.uint8) for row in texts])
        slow.append(time.process_time() - start)
        assert np.array_equal(found, expected)
    assert min(slow) > 4 * min(fast)  # about 15; the rest is room for a busy machine


numbers = st.one_of(
    st.integers(0, 255).map(str),
    st.integers(0, 1300).map(str),
    st.sampled_from(["", "00", "007", "0255", "x", "-1", "1.0", "\t", "/", ":", "²", "99999999999999999999"]),
)


@given(st.lists(st.lists(numbers, min_size=1, max_size=4), min_size=0, max_size=4), st.integers(1, 4))
def test_the_fast_way_agrees_with_the_careful_one(rows, count):
    texts = [" ".join(row).encode() for row in rows]
    fast, careful = parse_rows(texts, count), [parse_row(text, count) for text in texts]
    if fast is not None:
        assert [row.tolist() for row in fast] == [row.tolist() for row in careful]
    plain = {str(value) for value in range(256)}
    if texts and all(len(row) == count and plain.issuperset(row) for row in rows):
        assert fast is not None


QUIET = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)


MAGIC = [b"", b"\x1f\x8b\x08\x00", b"\xfd7zXZ\0", b"PK\x03\x04", b"PK\x05\x06", HEADER + b"\n", b"pixels\n"]
PACKED = [pack(csv_bytes(IMAGES[:2], LABELS[:2], USAGES[:2])) for pack in (gzip.compress, lzma.compress)]
PACKED.append(zipped(a__csv=csv_bytes(IMAGES[:2], LABELS[:2], USAGES[:2])))


def read(path, skip):
    """Faces, or an error that names the file; anything else that is raised fails the test."""
    try:
        splits = load_fer2013(path, skip_bad_rows=skip)
    except DataError as error:
        found = str(error)
    else:
        assert sum(len(part) for _, part in splits)
        return
    assert str(path) in found


@QUIET
@given(st.sampled_from(MAGIC), st.binary(max_size=300), st.booleans())
def test_any_bytes_give_splits_or_a_data_error(tmp_path, start, content, skip):
    read(write(tmp_path / "any.csv", start + content), skip)


@QUIET
@given(st.sampled_from(PACKED), st.integers(0, 10**6), st.integers(0, 255), st.booleans())
def test_a_packed_file_with_a_changed_byte_gives_splits_or_a_data_error(tmp_path, content, at, byte, skip):
    changed = bytearray(content)
    changed[at % len(content)] = byte
    read(write(tmp_path / "changed", bytes(changed)), skip)


cells = st.one_of(
    st.sampled_from([b"0", b"6", b"7", b"Training", b"PrivateTest", PIXELS, b"1 2 3", b"", b'"', b"\0"]),
    st.binary(max_size=8),
)


@QUIET
@given(
    st.sampled_from([HEADER, b"emotion, Usage, pixels", b"pixels", b"emotion,pixels", b"Usage,pixels"]),
    st.lists(st.lists(cells, max_size=4).map(b",".join), max_size=6),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.booleans(),
)
def test_any_rows_give_splits_or_a_data_error(tmp_path, header, rows, end, skip):
    read(write(tmp_path / "any.csv", header + b"\n" + end.join(rows)), skip)

import gzip

import numpy as np
import pytest
from fer2013_files import csv_bytes, faces, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.data.fer2013 import load_fer2013
from mien.data.ferplus import load_ferplus
from mien.data.mapped import save_mapped
from mien.errors import DataError
from mien.labels import FERPLUS

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
USAGES = ["Training"] * 6 + ["PublicTest"] * 2 + ["PrivateTest"]
VOTES = [
    #  ne ha su sa an di fe co un nf
    ([4, 0, 0, 1, 3, 2, 0, 0, 0, 0], ""),
    ([0, 0, 0, 0, 0, 0, 0, 0, 0, 10], "no face"),
    ([1, 9, 0, 0, 0, 0, 0, 0, 0, 0], ""),
    ([3, 0, 0, 0, 0, 0, 0, 0, 7, 0], "unknown"),
    ([0, 0, 5, 0, 0, 0, 5, 0, 0, 0], "tie"),
    ([0, 0, 0, 0, 0, 0, 0, 8, 1, 1], ""),
    ([0, 0, 0, 10, 0, 0, 0, 0, 0, 0], ""),
    ([0, 4, 0, 0, 0, 0, 0, 0, 4, 2], "tie"),
    ([0, 0, 0, 0, 0, 9, 0, 0, 0, 0], ""),
]
IMAGES = faces(len(USAGES))
LABELS = [6, 0, 3, 6, 5, 0, 4, 3, 1]


def votes_bytes(votes=None, usages=USAGES) -> bytes:
    """As FER+ writes them: rows that are no face have no name, and the names count only the others."""
    lines, named = [HEADER], 0
    for usage, counts in zip(usages, [counts for counts, _ in VOTES] if votes is None else votes, strict=True):
        name = "" if counts[9] == 10 else f"fer{named:07}.png"
        named += bool(name)
        lines.append(",".join([usage, name, *map(str, counts)]))
    return "\n".join(lines).encode() + b"\n"


@pytest.fixture
def files(tmp_path):
    write(tmp_path / "fer2013.csv", csv_bytes(IMAGES, LABELS, USAGES))
    write(tmp_path / "fer2013new.csv", votes_bytes())
    return tmp_path / "fer2013new.csv", tmp_path / "fer2013.csv"


def test_votes_are_shares_in_our_order_joined_by_row(files):
    splits = load_ferplus(*files)
    assert splits.classes == FERPLUS
    assert {part.source for _, part in splits} == {f"{files[1]} + {files[0]}"}
    assert [len(part) for _, part in splits] == [6, 2, 1]
    train = splits.train
    assert np.array_equal(train.images, IMAGES[:6])
    #                                               an  di  fe ha  sa  su ne  co
    np.testing.assert_allclose(train.targets[0], [0.3, 0.2, 0, 0, 0.1, 0, 0.4, 0], atol=1e-6)
    np.testing.assert_allclose(train.targets[2], [0, 0, 0, 0.9, 0, 0, 0.1, 0], atol=1e-6)
    assert not train.targets[1].any()  # no face: unlabelled
    np.testing.assert_allclose(train.targets[3], np.eye(8)[6], atol=1e-6)  # the expressions' shares of what is left
    marks = [mark for _, mark in VOTES]
    assert [*train.marks, *splits.val.marks, *splits.test.marks] == marks
    assert train.labels.tolist() == [6, -1, 3, 6, 2, 7]


def test_a_join_by_image_name_would_be_wrong(files):
    """The second row has no name, so from there on the names are one behind the rows."""
    splits = load_ferplus(*files)
    lines = files[0].read_text().splitlines()[1:]
    by_name = {int(line.split(",")[1][3:-4]): line.split(",")[2:] for line in lines if line.split(",")[1]}
    assert int(by_name[2][1]) == 0  # by its name, row 2 would be the one with "unknown"
    assert splits.train.targets[2].argmax() == FERPLUS.index("happy")
    assert splits.val.targets[0].argmax() == FERPLUS.index("sad")


def test_packed_votes_an_npz_and_splits_give_the_same(files, tmp_path):
    votes, images = files
    expected = load_ferplus(votes, images)
    packed = write(tmp_path / "votes", gzip.compress(votes.read_bytes()))
    load_fer2013(images).save(tmp_path / "faces.npz")
    save_mapped(load_fer2013(images), tmp_path / "of.faces")
    for source in (tmp_path / "faces.npz", tmp_path / "of.faces", load_fer2013(images)):
        splits = load_ferplus(packed, source)
        assert [part.checksum for _, part in splits] == [part.checksum for _, part in expected]


def test_images_without_the_last_split(files, tmp_path):
    splits = load_ferplus(files[0], write(tmp_path / "f.csv", csv_bytes(IMAGES[:8], LABELS[:8], USAGES[:8])))
    assert [len(part) for _, part in splits] == [6, 2, 0]
    assert splits.val.targets[0].argmax() == FERPLUS.index("sad")


def test_images_that_arent_the_same_rows(files, tmp_path):
    votes, _ = files
    short = write(tmp_path / "short.csv", csv_bytes(IMAGES[1:], LABELS[1:], USAGES[1:]))
    with pytest.raises(DataError, match=r"Row 5, counted from 0, is PublicTest in .*short\.csv but Training in"):
        load_ferplus(votes, short)
    fewer = write(tmp_path / "fewer.csv", csv_bytes(IMAGES[:5], LABELS[:5], USAGES[:5]))
    with pytest.raises(DataError, match="1 rows more"):
        load_ferplus(votes, fewer)
    more = write(tmp_path / "more.csv", csv_bytes(faces(10), [*LABELS, 0], [*USAGES, "PrivateTest"]))
    with pytest.raises(DataError, match="votes for 9 rows, but the images' rows, counted from 0, go up to 9"):
        load_ferplus(votes, more)
    with pytest.raises(DataError, match="a folder of images"):
        load_ferplus(votes, tmp_path)


def test_images_in_another_order_are_noticed(tmp_path):
    n = 1200
    labels = [at % 7 for at in range(n)]
    images = np.zeros((n, 48, 48), np.uint8)
    columns = [4, 5, 6, 1, 3, 2, 0]  # where the votes for our classes stand
    votes = [[9 * (columns[label] == at) for at in range(10)] for label in labels]
    usages = ["Training"] * n
    path = write(tmp_path / "votes.csv", votes_bytes(votes, usages))
    load_ferplus(path, write(tmp_path / "right.csv", csv_bytes(images, labels, usages)))
    wrong = write(tmp_path / "wrong.csv", csv_bytes(images, labels[1:] + labels[:1], usages))
    with pytest.raises(DataError, match="Only 0% of the labels"):
        load_ferplus(path, wrong)


def paired(tmp_path, labels, shown):
    """FER+ votes that all agree on `labels`, for images that are labelled as `shown`."""
    columns = [4, 5, 6, 1, 3, 2, 0, 8]  # where the votes for our classes stand, and those for none
    votes = [[9 * (columns[label] == at) for at in range(10)] for label in labels]
    usages = ["Training"] * len(labels)
    path = write(tmp_path / "votes.csv", votes_bytes(votes, usages))
    images = np.zeros((len(labels), 48, 48), np.uint8)
    return path, write(tmp_path / "images.csv", csv_bytes(images, shown, usages))


@pytest.mark.parametrize(
    "shares", [[0.14, 0.015, 0.14, 0.25, 0.17, 0.11, 0.175], [0.06, 0.02, 0.06, 0.5, 0.1, 0.06, 0.2]]
)
def test_by_chance_labels_agree_too_little_to_be_taken(tmp_path, shares):
    """Shuffled labels of FER2013's shares agree in 18 % of the rows, of more unbalanced ones in 31 %."""
    dice = np.random.default_rng(0)
    labels = dice.choice(7, 1200, p=shares)
    with pytest.raises(DataError, match=r"Only (1[5-9]|2\d|3[0-4])% of the labels"):
        load_ferplus(*paired(tmp_path, labels, dice.permutation(labels)))


def test_half_of_the_labels_agree_and_are_taken(tmp_path):
    """Of the true pair 65 % do. Faces whose votes name no expression, here a third, neither agree nor disagree."""
    at = np.arange(1500)
    labels = np.where(at % 3, at % 7, 7)
    shown = np.where(at % 2, labels, labels + 1) % 7
    assert len(load_ferplus(*paired(tmp_path, labels, shown)).train) == 1500


def test_bad_rows_in_either_file(files, tmp_path):
    content = files[0].read_text().splitlines()
    for at, (old, new), found in (
        (1, (",4,", ",four,"), "'four' votes for neutral"),
        (3, (",9,", ",-9,"), "'-9' votes for happy"),
        (3, (",9,", ",9" + 19 * "0" + ","), "'9000.* votes for happy"),
        (7, ("PublicTest", "Test"), "unknown usage 'Test'"),
        (9, (",9,", ",0,"), "no votes at all"),
        (9, (",9,0,0,0,0", ""), "7 columns instead of 12"),
    ):
        lines = list(content)
        lines[at] = lines[at].replace(old, new, 1)
        votes = write(tmp_path / "bad.csv", "\n".join(lines).encode())
        with pytest.raises(DataError, match=f"row {at - 1} \\(line {at + 1}\\): {found}"):
            load_ferplus(votes, files[1])
        splits = load_ferplus(votes, files[1], skip_bad_rows=True)
        assert splits.left_out == 1
        kept = [row for _, part in splits for row in part.rows]
        assert kept == [row for row in range(9) if row != at - 1]
    bad = files[1].read_bytes().replace(b"\n3,", b"\n9,", 1)
    load_fer2013(write(tmp_path / "images.csv", bad), skip_bad_rows=True).save(tmp_path / "images.npz")
    assert load_ferplus(files[0], tmp_path / "images.npz").left_out == 1
    splits = load_ferplus(files[0], tmp_path / "images.csv", skip_bad_rows=True)
    assert splits.left_out == 1
    assert splits.train.rows.tolist() == [0, 1, 3, 4, 5]
    assert splits.val.targets[0].argmax() == FERPLUS.index("sad")


def test_a_file_that_isnt_the_votes(files):
    with pytest.raises(DataError, match="no column for angry"):
        load_ferplus(files[1], files[1])
    with pytest.raises(DataError, match="it has no rows"):
        load_ferplus(write(files[0], HEADER.encode()), files[1])


QUIET = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=120, deadline=None)
cells = st.one_of(st.sampled_from(["Training", "PublicTest", "0", "10", "-1", "x", ""]), st.text(max_size=4))


@QUIET
@given(
    st.one_of(
        st.binary(max_size=300),
        st.lists(st.lists(cells, max_size=12).map(",".join), max_size=10).map(
            lambda rows: "\n".join([HEADER, *rows]).encode()
        ),
        st.tuples(st.integers(0, 600), st.binary(max_size=5)).map(
            lambda change: votes_bytes()[: change[0]] + change[1] + votes_bytes()[change[0] + len(change[1]) :]
        ),
    ),
    st.booleans(),
)
def test_any_bytes_and_rows_give_splits_or_a_data_error(files, content, skip):
    try:
        splits = load_ferplus(write(files[0], content), files[1], skip_bad_rows=skip)
    except DataError:
        return
    assert sum(len(part) for _, part in splits) + splits.left_out == len(USAGES)


def test_votes_and_images_that_are_swapped_are_said(files):
    votes, images = files
    with pytest.raises(DataError, match=r"found 'emotion', 'pixels', 'usage'\. These are FER2013's .* swapped\?"):
        load_ferplus(images, votes)
    with pytest.raises(DataError, match=r"the votes first, then the images\. Found a Splits"):
        load_ferplus(load_fer2013(images), votes)

"""Faces and pandas: what `read_csv` makes of FER2013's files becomes a FaceSet, and what can't says so."""

import io
from pathlib import Path

import numpy as np
import pandas
import pytest

import mien
from mien.data.drawn import draw
from mien.errors import DataError

FACES = draw(12, seed=3)


def written(head: str) -> str:
    rows = [head]
    for n, (face, label) in enumerate(FACES):
        rows.append(f"{label},{'PrivateTest' if n % 2 else 'Training'},{' '.join(map(str, face.ravel()))}")
    return "\n".join(rows)


@pytest.mark.parametrize("head", ["emotion,Usage,pixels", "emotion, Usage, pixels"])
def test_a_frame_of_the_csv_file_holds_the_same_faces(head: str, tmp_path: Path) -> None:
    frame = pandas.read_csv(io.StringIO(written(head)))
    faces = mien.FaceSet.from_pandas(frame)
    assert np.array_equal(faces.images, FACES.images)
    assert faces.images.dtype == np.uint8
    assert np.array_equal(faces.targets, FACES.targets)
    assert faces.classes == FACES.classes
    (tmp_path / "fer2013.csv").write_text(written(head))
    some = mien.FaceSet.from_pandas(frame[frame[frame.columns[1]] == "Training"])
    assert some.checksum == mien.load_fer2013(tmp_path / "fer2013.csv").train.checksum
    assert len(mien.FaceSet.from_pandas(frame[:0])) == 0


def test_without_emotion_faces_are_unlabelled_and_any_square_is_taken() -> None:
    faces = mien.FaceSet.from_pandas(pandas.DataFrame({"pixels": ["1 2  3 4", "5 6 7 255"]}))
    assert faces.images.tolist() == [[[1, 2], [3, 4]], [[5, 6], [7, 255]]]
    assert faces.labels.tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"faces": ["1 2 3 4"]}, "no column 'pixels'; found 'faces'"),
        ({"pixels": list(np.zeros((2, 48, 48), np.uint8))}, r"pixels are arrays, .* FaceSet\(numpy\.stack"),
        ({"pixels": ["1 2 3"]}, "row 0, the first, has 3 pixels, no square"),
        ({"pixels": ["1 2 3 4", "1 2 3 256"]}, r"row 1 \(counted from 0\): pixel 4 is '256'"),
        ({"pixels": ["1 2 3 4", "1 2 3"]}, r"row 1 \(counted from 0\): 3 pixels instead of 4"),
        ({"pixels": ["1 2 3 4"], "emotion": ["happy"]}, "whole numbers 0..6"),
        ({"pixels": ["1 2 3 4"], "emotion": [9]}, "label 9 isn't one of the 7"),
    ],
)
def test_what_cannot_be_read_is_said(columns: dict[str, list], said: str) -> None:
    with pytest.raises(DataError, match=said):
        mien.FaceSet.from_pandas(pandas.DataFrame(columns))


def test_a_frame_given_elsewhere_is_sent_here() -> None:
    frame = pandas.read_csv(io.StringIO(written("emotion,Usage,pixels")))
    for ask in (
        lambda: mien.load_fer2013(frame),
        lambda: mien.FaceSet(frame, [0]),
        lambda: mien.FaceSet(frame.pixels, [0]),
    ):
        with pytest.raises(DataError, match=r"FaceSet\.from_pandas\(frame\)"):
            ask()

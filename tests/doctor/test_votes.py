"""The findings beside votes that are known."""

import numpy as np
import pytest

from mien.data.faces import FaceSet
from mien.data.splits import Splits
from mien.doctor.groups import Groups
from mien.doctor.mislabels import suspects
from mien.doctor.votes import judge
from mien.labels import FERPLUS


def test_precision_recall_lift_and_distances_by_hand() -> None:
    labels = np.array([0, 1, 2, 3, 4, 5, 6, 0])
    shares = np.eye(8, dtype=np.float32)[[0, 2, 2, 3, 3, 5, 6, 0]]
    shares[7] = 0  # nobody saw an expression
    shares[4, [3, 4]] = 0.25, 0.75
    shares[5, [0, 5]] = 0.5
    marks = ["", "", "", "no face", "", "tie", "", "no face"]
    faces = FaceSet(np.zeros((8, 4, 4), np.uint8), shares, classes=FERPLUS, marks=marks)
    votes = Splits(faces[:6], faces[6:], faces[[]])
    answers = np.full((8, 7), 0.05)
    answers[np.arange(8), labels] = 0.7
    answers[1, [1, 2]] = 0.05, 0.7  # the network thinks so, too: its first mislabel
    none = np.isin(np.arange(8), [0, 3])
    identical = Groups(np.array([0, 1, 1, 3, 4, 5, 6, 7]))
    near = Groups(np.array([0, 1, 1, 3, 1, 5, 6, 7]))
    found = judge(votes, labels, none, suspects(answers, labels), identical, near)
    assert (found.no_face, found.precision, found.recall) == (2, 0.5, 0.5)
    assert (found.clear, found.undecided) == (5, 3 / 8)  # of 3, 5 and 7 the votes say nothing about the label
    assert found.base == pytest.approx(1 / 5)  # face 1
    assert found.among_first == pytest.approx(1 / 5)
    assert found.lift == pytest.approx(1)
    assert found.apart_identical == pytest.approx(0)
    assert found.apart_near == pytest.approx(1)  # 2: all for class 2; 4: a quarter for 3, the rest for 4
    nothing = judge(votes, labels, None, None, Groups(np.arange(8)), Groups(np.arange(8)))
    assert (nothing.precision, nothing.among_first, nothing.lift, nothing.apart_near) == (None, None, None, None)

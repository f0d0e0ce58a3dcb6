"""Drawn faces with planted faults."""

import pytest

from mien.data.drawn import drawn_faces
from mien.data.faces import FaceSet
from mien.data.splits import Splits


@pytest.fixture(scope="session")
def planted() -> Splits:
    """420 drawn faces: val 0 is train 5, val 1 train 6 with another label, train 10 is train 9, test 3 train 20."""
    drawn = drawn_faces(420)
    train, val, test = (FaceSet(f.images.copy(), f.targets.copy(), classes=f.classes) for _, f in drawn)
    val.images[0], val.images[1], train.images[10], test.images[3] = train.images[[5, 6, 9, 20]]
    val.targets[0], val.targets[1] = train.targets[5], (train.targets[6] + 1) % 7
    train.targets[10], test.targets[3] = train.targets[9], train.targets[20]
    train.images[30], train.images[31] = 77, 77  # constant, and identical
    train.targets[31] = train.targets[30]
    train.images[32] = 80
    train.images[32, 0, 0] = 90  # hardly anything to see
    return Splits(train, val, test, "planted")

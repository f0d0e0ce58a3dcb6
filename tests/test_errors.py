"""Errors: each survives the way to another process."""

import pickle

import pytest

from mien.errors import BadRow, DataError, Incomplete, MienError, MissingExtra, ServerError, Stopped


def kinds(root: type[MienError] = MienError) -> list[type[MienError]]:
    return [root, *(kind for each in root.__subclasses__() for kind in kinds(each))]


MADE: dict[type[BaseException], BaseException] = {
    Incomplete: Incomplete("two of three", {"done": 2}),
    Stopped: Stopped("interrupted", {"done": 2}),
    MissingExtra: MissingExtra("torch", "train", "mien.fit"),
    ServerError: ServerError("busy", code="busy", status=429),
    DataError: DataError.of_rows("faces.csv", [BadRow("row 1", "nothing")]),
}


@pytest.mark.parametrize("kind", [*kinds(), Stopped], ids=lambda kind: kind.__name__)
def test_it_survives_pickling(kind: type[BaseException]) -> None:
    error = MADE.get(kind) or kind("what, where, what to do")
    same = pickle.loads(pickle.dumps(error))
    assert (type(same), str(same), vars(same)) == (kind, str(error), vars(error))

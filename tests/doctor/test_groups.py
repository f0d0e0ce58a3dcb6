import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mien.doctor.groups import Groups, joined

PAIRS = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)))


@given(PAIRS, PAIRS)
def test_friends_of_friends_belong_together(early: list[tuple[int, int]], late: list[tuple[int, int]]) -> None:
    known = joined(12, late, joined(12, early).first).first
    sets = [{i} for i in range(12)]  # the slow way: join sets until nothing changes
    for one, other in early + late:
        both = next(s for s in sets if one in s) | next(s for s in sets if other in s)
        sets = [s for s in sets if not s & both] + [both]
    assert known.tolist() == [min(next(s for s in sets if i in s)) for i in range(12)]


def test_conflicts_and_what_two_splits_share() -> None:
    groups = Groups(np.array([0, 1, 0, 1, 4, 5, 5, 0, 8]))
    labels = np.array([2, 3, 2, 4, 0, -1, 6, -1, -1])
    assert groups.conflicting(labels).nonzero()[0].tolist() == [1, 3]  # unlabelled ones contradict nobody
    train = np.arange(9) < 2
    assert groups.shared(~train, train).nonzero()[0].tolist() == [2, 3, 7]
    assert groups.shared(train, ~train).nonzero()[0].tolist() == [0, 1]

"""Groups of faces that show the same picture, and what follows from them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.data.faces import UNLABELLED


@dataclass(frozen=True, eq=False)
class Groups:
    """`first` `(N,)` int64: the number of the earliest face in each face's group; its own for a face that is alone.

    >>> groups = Groups(np.array([0, 1, 0, 0, 1]))
    >>> groups.copies.tolist(), groups.count
    ([False, False, True, True, True], 2)
    """

    first: NDArray[np.int64]

    @property
    def copies(self) -> NDArray[np.bool_]:
        """Which faces have an earlier one in their group."""
        return self.later(np.ones(len(self.first), np.bool_))

    @property
    def count(self) -> int:
        """How many groups have more than one face."""
        return len(np.unique(self.first[self.copies]))

    def later(self, some: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of `some` faces, a mask `(N,)`, have an earlier one of them in their group.

        >>> Groups(np.array([0, 0, 0])).later(np.array([False, True, True])).tolist()
        [False, False, True]
        """
        earliest = np.full(len(self.first), len(self.first))
        np.minimum.at(earliest, self.first[some], np.flatnonzero(some))
        return np.asarray(some & (earliest[self.first] != np.arange(len(self.first))))

    def conflicting(self, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which faces are in a group whose labels contradict each other; the unlabelled contradict nobody."""
        known = labels != UNLABELLED
        low, high = np.full(len(labels), np.iinfo(np.int64).max), np.full(len(labels), UNLABELLED)
        np.minimum.at(low, self.first[known], labels[known])
        np.maximum.at(high, self.first[known], labels[known])
        return np.asarray((high > low)[self.first])

    def shared(self, of: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of the faces `of` have one of `others` in their group; masks `(N,)`."""
        return of & np.isin(self.first, self.first[others])


def joined(n: int, pairs: Iterable[Sequence[int]], start: NDArray[np.int64] | None = None) -> Groups:
    """The groups that these pairs make of n faces, in addition to those of `start`; groups that share a face are one.

    >>> joined(5, [(3, 1), (4, 3)]).first.tolist()
    [0, 1, 2, 1, 1]
    """
    above = np.arange(n) if start is None else start.copy()

    def root(i: int) -> int:
        while above[i] != i:
            above[i] = above[above[i]]
            i = int(above[i])
        return i

    for one, other in pairs:
        low, high = sorted((root(one), root(other)))
        above[high] = low
    while not np.array_equal(above, above[above]):
        above = above[above]
    return Groups(above)

"""How right the doctor is: its findings against FER+'s votes, which it doesn't use to find them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.data.faces import UNLABELLED
from mien.data.ferplus import NO_FACE
from mien.data.splits import Splits
from mien.doctor.groups import Groups
from mien.doctor.mislabels import Suspects

FIRST = 1000
"""Of the likely mislabels so many are compared."""


@dataclass(frozen=True)
class Judged:
    """What FER+ says about the findings; shares 0..1, None where there was nothing to compare.

    `no_face` faces are none by FER+'s plurality; `precision` and `recall` are the doctor's against them. `base` is the
    share of the labels that FER+'s plurality contradicts, of the `clear` ones alone, where one expression has more
    votes than any other answer; `among_first` is the same of the likely mislabels among the `first`. Where the most
    votes say "no face" or "unknown", or several answers have as many, no label can be right or wrong: `undecided` is
    the share of all labels with that. `apart_*` are mean distances of the shares of votes, 0 alike to 1, for pairs
    of faces: identical ones, nearly identical ones, and any two.
    """

    no_face: int
    precision: float | None
    recall: float | None
    clear: int
    undecided: float
    base: float
    among_first: float | None
    first: int
    apart_identical: float | None
    apart_near: float | None
    apart_any: float

    @property
    def lift(self) -> float | None:
        """How many times the base rate the first likely mislabels reach."""
        return self.among_first / self.base if self.among_first is not None and self.base else None


def judge(
    votes: Splits,
    labels: NDArray[np.int64],
    nonfaces: NDArray[np.bool_] | None,
    suspects: Suspects | None,
    identical: Groups,
    near: Groups,
) -> Judged:
    """Compare findings to the votes for the same faces, in the same order."""
    marks = np.concatenate([faces.marks for _, faces in votes])
    shares = np.concatenate([faces.targets for _, faces in votes]).astype(np.float64)
    none = marks == NO_FACE
    known = labels != UNLABELLED
    clear = known & (marks == "") & shares.any(1)
    other = shares.argmax(1) != labels
    first = suspects.order[:FIRST] if suspects else np.empty(0, np.int64)
    told = first[clear[first]]
    precision = recall = None
    if nonfaces is not None and none.any():
        hits = float((nonfaces & none).sum())
        precision, recall = hits / max(int(nonfaces.sum()), 1), hits / int(none.sum())
    partner = np.random.Generator(np.random.PCG64(0)).permutation(len(labels))
    return Judged(
        no_face=int(none.sum()),
        precision=precision,
        recall=recall,
        clear=int(clear.sum()),
        undecided=1 - float(clear.sum()) / max(int(known.sum()), 1),
        base=float(other[clear].mean()) if clear.any() else 0.0,
        among_first=float(other[told].mean()) if len(told) else None,
        first=len(first),
        apart_identical=_apart(shares, identical.copies, identical.first),
        apart_near=_apart(shares, near.copies & ~identical.copies, near.first),
        apart_any=_apart(shares, np.ones(len(labels), np.bool_), partner) or 0.0,
    )


def _apart(shares: NDArray[np.float64], ones: NDArray[np.bool_], others: NDArray[np.int64]) -> float | None:
    """Mean total variation distance between the votes of each of `ones` and its partner."""
    places = np.flatnonzero(ones & shares.any(1) & shares[others].any(1))
    if not len(places):
        return None
    return float(np.abs(shares[places] - shares[others[places]]).sum(1).mean() / 2)

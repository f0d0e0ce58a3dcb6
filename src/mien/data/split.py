"""Setting faces aside for validation: seeded, the same share of every class; whole subjects where they are known."""

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.data.faces import UNLABELLED, FaceSet
from mien.errors import DataError, check_kind

VAL_SHARE = 0.15
"""The share of the training faces that is set aside where a source has no validation split of its own."""

DRAWN = "is the validation split, seed"
"""Words in the `source` of faces whose validation split was set aside here; its seed follows."""


def stratified(labels: ArrayLike, share: float = VAL_SHARE, seed: int = 0) -> NDArray[np.bool_]:
    """Choose a share of the rows, the same in every class.

    Args:
        labels: `(N,)` whole numbers; rows that are `UNLABELLED` are never chosen.
        share: between 0 and 1. A class with at least two rows gives at least one and keeps at least one.
        seed: the same seed chooses the same rows on every machine and with every numpy (PCG64's raw numbers are
            part of its definition, unlike what `Generator.permutation` makes of them).

    Returns:
        `(N,)` bool, True for the chosen rows.

    Raises:
        DataError: a share outside 0..1.

    >>> stratified([0, 0, 0, 0, 1, 1, 1, 1], share=0.25).reshape(2, 4).sum(1).tolist()
    [1, 1]
    """
    _check(share)
    labels = np.asarray(labels)
    chosen = np.zeros(len(labels), bool)
    order = _order(len(labels), seed)
    for label in np.unique(labels[labels != UNLABELLED]):
        of_class = order[labels[order] == label]
        some = min(max(round(share * len(of_class)), 1), len(of_class) - 1)
        chosen[of_class[:some]] = True
    return chosen


def grouped(labels: ArrayLike, subjects: ArrayLike, share: float = VAL_SHARE, seed: int = 0) -> NDArray[np.bool_]:
    """Choose whole subjects, so that about the same share of every class is chosen.

    The subjects are gone through once in a seeded order; one is chosen when that brings the classes nearer to their
    shares and leaves some of each of its classes. A class of one subject is never chosen from.

    Args:
        labels: `(N,)` whole numbers or `UNLABELLED`. subjects: `(N,)` who is in each row.

    Returns:
        `(N,)` bool, True for the chosen rows; all rows of a subject alike.

    Raises:
        DataError: a share outside 0..1; one subject only, or none that could be spared; not a subject for each row.

    >>> grouped([0, 1, 0, 1, 0, 1], ["a", "a", "b", "b", "c", "c"], share=0.33).reshape(3, 2).sum(1).tolist()
    [0, 0, 2]
    """
    _check(share)
    labels = np.asarray(labels)
    subjects = np.asarray(subjects)
    missing = sum(who is None or who != who for who in subjects.tolist())  # not itself: NaN, as pandas has it
    if subjects.shape != labels.shape or missing:
        found = f"{missing} without one" if missing else f"subjects of shape {subjects.shape}"
        raise DataError(f"{len(labels)} faces need a subject each; found {found}.")
    names, of = np.unique(subjects, return_inverse=True)
    known = labels != UNLABELLED
    counts = np.zeros((len(names), int(labels.max(initial=0)) + 1))
    np.add.at(counts, (of[known], labels[known]), 1)
    counts = counts[:, counts.any(0)]
    total = counts.sum(0)
    taken, held, best = np.zeros(len(names), bool), np.zeros_like(total), (np.inf, -1)
    for at in _order(len(names), seed):
        new = held + counts[at]
        if not counts[at].any() or (new[counts[at] > 0] >= total[counts[at] > 0]).any():
            continue  # it has nothing to judge by, or the last faces of a class
        off = float(np.square(new / total - share).sum())
        best = min(best, (off, int(at)))
        if off < float(np.square(held / total - share).sum()):
            taken[at], held = True, new
    if not taken.any():
        if best[1] < 0:
            why = "there is only one" if len(names) == 1 else "each has the only faces of some class"
            raise DataError(f"No subject can be set aside for validation: {why} (of {len(names)}).")
        taken[best[1]] = True
    return taken[of]


def apart(splits: ArrayLike, subjects: ArrayLike, source: str) -> None:
    """Raise DataError, naming some, when a subject's rows stand in more than one split (`(N,)` numbers 0..2)."""
    pairs = sorted(set(zip(np.asarray(subjects).tolist(), np.asarray(splits).tolist(), strict=True)))
    twice = sorted({who for (who, _), (next_one, _) in pairwise(pairs) if who == next_one})
    if twice:
        shown = ", ".join(twice[:5]) + (f" and {len(twice) - 5:,} more" if len(twice) > 5 else "")
        raise DataError(
            f"{source}: {len(twice):,} subject{'' if len(twice) == 1 else 's'} in more than one split: {shown}. Put "
            "all pictures of a subject into one split, or leave the splits out and mien makes them."
        )


def split_off(
    faces: FaceSet, share: float = VAL_SHARE, seed: int = 0, subjects: ArrayLike | None = None
) -> tuple[FaceSet, FaceSet]:
    """(what stays for training, what is set aside for validation), each in the order it came.

    Args:
        faces: unlabelled ones stay.
        share: of each class, or of the subjects; between 0 and 1.
        seed: the same seed sets the same faces aside on every machine.
        subjects: `(N,)` names of who is in each picture: then nobody is on both sides.

    Raises:
        DataError: a share that isn't between 0 and 1, too few subjects, or not one for each face.

    >>> from mien.data.drawn import drawn_faces
    >>> kept, aside = split_off(drawn_faces(70).train, 0.2)
    >>> len(kept), len(aside)
    (42, 8)
    """
    check_kind(faces, FaceSet, DataError, "split_off takes one FaceSet, such as splits.train.")
    labels = faces.labels
    chosen = stratified(labels, share, seed) if subjects is None else grouped(labels, subjects, share, seed)
    return faces[~chosen], faces[chosen]


def _check(share: float) -> None:
    if not 0 < share < 1:
        raise DataError(f"The share of the validation split must lie between 0 and 1; found {share}.")


def _order(n: int, seed: int) -> NDArray[np.intp]:
    return np.argsort(np.random.PCG64(seed).random_raw(n), kind="stable")

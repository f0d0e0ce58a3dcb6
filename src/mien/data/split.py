"""Setting faces aside for validation: seeded, the same share of every class."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.data.faces import UNLABELLED, FaceSet
from mien.errors import DataError

VAL_SHARE = 0.15
"""The share of the training faces that is set aside where a source has no validation split of its own."""


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
    if not 0 < share < 1:
        raise DataError(f"The share of the validation split must lie between 0 and 1; found {share}.")
    labels = np.asarray(labels)
    chosen = np.zeros(len(labels), bool)
    order = np.argsort(np.random.PCG64(seed).random_raw(len(labels)), kind="stable")
    for label in np.unique(labels[labels != UNLABELLED]):
        of_class = order[labels[order] == label]
        some = min(max(round(share * len(of_class)), 1), len(of_class) - 1)
        chosen[of_class[:some]] = True
    return chosen


def split_off(faces: FaceSet, share: float = VAL_SHARE, seed: int = 0) -> tuple[FaceSet, FaceSet]:
    """(what stays for training, what is set aside for validation), each in the order it came."""
    chosen = stratified(faces.labels, share, seed)
    return faces[~chosen], faces[chosen]

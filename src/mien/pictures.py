"""Pictures of faces, trainings and answers, for notebooks and files: `mien.pictures.curves(history)`.

A notebook shows a `Picture` that a cell ends with; anywhere else `.save("curves.png")` writes it. Drawing needs the
extra `figures`: without matplotlib each raises MissingExtra, which says how to install it.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mien.data.faces import FaceSet, check_untransformed
from mien.errors import DataError, check_kind
from mien.evaluation.gallery import show
from mien.evaluation.report import Report
from mien.evaluation.scores import score
from mien.files import atomic_write

__all__ = ["Picture", "batch", "confusion", "curves", "predictions"]

MOST = 400
"""Faces in a picture; more would be too small to see."""


@dataclass(frozen=True)
class Picture:
    """A finished picture: `png` are its bytes."""

    png: bytes = field(repr=False)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as a PNG file, in one step. Raises DataError for a name that ends otherwise than in .png."""
        if not os.fspath(path).lower().endswith(".png"):
            raise DataError(f"{path}: this picture is a PNG; let the name end in .png.")
        atomic_write(path, self.png)

    def _repr_png_(self) -> bytes:
        return self.png


def batch(faces: FaceSet, n: int = 64, *, seed: int = 0) -> Picture:
    """`n` faces side by side, each under its label: what a network is given. Chosen at random, by seed.

    Raises:
        DataError: the set is empty, or `n` isn't 1 to 400.
    """
    from mien.evaluation import figures

    return Picture(figures.batch_picture(faces, _known(n, faces), seed=seed))


def curves(history: Sequence[Any]) -> Picture:
    """Loss and accuracy over the epochs; the best by validation is marked.

    Args:
        history: the Epochs of a training, as `list(mien.fit(...))` has them, or rows of a run's `history.csv`.

    Raises:
        DataError: there is no epoch in it.
    """
    from mien.evaluation import figures

    if not (epochs := list(history)):
        raise DataError("There is no epoch to draw yet: history = list(mien.fit(...)) trains and keeps them.")
    return Picture(figures.curves([epoch if isinstance(epoch, dict) else vars(epoch) for epoch in epochs], kind="png"))


def predictions(model: Any, faces: FaceSet, n: int = 12, *, seed: int = 0) -> Picture:
    """`n` faces with what a network says of each, and the true label where that is another.

    Args:
        model: as `mien.evaluate` takes it.
        faces: `n` of them are chosen at random, by seed; those without a sure label are left out.

    Raises:
        DataError: as `mien.evaluate`, or `n` isn't 1 to 400.
    """
    from mien.evaluation import figures

    n = _known(n, faces)
    check_untransformed(faces)
    sure = np.random.default_rng(seed).permutation(np.flatnonzero(faces.sure))[:n]
    some = faces[np.sort(sure)]
    scores = score(model, some)
    shown = [show(scores, some, place) for place in range(len(some))]
    return Picture(figures.gallery(shown))


def confusion(report: Report) -> Picture:
    """What is taken for what: each true class's row as shares of its faces."""
    from mien.evaluation import figures

    return Picture(figures.confusion_matrix(report.confusion, report.classes, kind="png"))


def _known(n: int, faces: FaceSet) -> int:
    check_kind(faces, FaceSet, DataError, "A picture is of one set, such as splits.val.")
    if not len(faces):
        raise DataError(f"This set is empty: {faces.source or 'its source'} has no such faces to show.")
    if not 1 <= n <= MOST:
        raise DataError(f"A picture shows 1 to {MOST} faces; found {n}.")
    return n

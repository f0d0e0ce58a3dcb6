"""Faces worth looking at, each beside what a network said about it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.data.faces import FaceSet
from mien.evaluation.scores import Scores


@dataclass(frozen=True, eq=False)
class Shown:
    """One face beside what a network said: `image` uint8 `(H, W)` or `(H, W, 3)`, names, and the answer's probability.

    `kind` says why it is shown: "right", "wrong" or "sure" (the mistakes made with most confidence); `row` is its row
    in the file it came from; `file` is its image file, where the faces came from a folder (`Splits.file`).
    """

    image: NDArray[np.uint8]
    true: str
    predicted: str
    confidence: float
    kind: str = ""
    row: int = -1
    file: str | None = None

    @property
    def right(self) -> bool:
        """Whether the network was right."""
        return self.true == self.predicted


def choose(scores: Scores, faces: FaceSet, each: int = 12, seed: int = 0) -> tuple[Shown, ...]:
    """Up to `each` faces that a network got right, that it got wrong, and its most confident mistakes.

    `faces` is the set that `scores` was made of. The right and the wrong ones are drawn with a seed, from all classes
    in turn, so that the rare ones are seen too.
    """
    order = np.random.default_rng(seed).permutation(len(scores.labels))
    right, wrong = (_in_turn(order[scores.correct[order] == is_right], scores.labels) for is_right in (True, False))
    sure = wrong[np.argsort(-scores.confidence[wrong], kind="stable")]
    kinds = {"right": right, "wrong": wrong, "sure": sure}
    return tuple(show(scores, faces, int(i), kind) for kind, places in kinds.items() for i in places[:each])


def show(scores: Scores, faces: FaceSet, i: int, kind: str = "") -> Shown:
    """The i-th face that was scored, and its answer."""
    at = scores.index[i]
    return Shown(
        image=np.array(faces.images[at]),
        true=scores.classes[scores.labels[i]],
        predicted=scores.classes[scores.predicted[i]],
        confidence=float(scores.confidence[i]),
        kind=kind,
        row=int(faces.rows[at]),
    )


def _in_turn(places: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same places, the first of every class first, then the second of every class, and so on."""
    nth = np.zeros(len(places), np.int64)
    for label in np.unique(labels[places]):
        members = labels[places] == label
        nth[members] = np.arange(members.sum())
    return places[np.argsort(nth, kind="stable")]

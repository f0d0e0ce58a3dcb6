"""Making confidence mean what it says: a temperature, how well it holds, and when to answer "uncertain". numpy only."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.evaluation.metrics import Floats, Ints, calibration_error

RELIABLE = 0.8
"""The accuracy wanted of the answers that aren't uncertain."""

COLDEST, HOTTEST = 0.1, 10.0
"""The bounds of the search for a temperature."""

PRIOR = 4.0
"""How many faces' worth of doubt a temperature other than 1 meets, so that few faces don't lead far (docs/LOG.md)."""

DRAWS = 5
"""How often cross-fitting draws halves: one draw says little, on 3,589 faces its error varies from 0.008 to 0.024."""


@dataclass(frozen=True)
class Calibration:
    """How a network's confidence was calibrated on one set of faces. All but the temperature are fractions 0..1.

    `temperature` divides the logits; an answer with less confidence than `uncertain` counts as uncertain, and every
    answer where that is 1; `ece` is the expected calibration error as trained; `coverage` is the share of answers that
    aren't uncertain, `reliable` their accuracy on the very faces that `uncertain` was chosen on, None without any.

    What ends in `after` is cross-fitted: each half of the faces is judged by the temperature and the threshold of the
    other half, and the mean of five draws is taken. So `reliable_after` is what to expect on other faces;
    `reliable_by_answer` is the same for the answers of each class, in class order, None where none is sure.
    """

    temperature: float
    ece: float
    ece_after: float
    uncertain: float
    coverage: float
    reliable: float | None
    n: int
    coverage_after: float
    reliable_after: float | None
    reliable_by_answer: tuple[float | None, ...]

    @classmethod
    def of(cls, labels: Ints, probabilities: Floats) -> "Calibration":
        """Calibrate on `labels` `(N,)` and `probabilities` `(N, K)` of faces that weren't trained on."""
        degree = temperature(labels, probabilities)
        warmed = warm(probabilities, degree)
        uncertain = uncertain_below(labels, warmed)
        answered = probabilities.argmax(1)
        right, known = answered == labels, sure(warmed, uncertain)
        drawn = [_cross_fitted(labels, probabilities, seed) for seed in range(DRAWS)]
        after = np.mean([of_half for _, of_half in drawn], 0)  # how often each face's answer was sure
        return cls(
            temperature=degree,
            ece=calibration_error(labels, probabilities),
            ece_after=float(np.mean([calibration_error(labels, by_half) for by_half, _ in drawn])),
            uncertain=uncertain,
            coverage=float(known.mean()),
            reliable=_accuracy(right, known),
            n=len(labels),
            coverage_after=float(after.mean()),
            reliable_after=_accuracy(right, after),
            reliable_by_answer=tuple(
                _accuracy(right, after * (answered == label)) for label in range(probabilities.shape[1])
            ),
        )

    @property
    def all_right(self) -> bool:
        """Whether every answer was right: then nothing is known of its errors."""
        return self.coverage == self.reliable == 1

    @property
    def at_bound(self) -> bool:
        """Whether the temperature is at a bound of the search: a better one may lie beyond."""
        return not 1.01 * COLDEST < self.temperature < 0.99 * HOTTEST

    def as_json(self) -> dict[str, Any]:
        """This record as plain data."""
        return asdict(self)


def sure(probabilities: Floats, uncertain: float) -> NDArray[np.bool_]:
    """`(N,)`: which answers aren't uncertain. Where the threshold is 1 none is sure, even if its probability is 1."""
    return np.asarray((probabilities.max(1) >= uncertain) & (uncertain < 1), np.bool_)


def _accuracy(right: NDArray[np.bool_], weights: NDArray[Any]) -> float | None:
    """The share of right answers, each counted by its weight; None where all are 0."""
    return float(np.average(right, weights=weights)) if weights.any() else None


def warm(probabilities: Floats, degree: float) -> NDArray[np.float64]:
    """The softmax of logits / `degree`, from the softmax of the logits: `p ** (1 / degree)`, scaled to add to 1.

    >>> warm(np.array([[0.8, 0.2]]), 1.0).round(6).tolist()
    [[0.8, 0.2]]
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-12)) / degree
    shares = np.exp(logits - logits.max(1, keepdims=True))
    scaled: NDArray[np.float64] = shares / shares.sum(1, keepdims=True)
    return scaled


def temperature(labels: Ints, probabilities: Floats) -> float:
    """The temperature between 0.1 and 10 with the least log loss (Guo et al., 2017), to four digits.

    To the sum of the losses PRIOR * (u - 1 - log u) is added, where u = 1 / temperature: minus the logarithm of a gamma
    density with its mode at 1. Without it ten faces, all right, would have the lowest temperature that there is.
    The loss is convex in u, so a golden-section search over that finds the least.
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-12))
    rows = np.arange(len(labels))

    def loss(inverse: float) -> float:
        scaled = logits * inverse
        top = scaled.max(1)
        fit = float((np.log(np.exp(scaled - top[:, None]).sum(1)) + top - scaled[rows, labels]).sum())
        return fit + PRIOR * (inverse - 1 - math.log(inverse))

    low, high, ratio = 1 / HOTTEST, 1 / COLDEST, (5**0.5 - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > 1e-4:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = loss(right)
    return float(f"{2 / (low + high):.4g}")


def _cross_fitted(labels: Ints, probabilities: Floats, seed: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(probabilities, which answers are sure), for each half by the temperature and the threshold of the other half.

    The halves are drawn by `seed`, class by class.
    """
    half = np.zeros(len(labels), bool)
    generator = np.random.default_rng(seed)
    for label in np.unique(labels):
        places = generator.permutation(np.flatnonzero(labels == label))
        half[places[: len(places) // 2]] = True
    after, known = np.empty(probabilities.shape, np.float64), np.zeros(len(labels), np.bool_)
    for mine in (half, ~half):
        degree, uncertain = 1.0, 1.0
        if (~mine).any():
            degree = temperature(labels[~mine], probabilities[~mine])
            uncertain = uncertain_below(labels[~mine], warm(probabilities[~mine], degree))
        after[mine] = warm(probabilities[mine], degree)
        known[mine] = sure(after[mine], uncertain)
    return after, known


def coverage_curve(labels: Ints, probabilities: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(coverage, accuracy), both `(N,)`: the accuracy of the k most confident answers, and their share, for k = 1..N.

    Equally confident answers each count with the mean accuracy of them all, for their order says nothing.
    """
    confidence = probabilities.max(1)
    order = np.argsort(-confidence, kind="stable")
    right = np.cumsum((probabilities.argmax(1) == labels)[order])
    kept = np.arange(1, len(labels) + 1)
    ends = np.flatnonzero(_last(confidence[order]))
    return kept / len(labels), np.interp(kept, [0, *kept[ends]], [0, *right[ends]]) / kept


def _last(confidence: Floats) -> NDArray[np.bool_]:
    """`(N,)`: of confidences in descending order, which is the last of its equals."""
    return np.append(confidence[1:] < confidence[:-1], True)


def uncertain_below(labels: Ints, probabilities: Floats, target: float = RELIABLE) -> float:
    """The lowest confidence at and above which answers have an accuracy of `target` or more; 1.0 if there is none,
    otherwise 0.999999 at most.

    >>> uncertain_below(np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.7, 0.3], [0.6, 0.4]]), 1.0)
    0.7
    """
    _, accuracy = coverage_curve(labels, probabilities)
    confidence = np.sort(probabilities.max(1))[::-1]
    enough = np.flatnonzero((accuracy >= target) & _last(confidence))  # equals are kept or left out together
    if not len(enough):
        return 1.0
    lowest = float(confidence[enough[-1]])
    rounded = min(round(lowest, 6), 0.999999)  # fewer digits would let in others, too
    return rounded if rounded <= lowest else round(rounded - 1e-6, 6)  # up would exclude the face it is of

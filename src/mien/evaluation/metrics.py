"""How good a prediction is. numpy only; every score is a fraction 0..1; all agree with scikit-learn where it has them.

`labels` and `predicted` are whole numbers `(N,)`, `probabilities` floats `(N, K)`. None of them may be empty.
"""

from collections.abc import Sequence
from math import comb, erfc

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer]
Floats = NDArray[np.floating]

_Z = 1.959964
"""Between minus and plus so many standard deviations lie 95 % of a normal distribution."""


def confusion(labels: Ints, predicted: Ints, classes: int) -> NDArray[np.int64]:
    """`(K, K)` counts: row = true class, column = predicted class.

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    flat = np.bincount(labels.astype(np.int64) * classes + predicted.astype(np.int64), minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64, copy=False)


def accuracy(counts: NDArray[np.int64]) -> float:
    """The share of right answers, from a confusion matrix."""
    return float(np.trace(counts) / counts.sum())


def recalls(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """`(K,)`: of the faces of each class, the share that was found; 0 for a class without faces."""
    return _shares(counts.diagonal(), counts.sum(1))


def precisions(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """`(K,)`: of the faces called each class, the share that was right; 0 for a class that was never answered."""
    return _shares(counts.diagonal(), counts.sum(0))


def f1s(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """`(K,)`: the harmonic mean of precision and recall of each class."""
    return _shares(2 * counts.diagonal(), counts.sum(0) + counts.sum(1))


def balanced_accuracy(counts: NDArray[np.int64]) -> float:
    """The mean recall of the classes that have faces: every class counts the same, however rare."""
    return float(recalls(counts)[counts.sum(1) > 0].mean())


def macro_f1(counts: NDArray[np.int64]) -> float:
    """The mean F1 of the classes that have faces or were answered (scikit-learn's `average="macro"`)."""
    return float(f1s(counts)[counts.sum(0) + counts.sum(1) > 0].mean())


def log_loss(labels: Ints, probabilities: Floats) -> float:
    """The mean of -log(probability given to the true class), in nats; probabilities below 1e-12 count as that."""
    given = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return max(0.0, float(-np.log(np.maximum(given, 1e-12)).mean()))  # -0.0, or float32 a little above 1


def total_variation(shares: Floats, probabilities: Floats) -> float:
    """The mean over faces of half the sum of |share - probability|: 0 when they are the same, 1 when nothing is.

    >>> total_variation(np.array([[0.5, 0.5]]), np.array([[0.75, 0.25]]))
    0.25
    """
    return float(np.abs(shares.astype(np.float64) - probabilities).sum(1).mean() / 2)


def calibration_error(labels: Ints, probabilities: Floats, bins: int = 15) -> float:
    """How far confidence is from accuracy: expected calibration error of the top label, equal-mass bins.

    The faces are put in `bins` bins of (nearly) equal size by their highest probability; the result is the mean
    over faces of |mean confidence - accuracy| of the bin (Naeini et al. 2015; equal mass: Nixon et al. 2019). Equal
    confidences share a bin, so the order of the faces doesn't matter. Few faces show an error by chance alone: answers
    that are exactly as often right as they say have about 0.13 on 100 faces, and 0.07 on 300.

    >>> calibration_error(np.array([0, 0, 0, 1]), np.full((4, 2), [0.75, 0.25]))
    0.0
    """
    confidence = probabilities.max(1).astype(np.float64)
    right = probabilities.argmax(1) == labels
    place = equal_mass(confidence, bins)
    gaps = np.bincount(place, confidence - right, minlength=bins)  # the sum over a bin of confidence - accuracy
    return float(np.abs(gaps).sum() / len(labels))


def equal_mass(confidence: Floats, bins: int = 15) -> NDArray[np.int64]:
    """`(N,)`: the bin of each face, 0..bins - 1, from the least confident; of equal size, but that equal confidences
    share one."""
    edges = np.quantile(confidence, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, confidence, side="left")


def wilson(share: float, n: int) -> tuple[float, float]:
    """The 95 % interval of an accuracy, a `share` of `n` faces (Wilson, 1927): how it may vary with their choice.

    It shows how little a few faces say even when all were answered right, where a bootstrap has only right answers to
    draw from.

    >>> [round(end, 3) for end in (*wilson(0.7, 3589), *wilson(1.0, 39))]
    [0.685, 0.715, 0.91, 1.0]
    """
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * (share * (1 - share) / n + _Z**2 / (4 * n**2)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def mcnemar(one: int | np.integer, other: int | np.integer) -> float:
    """The p-value of McNemar's test (1947): how often chance alone makes at least so large a difference between two
    networks judged on the same faces. Two-sided; exact up to 1,000 such faces, then by the normal distribution.

    Args:
        one, other: how many faces only the one network, and only the other, was right on. Faces that both or neither
            were right on say nothing about which is better.

    >>> round(mcnemar(142, 196), 4), mcnemar(5, 5)
    (0.0039, 1.0)
    """
    one, other = int(one), int(other)  # numpy's whole numbers end at 2**63, and `1 << n` with them
    n, few = one + other, min(one, other)
    if n > 1000:  # within 0.0001 of the exact sum, which takes long
        return erfc(max(abs(one - other) - 1, 0) / (2 * n) ** 0.5)
    return min(1.0, 2 * sum(comb(n, k) for k in range(few + 1)) / (1 << n))


def holm(chances: Sequence[float]) -> list[float]:
    """p-values of comparisons that are looked at together, corrected for how many they are (Holm, 1979).

    The smallest is multiplied by how many there are, the next by one fewer, and none gets smaller than the one before:
    so in at most 5 % of such families chance alone brings any of them below 0.05, however many were made.

    >>> holm([0.01, 0.5, 0.02])
    [0.03, 0.5, 0.04]
    """
    found, least = [0.0] * len(chances), 0.0
    for done, place in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        least = max(least, min(1.0, (len(chances) - done) * chances[place]))
        found[place] = least
    return found


def _shares(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)

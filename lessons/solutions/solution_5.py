"""Solutions to the exercises of lesson 5: the flagship, and how not to fool yourself."""

import numpy as np


def expected_best(p, n, looks, repeats=2000, seed=0):
    """5.1: the mean of the best of `looks` independent accuracies on n faces, when all networks are truly right on p.

    The best of 100 is about 2.5 standard errors too high. Half a point is 0.005 = 2.5 * sqrt(0.21 / n): some 53,000
    faces. FER2013 has 3,589 to test on.
    """
    return float((np.random.default_rng(seed).binomial(n, p, (repeats, looks)) / n).max(1).mean())


def threshold(p, labels, wanted):
    """5.2: (the lowest confidence above which the share `wanted` is right, the share of faces that are then answered).

    Sorted with the surest first, the accuracy of the first m is a running mean; the largest m at which it is high
    enough is where to stop. Equal confidences stand or fall together. If no m will do, nothing is answered: (inf, 0).
    """
    order = np.argsort(-p.max(1), kind="stable")
    confidence, right = p.max(1)[order], (p.argmax(1) == labels)[order]
    accuracy = np.cumsum(right) / np.arange(1, len(right) + 1)
    ends = np.append(confidence[1:] < confidence[:-1], True)  # the last of those that are equally sure
    enough = np.flatnonzero((accuracy >= wanted) & ends)
    if not len(enough):
        return float("inf"), 0.0
    return float(confidence[enough[-1]]), float((enough[-1] + 1) / len(right))


def smooth(labels, k, share):
    """5.3: (N, k) targets: 1 - share for the label, and share spread evenly over all k classes."""
    return np.eye(k)[labels] * (1 - share) + share / k

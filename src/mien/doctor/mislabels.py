"""Labels that are contradicted by what learned from other faces, the likeliest mislabels first.

Confident learning (Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels", 2021).
The ranking is a few lines of numpy; `cleanlab` would bring pandas and scikit-learn for it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.data.faces import UNLABELLED


@dataclass(frozen=True, eq=False)
class Suspects:
    """Likely mislabels.

    `order` has the numbers of all labelled faces, the likeliest mislabels first; the first `count` of them are those
    that confident learning counts as mislabelled. `suggested` `(N,)` is the class that is likelier right: of those the
    likeliest whose threshold the face reaches, of the others the network's answer. `own` and `other` `(N,)` are the
    probabilities of the label and of the suggestion, or where that is the label of the likeliest other class.
    `accuracy` is the share of labels that the network agrees with.
    """

    order: NDArray[np.int64]
    count: int
    suggested: NDArray[np.int64]
    own: NDArray[np.float32]
    other: NDArray[np.float32]
    accuracy: float


def suspects(answers: NDArray[np.floating], labels: NDArray[np.int64]) -> Suspects:
    """Rank the labels by out-of-sample probabilities `(N, K)`; rows of unlabelled faces are ignored.

    A class's threshold is the mean probability that its faces have for it, but no less than chance: a class of so few
    faces that nothing learned to know it would be reached by all. A face counts as mislabelled when among the classes
    whose threshold it reaches another one than its label is the likeliest. These stand first; within, the order is the
    margin, the probability of the label less that of the likeliest other class.

    >>> answers = np.array([[0.9, 0.1], [0.75, 0.25], [0.2, 0.8], [0.9, 0.1]])
    >>> found = suspects(answers, np.array([0, 0, 1, 1]))
    >>> found.order.tolist(), found.count
    ([3, 1, 2, 0], 1)
    """
    known = np.flatnonzero(labels != UNLABELLED)
    chances = np.asarray(answers, np.float32)
    own, other = np.zeros(len(labels), np.float32), np.zeros(len(labels), np.float32)
    answered = chances.argmax(1)
    given = chances[known]
    mine = labels[known]
    at = np.arange(len(known))
    own[known] = given[at, mine]
    rest = given.copy()
    rest[at, mine] = -1
    other[known] = rest.max(1)
    thresholds = np.array(
        [own[known][mine == label].mean() if (mine == label).any() else np.inf for label in range(chances.shape[1])]
    )
    thresholds = np.maximum(thresholds, 1 / chances.shape[1])
    reached = np.where(given >= thresholds, given, -1)
    wrong = (reached.max(1) >= 0) & (reached.argmax(1) != mine)
    order = known[np.lexsort((own[known] - other[known], ~wrong))]
    suggested = answered.copy()
    suggested[known[wrong]] = reached.argmax(1)[wrong]  # the answer may be the label, if its threshold is higher
    other[known[wrong]] = reached.max(1)[wrong]
    return Suspects(order, int(wrong.sum()), suggested, own, other, float((answered[known] == mine).mean()))

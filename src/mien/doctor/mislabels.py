"""Labels that a quick network contradicts which didn't learn from these faces.

Confident learning (Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels", 2021).
The ranking is a few lines of numpy; `cleanlab` would bring pandas and scikit-learn for it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.data.faces import UNLABELLED, FaceSet
from mien.doctor.groups import Groups
from mien.doctor.pool import Pool
from mien.errors import DataError, MissingExtra

FOLDS = 3
SMALLEST, LARGEST = 24, 32
"""Pixels. The quick network learns from squares of such a side; other faces are resized."""

STEPS, FEWEST, MOST = 1200, 2, 40
"""How long a quick network learns: about STEPS steps of BATCH faces, but FEWEST to MOST epochs."""

BATCH, SMALLEST_BATCH = 128, 16
"""Faces in a step; fewer for a small data set, so that there are enough steps."""


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

    A class's threshold is the mean probability that its faces have for it. A face counts as mislabelled when among the
    classes whose threshold it reaches another one than its label is the likeliest. These stand first; within, the order
    is the margin, the probability of the label less that of the likeliest other class.

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
    reached = np.where(given >= thresholds, given, -1)
    wrong = (reached.max(1) >= 0) & (reached.argmax(1) != mine)
    order = known[np.lexsort((own[known] - other[known], ~wrong))]
    suggested = answered.copy()
    suggested[known[wrong]] = reached.argmax(1)[wrong]  # the answer may be the label, if its threshold is higher
    other[known[wrong]] = reached.max(1)[wrong]
    return Suspects(order, int(wrong.sum()), suggested, own, other, float((answered[known] == mine).mean()))


def out_of_sample(
    pool: Pool,
    alike: Groups,
    *,
    folds: int = FOLDS,
    seed: int = 0,
    device: str | None = None,
    tick: Callable[[float], None] | None = None,
) -> NDArray[np.float32]:
    """`(N, K)` float32: what networks that never saw a face, nor its like, answer for it; 0 for unlabelled faces.

    The labelled faces are dealt into `folds` parts, faces of one group of `alike` into the same. For each part a small
    `cnn` learns from the others, and answers for it after its last epoch: no choice is made on the part itself.

    Args:
        tick: called with the share that is done.

    Raises:
        DataError: too few faces, or classes, to deal out. MissingExtra: without torch.
    """
    known = np.flatnonzero(pool.labels != UNLABELLED)
    groups, group = np.unique(alike.first[known], return_inverse=True)
    if len(groups) < 10 * folds or len(np.unique(pool.labels[known])) < 2:
        raise DataError(
            f"{len(groups):,} different labelled faces are too few to say which labels are likely wrong: "
            f"{10 * folds} of two classes at least."
        )
    fold = np.random.Generator(np.random.PCG64(seed)).integers(0, folds, len(groups))[group]
    faces = FaceSet(_small(pool, known), pool.labels[known], classes=pool.classes, source=pool.source)
    answers = np.zeros((len(pool), len(pool.classes)), np.float32)
    for part in range(folds):
        held = fold == part
        done = (lambda share, part=part: tick((part + share) / folds)) if tick else None
        answers[known[held]] = _answers(faces[~held], faces[held], seed, device, done)
    return answers


def _answers(
    learn: FaceSet, held: FaceSet, seed: int, device: str | None, tick: Callable[[float], None] | None
) -> NDArray[np.float32]:
    try:
        import torch
    except ImportError:
        raise MissingExtra("torch", "train", "Finding likely mislabels") from None

    from mien.evaluation.scores import score
    from mien.models import create_model
    from mien.training.fit import fit
    from mien.training.recipe import recipe

    epochs = min(max(math.ceil(STEPS * BATCH / len(learn)), FEWEST), MOST)
    channels = 1 if learn.images.ndim == 3 else 3
    plan = recipe(
        "cnn", epochs=epochs, seed=seed, options={"widths": [32, 64, 128, 256], "depths": [1, 1, 1, 1], "dropout": 0.2},
        optimiser="adamw", lr=0.004, weight_decay=0.05, smoothing=0.0, erase=0.0, shift=0.06, scale=0.08, rotate=8,
        ema=0.99, start_size=24, batch=min(max(len(learn) // 16, SMALLEST_BATCH), BATCH),
    )  # fmt: skip
    torch.manual_seed(seed)
    model = create_model(
        "cnn", classes=len(learn.classes), channels=channels, size=learn.images.shape[1], **plan.options
    )
    answers: NDArray[np.float32] | None = None
    watch = held[:1]  # `fit` wants validation faces; their scores aren't used
    for epoch in fit(model, learn, watch, plan, device=device):
        if tick:
            tick(epoch.epoch / epochs)
        if epoch.epoch == epochs:
            answers = score(model, held, views=2).probabilities
    assert answers is not None
    return answers


def _small(pool: Pool, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
    """These faces at a size that a quick network learns from."""
    side = min(max(*pool.shape[:2], SMALLEST), LARGEST)
    if pool.shape[:2] == (side, side):
        return pool.take(numbers)
    images = np.empty((len(numbers), side, side, *pool.shape[2:]), np.uint8)
    for place in range(len(numbers)):  # one by one: large faces together might not fit into memory
        image = Image.fromarray(pool.take(numbers[place : place + 1])[0])
        images[place] = np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))
    return images

"""What is answered for faces by what learned from others only: heads for a network's layers, or quick networks."""

import math
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.data.faces import UNLABELLED, FaceSet
from mien.doctor.groups import Groups
from mien.doctor.pool import Pool
from mien.errors import DataError, MissingExtra
from mien.shipped import BOX

Numbers = NDArray[np.int64]
Tick = Callable[[float], None]

FOLDS = 3

BY = "small"
"""The network in the box on whose layers heads are fitted; `flagship` is hardly better, in four times the time."""

FITTED = 8192
"""A head is fitted to so many faces at most: on FER2013 all 20,000 make it no better."""

ENOUGH = 0.6
"""Of the labels that the commonest class doesn't get right. Where heads get less of them, networks are tried, too: of
1,600 drawn faces heads got half, and networks three quarters (docs/LOG.md)."""

AT_ONCE = 4096
"""Faces that are in memory together for the heads."""

SMALLEST, LARGEST = 24, 32
"""Pixels. The quick network learns from squares of such a side; other faces are resized."""

STEPS, FEWEST, MOST = 1200, 2, 40
"""How long a quick network learns: about STEPS steps of BATCH faces, but FEWEST to MOST epochs."""

BATCH, SMALLEST_BATCH = 128, 16
"""Faces in a step; fewer for a small data set, so that there are enough steps."""


def out_of_sample(
    pool: Pool,
    alike: Groups,
    *,
    folds: int = FOLDS,
    seed: int = 0,
    device: str | None = None,
    tick: Tick | None = None,
) -> NDArray[np.float32]:
    """`(N, K)` float32: what is answered for a face by what never saw its label, nor its like; 0 for unlabelled ones.

    The labelled faces are dealt into `folds` parts, faces of one group of `alike` into the same, and each part is
    answered for by what learned from the others: a head on the layers of BY, which takes a moment. Where these heads
    aren't right on ENOUGH, as when the classes aren't expressions, a small `cnn` learns from pixels for each part and
    answers after its last epoch, and those that agree with more of the labels are taken.

    Args:
        tick: called with the share that is done.

    Raises:
        DataError: too few faces, or classes, to deal out. MissingExtra: without torch or safetensors.
        CheckpointError: the network in the box is damaged.
    """
    try:
        import torch

        from mien.checkpoint import load_run  # noqa: F401  which needs safetensors
    except ImportError as error:
        package = (error.name or "torch").partition(".")[0]
        raise MissingExtra(package, "train", "Finding likely mislabels") from None
    known = np.flatnonzero(pool.labels != UNLABELLED)
    groups, group = np.unique(alike.first[known], return_inverse=True)
    if len(groups) < 10 * folds or len(np.unique(pool.labels[known])) < 2:
        raise DataError(
            f"{len(groups):,} different labelled faces are too few to say which labels are likely wrong: "
            f"{10 * folds} of two classes at least."
        )
    tick = tick or (lambda _: None)
    labels = pool.labels[known]
    part = np.random.Generator(np.random.PCG64(seed)).integers(0, folds, len(groups))[group]
    with torch.inference_mode(False), torch.enable_grad():  # whatever the caller's mode is, both ways need gradients
        found = of_heads(pool, known, part, seed, device, lambda share: tick(share / 2))
        right, commonest = _agreement(found, labels), np.bincount(labels).max() / len(labels)
        if right - commonest < ENOUGH * (1 - commonest):
            with suppress(DataError):  # all that a network were to learn from is of one class: heads don't mind
                others = of_networks(pool, known, part, seed, device, lambda share: tick((1 + share) / 2))
                found = others if _agreement(others, labels) > right else found
    tick(1.0)
    answers = np.zeros((len(pool), len(pool.classes)), np.float32)
    answers[known] = found
    return answers


def _agreement(answers: NDArray[np.float32], labels: Numbers) -> float:
    return float((answers.argmax(1) == labels).mean())


def of_heads(
    pool: Pool, known: Numbers, part: Numbers, seed: int, device: str | None, tick: Tick
) -> NDArray[np.float32]:
    """`(len(known), K)`: what a head on the layers of BY answers for each of these faces, fitted to the other parts.

    `part` `(len(known),)` is the number of each one's part.
    """
    import torch

    from mien.checkpoint import load_run
    from mien.training.device import pick_device
    from mien.training.head import fitted, into_head

    network, card = load_run(BOX / BY)
    network.to(pick_device(device))
    seen, pieces, parts = [], range(0, len(known), AT_ONCE), np.unique(part)
    steps = len(pieces) + len(parts)
    for done, at in enumerate(pieces, 1):
        faces = _faces(pool, known[at : at + AT_ONCE], card.input_shape[1], gray=True)
        seen.append(into_head(network, faces, 256))
        tick(done / steps)
    x, labels = torch.cat(seen), torch.from_numpy(pool.labels[known])
    counts, earlier = torch.ones(len(pool.classes), device="cpu"), network.get_submodule("linear")
    mixed = np.random.Generator(np.random.PCG64(seed)).permutation(len(known))
    answers = np.zeros((len(known), len(pool.classes)), np.float32)
    for done, number in enumerate(parts, 1 + len(pieces)):  # with many parts, this is what takes long
        learn = np.sort(mixed[part[mixed] != number][:FITTED])
        weight, bias = fitted(x[learn], labels[learn], counts, earlier)
        held = part == number
        answers[held] = (x[held] @ weight.T + bias).softmax(1).numpy()
        tick(done / steps)
    return answers


def of_networks(
    pool: Pool, known: Numbers, part: Numbers, seed: int, device: str | None, tick: Tick
) -> NDArray[np.float32]:
    """The same of a small network for each part, trained from nothing.

    Raises:
        DataError: the other parts of one hold a single class.
    """
    faces = _faces(pool, known, min(max(*pool.shape[:2], SMALLEST), LARGEST))
    answers, parts = np.zeros((len(known), len(pool.classes)), np.float32), np.unique(part)
    for before, number in enumerate(parts):
        held = part == number
        done = partial(lambda before, share: tick((before + share) / len(parts)), before)
        answers[held] = _answers(faces[~held], faces[held], seed, device, done)
    return answers


def _answers(learn: FaceSet, held: FaceSet, seed: int, device: str | None, tick: Tick) -> NDArray[np.float32]:
    import torch

    from mien.evaluation.scores import score
    from mien.models import create_model
    from mien.training.fit import fit
    from mien.training.recipe import recipe

    seed %= 2**31  # a recipe takes no larger one
    epochs = min(max(math.ceil(STEPS * BATCH / len(learn)), FEWEST), MOST)
    channels = 1 if learn.images.ndim == 3 else 3
    plan = recipe(
        "cnn", epochs=epochs, seed=seed, options={"widths": [32, 64, 128, 256], "depths": [1, 1, 1, 1], "dropout": 0.2},
        optimiser="adamw", lr=0.004, weight_decay=0.05, smoothing=0.0, erase=0.0, shift=0.06, scale=0.08, rotate=8,
        ema=0.99, start_size=24, batch=min(max(len(learn) // 16, SMALLEST_BATCH), BATCH),
    )  # fmt: skip
    answers: NDArray[np.float32] | None = None
    watch = held[:1]  # `fit` wants validation faces; their scores aren't used
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):  # the caller's random numbers stay as they are
        torch.default_generator.manual_seed(seed)
        model = create_model(
            "cnn", classes=len(learn.classes), channels=channels, size=learn.images.shape[1], **plan.options
        )
    for epoch in fit(model, learn, watch, plan, device=device):
        tick(epoch.epoch / epochs)
        if epoch.epoch == epochs:
            answers = score(model, held, views=2).probabilities
    assert answers is not None
    return answers


def _faces(pool: Pool, numbers: Numbers, side: int, *, gray: bool = False) -> FaceSet:
    """These faces as squares of such a side."""
    gray = gray and len(pool.shape) == 3
    if pool.shape[:2] == (side, side) and not gray:
        images = pool.take(numbers)
    else:
        images = np.empty((len(numbers), side, side, *(() if gray else pool.shape[2:])), np.uint8)
        for place in range(len(numbers)):  # one by one: large faces together might not fit into memory
            image = Image.fromarray(pool.take(numbers[place : place + 1])[0])
            image = image.convert("L") if gray else image
            images[place] = np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))
    return FaceSet(images, pool.labels[numbers], classes=pool.classes, source=pool.source)

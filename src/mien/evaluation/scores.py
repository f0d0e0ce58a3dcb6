"""Anything that answers with probabilities, over a FaceSet. Needs no torch; the views are deterministic."""

import math
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data.faces import FaceSet, check_untransformed
from mien.errors import CheckpointError, DataError, check_kind, first_line
from mien.evaluation.report import Report
from mien.evaluation.views import seen, views_of
from mien.images import channels_first
from mien.modes import classes_of, in_eval_mode

Predictor = Callable[[NDArray[np.uint8]], NDArray[np.floating]]
"""Pixels uint8 `(B, C, H, W)` in, probabilities `(B, K)` out. A `mien.net.Net` is one."""


@dataclass(frozen=True)
class Scores:
    """What a network answered: `probabilities` `(N, K)` float32, beside the true `labels` `(N,)` int64.

    `index` `(N,)` is the place of each of these faces in the FaceSet that was asked for; `left_out` others of it are
    unlabelled or in doubt. `shares` `(N, K)` are the annotators' votes, where the targets are shares.
    """

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    index: NDArray[np.int64]
    split: str = ""
    views: int = 1
    left_out: int = 0
    shares: NDArray[np.float32] | None = None

    @property
    def predicted(self) -> NDArray[np.int64]:
        """`(N,)`: the most probable class of each face."""
        return np.asarray(self.probabilities.argmax(1), np.int64)

    @property
    def confidence(self) -> NDArray[np.float32]:
        """`(N,)`: the probability of that class."""
        return np.asarray(self.probabilities.max(1), np.float32)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """`(N,)`: whether it is the true one."""
        return np.asarray(self.predicted == self.labels, np.bool_)


def score(
    model: Any,
    faces: FaceSet,
    *,
    views: int = 1,
    batch: int = 256,
    split: str = "",
    temperature: float = 1.0,
    tick: Callable[[float], None] | None = None,
) -> Scores:
    """Ask a network about every face that it can be judged by; arguments and errors as in `evaluate`.

    `tick` is called after each batch with the share of the faces that is done.

    >>> faces = FaceSet(np.zeros((3, 48, 48), np.uint8), [0, 3, -1])
    >>> score(lambda pixels: np.eye(7)[[3] * len(pixels)], faces).correct.tolist()
    [False, True]
    """
    if batch < 1 or not 0 < temperature < math.inf:
        raise DataError(f"batch is 1 or more, temperature more than 0; found {batch} and {temperature}.")
    if not callable(model):
        raise DataError(f"A {type(model).__name__} can't be asked; of a network's name or path take mien.Net(...).")
    check_kind(
        faces, FaceSet, DataError,
        "evaluate asks about a FaceSet, such as splits.val; of a DataLoader's batches judge by a loop of your own "
        "(lesson 1).",
    )  # fmt: skip
    check_untransformed(faces)
    if not len(faces):
        such = f"faces for {split!r}" if split else "such faces"
        raise DataError(
            f"This set is empty: {faces.source or 'its source'} has no {such} "
            '(FER2013 has test faces only where rows are PrivateTest). splits["test"] says which splits there are.'
        )
    looks = views_of(views)
    index = np.flatnonzero(faces.sure)
    if not len(index):
        raise DataError(f"{faces.source or 'This set'} has no labelled faces{f' for {split!r}' if split else ''}.")
    given = np.empty((len(index), len(faces.classes)), np.float32)
    with as_predictor(model, temperature) as predict:
        for start in range(0, len(index), batch):  # in pieces, so that a memory-mapped set isn't read whole
            pixels = np.ascontiguousarray(channels_first(faces.images[index[start : start + batch]]))
            answers = [_answer(predict, seen(pixels, look), model, faces) for look in looks]
            given[start : start + batch] = np.mean(answers, 0)
            if tick:
                tick(min(1.0, (start + batch) / len(index)))
    shares = faces.targets[index] if faces.soft else None
    return Scores(given, faces.labels[index], faces.classes, index, split, views, len(faces) - len(index), shares)


def joined(parts: Sequence[Scores]) -> Scores:
    """One network's answers about several sets as if about one, in which the sets follow each other (`index`)."""
    if len(parts) == 1:
        return parts[0]
    sizes = [len(part.labels) + part.left_out for part in parts]
    before = np.cumsum([0, *sizes[:-1]])
    shares = [part.shares for part in parts if part.shares is not None]
    return replace(
        parts[0],
        probabilities=np.concatenate([part.probabilities for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        index=np.concatenate([part.index + start for part, start in zip(parts, before, strict=True)]),
        left_out=sum(part.left_out for part in parts),
        shares=np.concatenate(shares) if shares else None,
    )


def together(parts: Sequence[Scores]) -> Scores:
    """An ensemble's answer: the mean of its members' probabilities, each with its own temperature.

    Raises:
        DataError: the members weren't asked about the same faces.
    """
    first = parts[0]
    if any(part.classes != first.classes or not np.array_equal(part.index, first.index) for part in parts):
        raise DataError("The networks weren't asked about the same faces, so their answers have no mean.")
    return replace(first, probabilities=np.mean([part.probabilities for part in parts], 0, np.float32))


def evaluate(
    model: Any, faces: FaceSet, *, views: int = 1, batch: int = 256, split: str = "", temperature: float = 1.0
) -> Report:
    """Ask a network about every face that it can be judged by (`FaceSet.judged`), and judge the answers.

    Args:
        model: an `nn.Module` that gives logits (asked in eval mode, on the device it is on, and left as it was),
            a `mien.Net`, or any callable from pixels uint8 `(B, C, H, W)` to probabilities `(B, K)`. Its
            attribute `classes`, a list or tuple of names, says what it answers for, in which order; without one that
            is as in `faces`.
        faces: those in it that aren't `sure` are left out. A network that knows more classes, or the same in another
            order, is asked about these alone: its probabilities for them are scaled to add to 1.
        views: 1 asks about the face as it is, 2 also about its mirror image, 10 about those at other scales and places,
            and the probabilities are averaged (`mien.evaluation.views`).
        batch: how many faces at once.
        split: the name that the report carries.
        temperature: divides the logits of an `nn.Module`; the others know their own.

    Raises:
        DataError: no face to be judged by, faces with a transform, a `model` that can't be called, a `batch` or
            `temperature` that can't be, or the network answers for other classes than the faces have, or with what are
            no probabilities.
        CheckpointError: an answer isn't a number: the training diverged.

    >>> faces = FaceSet(np.zeros((3, 48, 48), np.uint8), [0, 3, -1])
    >>> evaluate(lambda pixels: np.eye(7)[[3] * len(pixels)], faces).accuracy
    0.5
    """
    return Report.of(score(model, faces, views=views, batch=batch, split=split, temperature=temperature))


def _answer(predict: Predictor, pixels: NDArray[np.uint8], model: Any, faces: FaceSet) -> NDArray[np.floating]:
    answer = np.asarray(predict(pixels))
    named = classes_of(model)
    known = faces.classes if named is None else named
    if answer.shape != (len(pixels), len(known)) or not set(known) >= set(faces.classes):
        found = f"an answer of shape {answer.shape}" if named is None else ", ".join(known)
        unknown = [] if named is None else [name for name in faces.classes if name not in known]
        way = f" Give {', '.join(unknown)} the network's names, or train one on these faces."
        raise DataError(
            f"The network doesn't fit these faces: it has {found}; {len(pixels)} faces of the "
            f"{len(faces.classes)} classes {', '.join(faces.classes)} were asked for.{way if unknown else ''}"
        )
    if not np.isfinite(answer).all():
        raise CheckpointError(
            "The network answers with NaN or infinity: its training diverged. Train it again with a lower learning "
            "rate."
        )
    sums = answer.sum(1)
    if (answer < 0).any() or (abs(sums - 1) > 0.01).any():
        found = "some are negative" if (answer < 0).any() else f"one face's add to {sums[abs(sums - 1).argmax()]:.3g}"
        raise DataError(f"The answers aren't probabilities, {found}: are these logits? Answer with their softmax.")
    if known == faces.classes:
        return answer
    answer = answer[:, [known.index(name) for name in faces.classes]]
    sums = answer.sum(1, keepdims=True)
    return np.where(sums > 0, answer / np.where(sums > 0, sums, 1), 1 / len(faces.classes))  # sum 0: all alike


def warn_of_probabilities(logits: Any, whose: str) -> None:
    """Warn where a network's answers, a tensor `(B, K)`, have been through a softmax already."""
    if len(logits) and (logits >= 0).all() and ((logits.sum(1) - 1).abs() < 1e-3).all():
        warnings.warn(
            f"{whose} gives probabilities where logits are expected, and their softmax is nearly even: leave its last "
            "softmax out.",
            UserWarning,
            stacklevel=3,
        )


@contextmanager
def as_predictor(model: Any, temperature: float = 1.0) -> Iterator[Predictor]:
    """`model` as a function from pixels to probabilities; an nn.Module is in eval mode meanwhile, then as before."""
    torch = sys.modules.get("torch")  # whoever holds an nn.Module has imported it
    if torch is None or not isinstance(model, torch.nn.Module):
        yield model
        return
    parameter = next(model.parameters(), None)
    device = "cpu" if parameter is None else parameter.device

    def predict(pixels: NDArray[np.uint8]) -> NDArray[np.floating]:
        with torch.no_grad():  # what it keeps of inference_mode, as in a cache, couldn't be trained with
            try:
                logits = model(torch.from_numpy(pixels).to(device))
            except RuntimeError as error:
                if isinstance(error, torch.OutOfMemoryError) or parameter is None or parameter.dtype == torch.float32:
                    raise
                raise DataError(
                    f"The network fails on uint8 faces: {first_line(error)}. Its weights are {parameter.dtype}; "
                    "model.float() makes them float32."
                ) from error
            if not isinstance(logits, torch.Tensor) or logits.ndim != 2:
                raise DataError(f"The network gives a {type(logits).__name__}; its logits are one tensor (B, K).")
            warn_of_probabilities(logits, "The network")
        return np.asarray((logits.float() / temperature).softmax(1).cpu().numpy())

    with in_eval_mode(model):
        yield predict

"""Anything that answers with probabilities, over a FaceSet. Needs no torch; the views are deterministic."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data.faces import UNLABELLED, FaceSet
from mien.errors import CheckpointError, DataError
from mien.evaluation.report import Report

Predictor = Callable[[NDArray[np.uint8]], NDArray[np.floating]]
"""Pixels uint8 `(B, C, H, W)` in, probabilities `(B, K)` out. A `mien.net.Net` is one."""


@dataclass(frozen=True)
class Scores:
    """What a network answered: `probabilities` `(N, K)` float32, beside the true `labels` `(N,)` int64.

    `index` `(N,)` is the place of each of these faces in the FaceSet that was asked for (unlabelled ones are left out).
    """

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    index: NDArray[np.int64]
    split: str = ""
    views: int = 1

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


def score(model: Any, faces: FaceSet, *, views: int = 1, batch: int = 256, split: str = "") -> Scores:
    """Ask a network about every labelled face.

    Args:
        model: an `nn.Module` that gives logits (asked in eval mode, on the device it is on, and left as it was),
            a `mien.net.Net`, or any callable from pixels uint8 `(B, C, H, W)` to probabilities `(B, K)`.
        faces: unlabelled faces in it are left out.
        views: 1 asks about the face as it is, 2 also about its mirror image, and averages the probabilities.
        batch: how many faces at once.
        split: the name that the result carries.

    Raises:
        DataError: no labelled face, or the network answers for other classes than the faces have.
        CheckpointError: an answer isn't a number: the network's training went astray.

    >>> faces = FaceSet(np.zeros((3, 48, 48), np.uint8), [0, 3, -1])
    >>> score(lambda pixels: np.eye(7)[[3] * len(pixels)], faces).correct.tolist()
    [False, True]
    """
    if views not in (1, 2):
        raise DataError(f"There is no evaluation with {views} views: 1 is the face, 2 adds its mirror image.")
    index = np.flatnonzero(faces.labels != UNLABELLED)
    if not len(index):
        raise DataError(f"{faces.source or 'This set'} has no labelled faces{f' for {split!r}' if split else ''}.")
    given = np.empty((len(index), len(faces.classes)), np.float32)
    with _as_predictor(model) as predict:
        for start in range(0, len(index), batch):  # in pieces, so that a memory-mapped set isn't read whole
            pixels = _channels_first(faces.images[index[start : start + batch]])
            answer = _answer(predict, pixels, model, faces)
            if views == 2:
                answer = (answer + _answer(predict, np.ascontiguousarray(pixels[..., ::-1]), model, faces)) / 2
            given[start : start + batch] = answer
    return Scores(given, faces.labels[index], faces.classes, index, split, views)


def evaluate(model: Any, faces: FaceSet, *, views: int = 1, batch: int = 256, split: str = "") -> Report:
    """Ask a network about every labelled face and judge the answers; arguments and errors as in `score`."""
    return Report.of(score(model, faces, views=views, batch=batch, split=split))


def _answer(predict: Predictor, pixels: NDArray[np.uint8], model: Any, faces: FaceSet) -> NDArray[np.floating]:
    answer = np.asarray(predict(pixels))
    expected = (len(pixels), len(faces.classes))
    known = getattr(model, "classes", None)
    if answer.shape != expected or (isinstance(known, tuple) and known != faces.classes):
        found = ", ".join(known) if isinstance(known, tuple) else f"an answer of shape {answer.shape}"
        raise DataError(
            f"The network doesn't fit these faces: it has {found}; {expected[0]} faces of the "
            f"{expected[1]} classes {', '.join(faces.classes)} were asked for."
        )
    if not np.isfinite(answer).all():
        raise CheckpointError(
            "The network answers with what isn't a number: its training went astray. Train it again with a lower "
            "learning rate."
        )
    return answer


@contextmanager
def _as_predictor(model: Any) -> Iterator[Predictor]:
    torch = sys.modules.get("torch")  # whoever holds an nn.Module has imported it
    if torch is None or not isinstance(model, torch.nn.Module):
        yield model
        return
    parameter = next(model.parameters(), None)
    device = "cpu" if parameter is None else parameter.device
    modes = [(module, module.training) for module in model.modules()]  # parts may be frozen on their own

    def predict(pixels: NDArray[np.uint8]) -> NDArray[np.floating]:
        logits = model(torch.from_numpy(pixels).to(device))
        return np.asarray(logits.float().softmax(1).cpu().numpy())

    try:
        model.eval()
        with torch.inference_mode():
            yield predict
    finally:
        for module, training in modes:
            module.training = training


def _channels_first(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2))

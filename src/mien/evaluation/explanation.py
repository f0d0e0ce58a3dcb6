"""An explanation of one answer, a heatmap over the face, and the deletion check that says when not to believe it.

A heatmap is easily drawn and looks right whether it is or not. What can be checked: if the patches that it marks are
those that the answer rests on, then the answer's probability falls faster when they go first than when patches go in a
random order. After the deletion metric of Petsiuk, Das and Saenko, "RISE" (2018); that it is compared with random
orders of patches of the same size, which makes a test of it, is ours.

What the check can't say: that the heatmap is about this face. Marking the middle of every face passes for a third of
them, since expressions are there (`benchmarks/explain.py`): one that fails is wrong, one that passes may be right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mien.errors import DataError
from mien.evaluation.scores import Predictor
from mien.images import channels_first

SIDE = 48
"""Pixels. PATCH and BLUR are for faces of this side, and are scaled for others."""

PATCH = 4
"""Side in pixels of the patches that are taken away, for the heatmap and for the random orders alike. Those at the
right and lower edge may be smaller."""

STEPS = 36
"""How many steps it takes to take all of them away, nearly as many in each; fewer where there are fewer patches."""

ORDERS = 20
"""How many random orders. A heatmap of noise, which knows nothing, is better than all 20 in one case of 21: less than
5 %. One that marks a single spot is better more often, as patches side by side hide more than scattered ones."""

SLIGHT = 0.01
"""A lower probability has nothing to fall from: whatever the heatmap marks isn't to be believed."""

BLUR = 6.0
"""Sigma in pixels of the blur that takes the place of a patch: it leaves no expression, and makes no new edges."""


@dataclass(frozen=True, eq=False)
class Check:
    """How fast an answer's probability falls as patches of the face go: in the heatmap's order and in random ones.

    `taken` `(S + 1,)` is the share of the patches gone, from 0 to 1; `curve` `(S + 1,)` the probability when they go
    in the heatmap's order; `orders` `(R, S + 1)` the same for R random orders. All float64.
    """

    taken: NDArray[np.float64]
    curve: NDArray[np.float64]
    orders: NDArray[np.float64]

    @property
    def area(self) -> float:
        """The area under the heatmap's curve, 0..1: lower is better."""
        return float(area(self.taken, self.curve))

    @property
    def areas(self) -> NDArray[np.float64]:
        """`(R,)`: the area under the curve of each random order."""
        return area(self.taken, self.orders)

    @property
    def better_than(self) -> int:
        """How many of the random orders the heatmap is better than; a tie counts for them."""
        return int((self.area < self.areas - 1e-6).sum())  # 1e-6: float32 answers to the same face may differ so much

    @property
    def passed(self) -> bool:
        """Whether it is better than every one of them, and the probability isn't SLIGHT to begin with."""
        return not self.slight and self.better_than == len(self.orders)

    @property
    def slight(self) -> bool:
        """Whether the face has hardly any probability of the class."""
        return bool(self.curve[0] < SLIGHT)

    @property
    def verdict(self) -> str:
        """The check in words."""
        if self.slight:
            return f"don't believe it: the probability is below {SLIGHT:g}, so there is nothing to explain"
        orders = len(self.orders)
        advice = "it passes" if self.passed else "don't believe it"
        return f"{advice}: the heatmap is better than {self.better_than} of {orders} random orders"


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where a network looked for one answer about one face.

    `face` uint8 `(H, W)` or `(H, W, 3)`; `label` is the class that is explained, `confidence` 0..1 its probability;
    `heatmap` float32 `(H, W)`, scaled so that its largest magnitude is 1: above 0 speaks for the label, below against
    it. `method` is what it was made with, `check` the test of it.
    """

    face: NDArray[np.uint8]
    label: str
    confidence: float
    heatmap: NDArray[np.float32]
    method: str
    check: Check

    def as_json(self) -> dict[str, Any]:
        """Plain data, without the face; numbers of the heatmap and the curves to four decimals.

        "believe" is whether it passed the check.
        """
        check = self.check
        return {
            "label": self.label,
            "confidence": self.confidence,
            "method": self.method,
            "believe": check.passed,
            "verdict": check.verdict,
            "better_than": check.better_than,
            "random_orders": len(check.orders),
            "deletion_area": check.area,
            "random_area": float(check.areas.mean()),
            "taken": _rounded(check.taken),
            "deletion": _rounded(check.curve),
            "random": _rounded(check.orders.mean(0)),
            "heatmap": _rounded(self.heatmap),
        }


def check(
    predict: Predictor,
    face: NDArray[np.uint8],
    heatmap: NDArray[np.floating],
    place: int,
    *,
    orders: int = ORDERS,
    seed: int = 0,
) -> Check:
    """Take the patches of a face away, the hottest first, and in random orders; watch one class's probability.

    Args:
        predict: pixels uint8 `(B, C, H, W)` -> probabilities `(B, K)`. It gets `(1 + orders) · (STEPS + 1)` pictures.
        face: uint8 `(H, W)` or `(H, W, 3)`. heatmap: `(H, W)`, higher is more important.
        place: the class, by its place among the K.
        orders, seed: how many random orders, and what decides them.

    Raises:
        DataError: the heatmap has another shape than the face, or isn't finite.

    >>> left = lambda pixels: np.stack([pixels[:, 0, :, :8].mean((1, 2)) / 255, pixels[:, 0, :, 8:].mean((1, 2))], 1)
    >>> face, heat = np.zeros((16, 16), np.uint8), np.zeros((16, 16))
    >>> face[:, :8], heat[:, :8] = 255, 1
    >>> check(left, face, heat, 0).verdict
    'it passes: the heatmap is better than 20 of 20 random orders'
    """
    ranks = order_of(heatmap, face)
    every = [ranks, *random_orders(len(ranks), orders, seed)]
    curves = np.stack([curve(predict, face, turns, place) for turns in every])
    return Check(shares(len(ranks)), curves[0], curves[1:])


def order_of(heatmap: NDArray[np.floating], face: NDArray[np.uint8]) -> NDArray[np.int64]:
    """`(P,)`: for each patch, row by row, its turn when the one with the highest mean heat goes first (turn 0).

    Raises:
        DataError: the heatmap has another shape than the face, or isn't finite.
    """
    if heatmap.shape != face.shape[:2] or not np.isfinite(heatmap).all():
        raise DataError(
            f"A heatmap is finite numbers of the face's shape, {face.shape[:2]}; found shape {heatmap.shape}"
            f"{'' if np.isfinite(heatmap).all() else ', not all finite'}."
        )
    number = _patches(heatmap.shape)
    heat = np.bincount(number.ravel(), heatmap.ravel().astype(np.float64)) / np.bincount(number.ravel())
    turns = np.empty(len(heat), np.int64)
    turns[np.argsort(-heat, kind="stable")] = np.arange(len(heat))
    return turns


def random_orders(patches: int, orders: int = ORDERS, seed: int = 0) -> NDArray[np.int64]:
    """`(orders, patches)`: each row gives every patch its turn at random."""
    dice = np.random.default_rng(seed)
    return np.stack([dice.permutation(patches) for _ in range(orders)])


def curve(
    predict: Predictor,
    face: NDArray[np.uint8],
    turns: NDArray[np.int64],
    place: int,
    *,
    insert: bool = False,
    blur: float | None = BLUR,
) -> NDArray[np.float64]:
    """`(S + 1,)`: the probability of class `place` as patches of the face give way to the blurred face, by `turns`.

    `insert` goes the other way, from the blurred face to the face. `blur` None takes the face's mean instead.
    """
    gone = without(face, blur)
    turn = turns[_patches(face.shape[:2])]  # (H, W)
    counts = np.round(shares(turns.size) * turns.size)
    taken = turn < counts[:, None, None]  # (S + 1, H, W)
    if face.ndim == 3:
        taken = taken[..., None]
    seen = np.where(taken != insert, gone, face)
    return np.asarray(predict(np.ascontiguousarray(channels_first(seen))), np.float64)[:, place]


def without(face: NDArray[np.uint8], blur: float | None = BLUR) -> NDArray[np.uint8]:
    """The face without its expression: blurred (sigma in pixels of a face of 48), or with None its mean everywhere."""
    if blur is None:
        return np.broadcast_to(face.mean((0, 1)).round().astype(np.uint8), face.shape)
    return np.asarray(Image.fromarray(face).filter(ImageFilter.GaussianBlur(blur * scale(face.shape))), np.uint8)


def scale(shape: Sequence[int]) -> float:
    """How many times as large a face of that shape, `(H, W, ...)`, is as one of SIDE.

    >>> scale((96, 96))
    2.0
    """
    return max(shape[:2]) / SIDE


def shares(patches: int) -> NDArray[np.float64]:
    """The share of the patches gone after each step, whole patches only."""
    counts = np.linspace(0, patches, min(STEPS, patches) + 1).round()
    return np.asarray(counts / patches, np.float64)


def area(taken: NDArray[np.float64], curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """The area under curves `(..., S + 1)` by trapezes: `(...)`."""
    return np.asarray(np.trapezoid(curves, taken), np.float64)


def _patches(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """`(H, W)`: the number of the patch that each pixel lies in."""
    pixels = max(1, round(PATCH * scale(shape)))
    down, across = (np.arange(side) // pixels for side in shape)
    return np.asarray(down[:, None] * (across[-1] + 1) + across, np.int64)


def _rounded(numbers: NDArray[np.floating]) -> Any:
    return np.round(numbers.astype(np.float64), 4).tolist()

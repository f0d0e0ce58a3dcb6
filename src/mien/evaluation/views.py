"""Test-time views: the same face a few times, a little moved, always in the same way. numpy only.

A network's answers for the views are averaged. That costs as many passes as there are views, so a figure with views
stands beside how many they are.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError


class View(NamedTuple):
    """`scale` times as large, moved down by `down` of its height, then `mirror`: left and right swapped."""

    scale: float = 1.0
    down: float = 0.0
    mirror: bool = False


_PLACES = ((1.0, 0.0), (1.08, 0.0), (0.94, 0.0), (1.0, 0.04), (1.0, -0.04))

VIEWS = {
    1: (View(),),
    2: (View(), View(mirror=True)),
    10: tuple(View(scale, down, mirror) for scale, down in _PLACES for mirror in (False, True)),
}
"""How many views there are to choose from, and which they are."""


def views_of(count: int) -> tuple[View, ...]:
    """The `count` views. Raises DataError when there is no such choice."""
    if count not in VIEWS:
        raise DataError(f"There is no evaluation with {count} views; there is {', '.join(map(str, VIEWS))}.")
    return VIEWS[count]


def seen(pixels: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """Faces `(B, C, H, W)` uint8 in that view, by bilinear interpolation; pixels beyond the edge repeat the edge.

    >>> face = np.arange(4, dtype=np.uint8).reshape(1, 1, 2, 2)
    >>> seen(face, View(mirror=True)).tolist()
    [[[[1, 0], [3, 2]]]]
    """
    if (view.scale, view.down) != (1.0, 0.0):
        height, width = pixels.shape[2:]
        rows, columns = _resampling(height, view.scale, view.down), _resampling(width, view.scale, 0.0)
        pixels = np.rint(rows @ pixels.astype(np.float32) @ columns.T).astype(np.uint8)
    return np.ascontiguousarray(pixels[..., ::-1]) if view.mirror else pixels


def _resampling(size: int, scale: float, shift: float) -> NDArray[np.float32]:
    """`(size, size)`: the weight of each old row in each new one."""
    middle = (size - 1) / 2
    source = np.clip((np.arange(size) - middle) / scale + middle - shift * size, 0, size - 1)
    weights: NDArray[np.float32] = np.maximum(0, 1 - np.abs(source[:, None] - np.arange(size))).astype(np.float32)
    return weights

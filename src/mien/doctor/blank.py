"""Pictures with nothing on them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.doctor.pool import Pool, gray

FAINT = 3.0
"""Standard deviation in gray values, of 0..255: below it a picture shows hardly anything."""


@dataclass(frozen=True, eq=False)
class Looks:
    """`constant` `(N,)`: every pixel the same; `faint` `(N,)`: not constant, but a standard deviation below FAINT."""

    constant: NDArray[np.bool_]
    faint: NDArray[np.bool_]


def looks(pool: Pool) -> Looks:
    """Look at every picture once, in pieces."""
    constant, faint = np.zeros(len(pool), np.bool_), np.zeros(len(pool), np.bool_)
    for start, images in pool.pieces(1024):
        here = slice(start, start + len(images))
        flat = images.reshape(len(images), pool.shape[0] * pool.shape[1], -1)  # (n, pixels, channels)
        constant[here] = (flat.min(1) == flat.max(1)).all(1)
        faint[here] = (gray(images).std((1, 2)) < FAINT) & ~constant[here]
    return Looks(constant, faint)

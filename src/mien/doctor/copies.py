"""Identical pictures, pixel for pixel."""

from itertools import chain

import numpy as np

from mien.data.copies import digests
from mien.doctor.groups import Groups
from mien.doctor.pool import Pool


def identical(pool: Pool) -> Groups:
    """The groups of faces whose pixels are the same, whatever their splits and labels. Keeps 16 bytes of each face."""
    sums = np.frombuffer(b"".join(chain.from_iterable(digests(part) for part in pool)), np.dtype("S16"))
    sums = sums.view([("", np.uint64), ("", np.uint64)])  # S16 would drop zero bytes at the end
    _, first, group = np.unique(sums, return_index=True, return_inverse=True)
    return Groups(first[group])

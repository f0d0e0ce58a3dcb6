"""Memory-mapped arrays that are larger than memory: letting go of the pages that were looked at."""

import mmap
from typing import Any

from numpy.typing import NDArray


def mapped(array: NDArray[Any]) -> bool:
    """Whether this array's numbers lie in a file rather than in memory.

    >>> import numpy as np
    >>> mapped(np.zeros(3))
    False
    """
    return getattr(array, "_mmap", None) is not None


def let_go(array: NDArray[Any]) -> None:
    """Give back the memory that reading a mapped array took; it stays on disk. Of other arrays, and where the system
    can't, nothing.

    The system would do it by itself when it runs short; by then it has thrown out what other programs need.
    """
    file = getattr(array, "_mmap", None)
    if file is not None and hasattr(mmap, "MADV_DONTNEED"):
        file.madvise(mmap.MADV_DONTNEED)

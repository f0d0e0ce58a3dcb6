"""Memory-mapped arrays: letting go of the pages that were read, and passing them to another process."""

import mmap
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.typing import NDArray

from mien.errors import DataError


def mapped(array: NDArray[Any]) -> bool:
    """Whether this array lies in a file rather than in memory.

    >>> mapped(np.zeros(3))
    False
    """
    return getattr(array, "_mmap", None) is not None


def let_go(array: NDArray[Any]) -> None:
    """Give back the memory that reading a mapped array took; it stays on disk. Does nothing for other arrays, nor where
    the system has no `madvise`.

    The system would free these pages itself once it runs short, but only after evicting what other programs need.
    """
    file = getattr(array, "_mmap", None)
    changes = isinstance(array, np.memmap) and array.mode == "c"  # copy-on-write: in memory only, and would be lost
    if file is not None and not changes and hasattr(mmap, "MADV_DONTNEED"):
        file.madvise(mmap.MADV_DONTNEED)


class Stretch(NamedTuple):
    """Where a mapped array lies in its file: what another process needs to map it, too."""

    file: str
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def mapped(self) -> NDArray[Any]:
        """That array, mapped again, read-only. Raises DataError when the file is gone or was cut off."""
        try:
            return np.memmap(self.file, self.dtype, "r", self.offset, self.shape)
        except (OSError, ValueError) as error:
            raise DataError(f"{self.file}: the faces in it can't be mapped into this process ({error}).") from None


def stretch_of(array: NDArray[Any]) -> Stretch | None:
    """The stretch of its file that an array maps; None for one that is in memory, that may be written to, or that isn't
    contiguous."""
    file = getattr(array, "_mmap", None)
    if not isinstance(array, np.memmap) or file is None or array.mode != "r" or array.filename is None:
        return None
    if not array.flags.c_contiguous:
        return None
    begin = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY  # the map's; a slice has its parent's offset
    inside = byte_bounds(array)[0] - byte_bounds(np.frombuffer(file, np.uint8))[0]
    return Stretch(str(array.filename), begin + inside, array.shape, array.dtype)

"""Arrays in a `.npz` file: written in one step, never unpickled."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError
from mien.files import replacing

MOST = 1 << 30
"""Bytes that a file may unpack to; or `TIMES` its size, where that is more."""
TIMES = 100


def save_arrays(path: str | os.PathLike[str], arrays: dict[str, NDArray[Any]]) -> None:
    """Write arrays to `path` as `.npz`, in one step. Not compressed: faces hardly shrink, and this loads at once."""
    with replacing(path) as beside, beside.open("wb") as file:  # given a name, numpy would append .npz
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load_arrays(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Read every array of a `.npz` file; never unpickles. Raises DataError when that can't be done."""
    try:
        # Opened here, because numpy leaves a file that is no zip open.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as held:
            size, packed = sum(member.file_size for member in held.zip.infolist()), os.fstat(file.fileno()).st_size
            if size > max(MOST, TIMES * packed):
                raise ValueError(f"it has {packed:,} bytes, and {size:,} once it is unpacked: more than faces would")
            arrays = {name: held[name] for name in held.files}
    except FileNotFoundError:
        raise DataError(f"{path}: no such file.") from None
    except Exception as error:  # on damaged bytes numpy and zipfile raise nearly every kind there is
        raise DataError(f"{path}: not a readable .npz file of faces ({error}).") from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # numpy gives a member of the zip that is no array as bytes
            raise DataError(f"{path}: not a readable .npz file of faces ({name} is no array).")
    return arrays

"""Pictures -> the files that are sent for them, and as many together as a request may have."""

import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mien.errors import MediaError

TOGETHER, TOGETHER_BYTES = 16, 32 << 20
"""So much goes into one request of `predict_many`: pictures, and bytes of them."""


def as_file(picture: Any) -> tuple[str, bytes]:
    """A picture's name and the bytes that are sent for it; an array goes as PNG, which loses nothing."""
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return "bytes", bytes(picture)
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or not picture.size or picture.shape[2:] not in ((), (3,)) or picture.ndim < 2:
            raise MediaError(
                "A picture as an array is uint8, (H, W) gray or (H, W, 3) RGB; "
                f"found {picture.dtype} of shape {picture.shape}."
            )
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "PNG", compress_level=1)
        return "array", buffer.getvalue()
    try:
        return str(picture), Path(os.fspath(picture)).read_bytes()
    except OSError as error:
        raise MediaError(f"{picture}: can't be read ({error.strerror}).") from None


def together(pictures: Iterable[Any]) -> Iterator[list[tuple[str, bytes]]]:
    """The pictures' files in groups that a request may have."""
    files: list[tuple[str, bytes]] = []
    for picture in pictures:
        file = as_file(picture)
        if files and (len(files) == TOGETHER or sum(len(data) for _, data in files) + len(file[1]) > TOGETHER_BYTES):
            yield files
            files = []
        files.append(file)
    if files:
        yield files

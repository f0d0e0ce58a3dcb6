"""Pictures -> the files that are sent for them, in groups that fit a request."""

import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mien import images
from mien.errors import MediaError

TOGETHER, TOGETHER_BYTES = 16, 32 << 20
"""The most in one request of `predict_many`: pictures, and their bytes together."""


@dataclass(frozen=True)
class File:
    """A picture to send: its bytes, or why there are none. The name isn't sent."""

    name: str
    data: bytes = field(default=b"", repr=False)
    error: str = ""


def as_file(picture: Any) -> File:
    """A picture's name, and the bytes that are sent for it; an array becomes a PNG, which loses nothing.

    Raises:
        MediaError: it can't be read, or is no picture.
    """
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return File("bytes", bytes(picture))
    if isinstance(picture, np.ndarray):
        images.check_array(picture)
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "PNG", compress_level=1)
        return File("array", buffer.getvalue())
    if not isinstance(picture, (str, os.PathLike)):
        raise images.no_picture(picture)
    try:
        return File(str(picture), Path(os.fspath(picture)).read_bytes())
    except OSError as error:
        raise MediaError(f"{picture}: can't be read ({error.strerror}).") from None
    except ValueError as error:  # a name with a zero byte
        raise MediaError(f"{picture!r}: can't be read ({error}).") from None


def together(pictures: Iterable[Any]) -> Iterator[list[File]]:
    """The pictures' files in groups of at most TOGETHER and TOGETHER_BYTES."""
    files: list[File] = []
    for picture in pictures:
        file = _as_file_or_error(picture)
        if files and (len(files) == TOGETHER or sum(len(one.data) for one in [*files, file]) > TOGETHER_BYTES):
            yield files
            files = []
        files.append(file)
    if files:
        yield files


def _as_file_or_error(picture: Any) -> File:
    try:
        return as_file(picture)
    except MediaError as error:
        named = isinstance(picture, (str, os.PathLike))
        return File(str(picture) if named else "array" if isinstance(picture, np.ndarray) else "", error=str(error))

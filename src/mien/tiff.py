"""A TIFF file's directory: the size of the tiles it is stored in, and whether it is a raw photo. Source: TIFF 6.0."""

import struct

from mien.errors import MediaError

MOST_ENTRIES = 4096
"""libtiff reads no directory with more."""

SUBFILE, TILE_WIDTH, TILE_LENGTH, DNG_VERSION = 254, 322, 323, 50706
_WHOLE = {3: "H", 4: "I", 16: "Q"}
"""Types that are whole numbers; the last is BigTIFF's alone, where a value has eight bytes."""


def tile(data: bytes, offset: int) -> tuple[int, int]:
    """The width and the height in pixels of the tiles that the picture of the directory at `offset` is stored in, or
    (0, 0). A decoder holds a whole tile, however small the picture is.

    Raises:
        MediaError: they aren't whole numbers. struct.error: no directory there.
    """
    sizes = {TILE_WIDTH: 0, TILE_LENGTH: 0}
    for tag, kind, count, value in _entries(data, offset):
        if tag in sizes:
            number = _number(data, kind, value)
            if number is None or count != 1:
                raise MediaError("a damaged image (the size of its tiles isn't a whole number).")
            sizes[tag] = max(sizes[tag], number)  # where a tag is there twice, decoders take different ones
    return sizes[TILE_WIDTH], sizes[TILE_LENGTH]


def is_raw(data: bytes, offset: int) -> bool:
    """Whether the picture of the directory at `offset` is the thumbnail of a larger one, as in cameras' raw photos."""
    return any(
        tag == DNG_VERSION or (tag == SUBFILE and (_number(data, kind, value) or 0) & 1)
        for tag, kind, _, value in _entries(data, offset)
    )


def _order(data: bytes) -> str:
    return "<" if data[:1] == b"I" else ">"


def _entries(data: bytes, offset: int) -> list[tuple[int, int, int, bytes]]:
    """(tag, type, count, value or its offset) of each entry."""
    large = 43 in data[2:4]  # BigTIFF, with 64 bits where there were 16 and 32
    number, entry = (struct.Struct(_order(data) + form) for form in (("Q", "HHQ8s") if large else ("H", "HHI4s")))
    (count,) = number.unpack_from(data, offset)
    start = offset + number.size
    whole = min(count, MOST_ENTRIES, (len(data) - start) // entry.size)
    return list(entry.iter_unpack(data[start : start + whole * entry.size]))


def _number(data: bytes, kind: int, value: bytes) -> int | None:
    """The whole number in a value; None where it is of another type, or stored elsewhere."""
    form = struct.Struct(_order(data) + _WHOLE.get(kind, "0s"))
    return int(form.unpack_from(value)[0]) if kind in _WHOLE and form.size <= len(value) else None

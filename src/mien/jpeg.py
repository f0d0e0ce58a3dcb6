"""Counting a JPEG file's scans. Each takes a pass over the whole picture and can be as short as 33 bytes, so that 16 MB
of them would keep a processor busy for hours. Source: ITU-T T.81, annex B."""

import re

from mien.errors import MediaError

MAGIC = b"\xff\xd8\xff"
SCANS, SEGMENTS = 100, 10_000
"""The most in one picture. Cameras and encoders write a dozen scans at most, and a few hundred segments."""

_END, _SCAN = 0xD9, 0xDA
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
"""The marker of a segment or of the end; not a stuffed byte (00) or a restart (D0 to D7) within a scan's data."""


def check_scans(data: bytes) -> None:
    """Go through a JPEG file's segments to the end of its picture, without decoding it.

    What a segment holds (a thumbnail) doesn't count, nor what follows the picture (a film, a map of depths).

    Raises:
        MediaError: more than `SCANS` or `SEGMENTS`.
    """
    count, at = 0, 2
    for _ in range(SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None or data[found.end() - 1] == _END:
            return
        count += data[found.end() - 1] == _SCAN
        if count > SCANS:
            break
        at = found.end() + max(2, int.from_bytes(data[found.end() : found.end() + 2]))
    raise MediaError(f"a JPEG of more than {SCANS} scans or {SEGMENTS:,} segments. Open it and save it anew.")

"""Whether a video's file is as long as it says, or was cut off."""

import os
from pathlib import Path
from typing import BinaryIO

from mien.recognition.kinds import EBML


def is_cut_off(path: str | os.PathLike[str]) -> bool:
    """Whether a video's file is shorter than it says; False for kinds that don't say their length.

    .mp4 and .mov say it for each box, .webm and .mkv for their one segment, .avi for each RIFF chunk.
    """
    with open(path, "rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(12)
        if head.startswith(EBML):
            return _segment_end(file) > length
        riff, at = head.startswith(b"RIFF"), 0
        while at + 8 <= length:
            file.seek(at)
            head = file.read(16)
            if riff and head[:4] != b"RIFF":
                return False
            size = 8 + int.from_bytes(head[4:8], "little") if riff else int.from_bytes(head[:4], "big")
            if size == 1 and not riff:  # then it is in the next 8 bytes
                size = int.from_bytes(head[8:16], "big")
            if at + size > length:
                return riff or head[4:8] in (b"mdat", b"moov", b"moof")  # else it isn't video, or not a box at all
            if size < 8:  # 0: to the end of the file
                return False
            at += size
        return False


def is_finished(path: Path) -> bool:
    """Whether a .webm file that was written here says its length, the last thing that FFmpeg writes, and has it."""
    with open(path, "rb") as file:
        return _segment_end(file) == file.seek(0, os.SEEK_END)


def _segment_end(file: BinaryIO) -> int:
    """Where a Matroska file's segment ends; 0 where it doesn't say, as in what browsers record."""
    file.seek(4)
    file.seek(_vint(file), os.SEEK_CUR)  # over the header's content
    if file.read(4) != b"\x18S\x80g":
        return 0
    size = _vint(file)
    return file.tell() + size if size else 0


def _vint(file: BinaryIO) -> int:
    """A number of EBML's, RFC 8794 §4; 0 for "unknown", which is all ones."""
    first = file.read(1)
    if not first or not first[0]:
        return 0
    more = 8 - first[0].bit_length()
    bits = 7 * (more + 1)
    number = int.from_bytes(first + file.read(more), "big") & ((1 << bits) - 1)
    return 0 if number == (1 << bits) - 1 else number

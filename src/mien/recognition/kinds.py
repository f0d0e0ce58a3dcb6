"""What a file is, by its bytes: photo or video, drawn by mien or not, complete or cut off."""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO, Literal

from PIL import Image

from mien import images
from mien.style import SIGNED

HEAD = 400
"""Bytes from a file's start that tell its kind: MPEG-TS takes three packets, the others 16 bytes or 36."""

_IMAGES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"II*\x00", b"MM\x00*")
_SEVERAL = (b"GIF8", b"\x89PNG", b"RIFF", b"II*\x00", b"MM\x00*")
_EBML = b"\x1aE\xdf\xa3"
_VIDEOS = (_EBML, b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3", b"FLV", b"OggS", b"0&\xb2u")
_MP4 = (b"ftyp", b"moov", b"mdat", b"wide")
_PACKETS = ((0, 188), (4, 192))
"""MPEG-TS: the offset of the first packet, which begins with the letter G, and the length of a packet."""
_SOUND = (b"OpusHead", b"\x01vorbis", b"\x7fFLAC", b"Speex   ")
"""How the first stream of an Ogg file begins if it is sound."""
_STILLS = images.HEIF | {b"avif", b"avis"}
"""Brands in the `ftyp` box of HEIC and AVIF photos, which are otherwise built like MP4 videos."""


def kind_of(head: bytes) -> Literal["image", "video", ""]:
    """What a file is by its first HEAD bytes; "" for anything else, sound included.

    >>> kind_of(b"RIFF....AVI LIST"), kind_of(b"hello"), kind_of(b"BMW, Munich, 1916")
    ('video', '', '')
    """
    if head.startswith(_IMAGES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return "image"
    if head[:2] == b"BM" and head[6:10] == bytes(4):  # reserved bytes: a text may begin with these letters, too
        return "image"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():  # the PPM family
        return "image"
    if head[4:8] == b"ftyp" and head[8:12] in _STILLS:
        return "image"
    if head[4:12] in (b"ftypM4A ", b"ftypM4B ") or (head[:4] == b"OggS" and head[28:].startswith(_SOUND)):
        return ""
    if head.startswith(_VIDEOS) or head[4:8] in _MP4 or head[:4] + head[8:12] == b"RIFFAVI ":
        return "video"
    if any(head[at::step][:3] == b"GGG" for at, step in _PACKETS):
        return "video"
    return ""


def is_animated(path: Path) -> bool:
    """Whether a GIF, PNG, WebP or AVIF that can be read has more than one picture, or a TIFF more than one page."""
    if not path.is_file() or kind_of(head := head_of(path)) != "image":
        return False
    if head[:4] not in _SEVERAL and head[4:12] not in (b"ftypavif", b"ftypavis"):
        return False
    try:
        with Image.open(path, formats=("GIF", "PNG", "WEBP", "TIFF", "AVIF")) as image:
            return bool(getattr(image, "is_animated", False))
    except Exception:  # whatever is wrong after the first picture
        return False


def head_of(path: Path, size: int = HEAD) -> bytes:
    """A file's first bytes; none where it can't be read, which decoding it will say."""
    try:
        with open(path, "rb") as file:
            return file.read(size)
    except OSError:
        return b""


def for_ffmpeg(path: str | os.PathLike[str]) -> str:
    """A video's path in a form that FFmpeg takes for nothing else: what stands before a colon is no protocol then. It
    stays relative, as the name of a folder above may be no text.

    >>> for_ffmpeg("12:30.mp4").replace(os.sep, "/"), for_ffmpeg("/films/a.mp4")
    ('./12:30.mp4', '/films/a.mp4')
    """
    return os.path.join(".", path)


def signed_for(source: str) -> str:
    """The signature of a drawing of this source. It names the source by a hash: drawings are given away, and needn't
    tell how somebody's folders are called."""
    mark = hashlib.blake2s(os.fsencode(os.path.abspath(source)), digest_size=8).hexdigest()
    return f"{mark} {SIGNED}"


def sign_video(path: Path, signature: str = SIGNED) -> None:
    """Sign the end of a .webm or .mp4 file as drawn by mien, in an element that players skip."""
    word = signature.encode()
    void = b"\xec" + bytes([0x80 | len(word)])  # EBML's, RFC 8794 §11.3.2
    free = (8 + len(word)).to_bytes(4, "big") + b"free"  # a box of ISO/IEC 14496-12
    with path.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write((void if path.suffix.lower() == ".webm" else free) + word)


def is_signed(path: Path, word: str = SIGNED) -> bool:
    """Whether mien drew this picture or video; with a `signed_for` as the word, whether it drew it of that source."""
    try:
        with path.open("rb") as file:
            if word.encode() in file.read(256):
                return True
            file.seek(-len(word), os.SEEK_END)
            return file.read() == word.encode()
    except OSError:  # also if it is shorter than the word
        return False


def is_cut_off(path: str | os.PathLike[str]) -> bool:
    """Whether a video's file is shorter than it says; False for kinds that don't say their length.

    .mp4 and .mov say it for each box, .webm and .mkv for their one segment, .avi for each RIFF chunk.
    """
    with open(path, "rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(12)
        if head.startswith(_EBML):
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

"""What a file is, by its first bytes: a photo or a video."""

import os
from pathlib import Path
from typing import Literal

from PIL import Image

from mien import images

HEAD = 400
"""Bytes from a file's start that tell its kind: MPEG-TS takes three packets, the others 16 bytes or 36."""

_IMAGES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"II*\x00", b"MM\x00*")
_SEVERAL = (b"GIF8", b"\x89PNG", b"RIFF", b"II*\x00", b"MM\x00*")
EBML = b"\x1aE\xdf\xa3"
"""How .webm and .mkv files begin."""
_VIDEOS = (EBML, b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3", b"FLV", b"OggS", b"0&\xb2u")
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

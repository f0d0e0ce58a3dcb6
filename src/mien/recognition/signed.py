"""The signature of what mien draws, by which it knows its own pictures and videos."""

import hashlib
import os
from pathlib import Path

from mien.style import SIGNED


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

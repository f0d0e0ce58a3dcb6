"""Fonts for captions: Pillow's own, and the system's for letters that it lacks."""

from collections.abc import Iterable
from functools import cache
from typing import cast

from PIL import ImageFont

from mien.names import printable
from mien.style import FONTS

NOBODYS = "\U0010ffff"
"""A character in no font, so that it is drawn as missing ones are: mostly as a box."""


def font_for(label: str, size: int) -> ImageFont.FreeTypeFont:
    """A font of `size` pixels for a `printable` label: Pillow's own, or one of the system's that has its letters."""
    file = None if label.isascii() else _file(label)
    return ImageFont.truetype(file, size) if file else _own(size)


def missing(labels: Iterable[str]) -> list[str]:
    """The labels with letters that no font here has, which are drawn as boxes."""
    return [label for label in labels if _file(printable(label)) is None]


@cache
def _file(label: str) -> str | None:
    """The file of the first font that has all its letters; "" for Pillow's own, which has no file."""
    if _has(_own(20), label):
        return ""
    for name in dict.fromkeys(FONTS.values()):
        try:
            font = ImageFont.truetype(name, 20)
        except OSError:
            continue  # it isn't here
        if _has(font, label):
            return str(font.path)
    return None


def _has(font: ImageFont.FreeTypeFont, label: str) -> bool:
    nobodys = bytes(font.getmask(NOBODYS))
    return all(bytes(font.getmask(letter)) != nobodys for letter in label)


def _own(size: int) -> ImageFont.FreeTypeFont:
    return cast("ImageFont.FreeTypeFont", ImageFont.load_default(size))  # as it always is where a size is given

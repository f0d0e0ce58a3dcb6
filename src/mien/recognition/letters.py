"""Fonts for captions: Pillow's own, and the system's for letters that it hasn't."""

from collections.abc import Iterable
from functools import cache
from typing import cast

from PIL import ImageFont

from mien.names import printable
from mien.style import FONTS

NOBODYS = "\U0010ffff"
"""No font has it, so it is drawn as whatever a font hasn't: mostly as a box."""


def font_for(label: str, size: int) -> ImageFont.FreeTypeFont:
    """A font of so many pixels for a `printable` label: Pillow's own, or one of the system's that has its letters, if
    there is one."""
    file = None if label.isascii() else _file(label)
    return ImageFont.truetype(file, size) if file else _own(size)


def missing(labels: Iterable[str]) -> list[str]:
    """Of these labels those with letters that no font here has: they are drawn as boxes."""
    return [label for label in labels if _file(printable(label)) is None]


@cache
def _file(label: str) -> str | None:
    """Of the first font that has all letters; "" is Pillow's own, which is in no file."""
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

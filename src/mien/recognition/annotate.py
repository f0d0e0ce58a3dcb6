"""What was found, drawn into the picture: boxes and captions; and pictures written to files."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mien.files import atomic_write
from mien.labels import colours
from mien.names import printable
from mien.recognition.letters import font_for
from mien.recognition.records import Face, Reading

LEGIBLE = 200
"""Pixels of the longer side: a smaller picture is enlarged, by a whole number, so that its captions can be read."""


def annotate(pixels: NDArray[np.uint8], reading: Reading) -> Image.Image:
    """A copy of a frame, uint8 `(H, W, 3)` RGB, with a box and a caption for each face; "?" marks uncertain ones.

    A picture of less than LEGIBLE pixels comes back enlarged, by a whole number.
    """
    picture = Image.fromarray(pixels)
    times = -(-LEGIBLE // max(picture.size))
    if times > 1:
        picture = picture.resize((times * picture.width, times * picture.height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for face in reversed(reading.faces):  # the largest last, on top
        x, y, width, height = face.box or (0, 0, *pixels.shape[1::-1])
        box = (times * x, times * y, times * width, times * height)
        _draw(draw, face, box, picture.size)
    return picture


def _draw(draw: ImageDraw.ImageDraw, face: Face, box: tuple[float, float, float, float], size: tuple[int, int]) -> None:
    classes = list(face.probabilities)
    ink = colours(classes)[classes.index(face.label)]
    x, y, width, height = box
    line = max(1, min(round(min(size) / 250), round(height / 60)))
    text = max(11, min(round(height / 7), round(min(size) / 18)))
    draw.rectangle((x, y, x + width, y + height), outline=ink, width=line if face.uncertain else 2 * line)
    number = f"{face.id}: " if face.id is not None else ""
    label, share = printable(face.label), f"{'?' if face.uncertain else ''} {face.confidence:.0%}"
    parts = [(words, font_for(words, text)) for words in (number, label, share)]
    ascent, wide, high = max(font.getmetrics()[0] for _, font in parts), 0.0, 0.0
    for words, font in parts:
        _, _, _, bottom = draw.textbbox((wide, ascent), words, font=font, anchor="ls")
        wide, high = wide + font.getlength(words), max(high, bottom)
    pad = max(2, text // 5)
    left = min(max(0, x), max(0, size[0] - wide - 2 * pad))
    tall = high + 2 * pad
    fits = y >= tall or y + height + tall <= size[1]
    top = (y - tall if y >= tall else y + height) if fits else 0  # inside the box the bars are at the bottom
    draw.rectangle((left, top, left + wide + 2 * pad, top + tall), fill=ink)
    at = left + pad
    for words, font in parts:
        draw.text((at, top + pad + ascent), words, fill=_readable(ink), font=font, anchor="ls")
        at += font.getlength(words)
    _bars(draw, face, classes, (x, y, width, height), text)


def _bars(
    draw: ImageDraw.ImageDraw, face: Face, classes: list[str], box: tuple[float, float, float, float], text: int
) -> None:
    """A small bar for each class along the bottom of the box, where there is room."""
    x, y, width, height = box
    if height < 8 * text or width < 6 * len(classes):
        return
    step, tall = width / len(classes), height / 6
    for place, (name, shade) in enumerate(zip(classes, colours(classes), strict=True)):
        left, bottom = x + place * step, y + height
        high = tall * face.probabilities[name]
        draw.rectangle((left + 1, bottom - high - 1, left + step - 1, bottom), fill=shade)


def _readable(ink: str) -> str:
    """Black or white, whichever is easier to read on a colour (WCAG's contrast)."""
    parts = (int(ink[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return "black" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else "white"


def save_picture(picture: Image.Image, path: Path, signature: str) -> None:
    """Write an RGB picture to a .jpg file, signed, in one step."""
    whole = io.BytesIO()  # on a full disk Pillow leaves half a file, and doesn't say so
    picture.save(whole, "JPEG", quality=92, comment=signature)
    atomic_write(path, whole.getvalue())

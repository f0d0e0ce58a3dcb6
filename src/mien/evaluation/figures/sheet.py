"""What every figure is drawn on. The only files of the training side with matplotlib in them are in this folder."""

import io
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.errors import MissingExtra
from mien.style import SERIES, look

try:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError:
    raise MissingExtra("matplotlib", "figures", "Drawing figures") from None

Kind = Literal["png", "svg"]

TRAIN, VAL, WRONG = SERIES[0], SERIES[1], "#B03A00"


class Sheet:
    """A figure under way, and its bytes when it is done."""

    def __init__(self, width: float, height: float) -> None:
        self.figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
        self.content = b""

    def axes(self, rows: int = 1, columns: int = 1, **options: Any) -> list[Axes]:
        grid = self.figure.subplots(rows, columns, squeeze=False, **options)
        return list(grid.ravel())


@contextmanager
def sheet_of(width: float, height: float, kind: Kind) -> Iterator[Sheet]:
    """A sheet of so many inches, whose `content` is there once the block is left."""
    with look():
        sheet = Sheet(width, height)
        yield sheet
        buffer = io.BytesIO()
        undated = {"Date": None} if kind == "svg" else {"Software": None}
        sheet.figure.savefig(buffer, format=kind, dpi=150, metadata=undated)
        sheet.content = buffer.getvalue()


def shortened(name: str, most: int = 18) -> str:
    """A name that fits: of a longer one the beginning and "…". Wide characters, as those of Chinese, count twice.

    >>> shortened("surprise"), shortened("a very long name of a class")
    ('surprise', 'a very long name …')
    """
    name = name.encode(errors="replace").decode()  # a run's folder may be called what is no text; matplotlib refuses it
    if width(name) <= most:
        return name
    while width(name) > most - 1:
        name = name[:-1]
    return f"{name}…"


def width(name: str) -> int:
    """How many columns a name takes."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in name)


def show(axes: Axes, image: NDArray[np.uint8]) -> None:
    """An image `(H, W)` or `(H, W, 3)`, uint8, each pixel as it is."""
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")


def clear(cells: Sequence[Axes]) -> None:
    """Remove ticks and frames, which pictures don't need; a cell without a picture is then blank."""
    for axes in cells:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)

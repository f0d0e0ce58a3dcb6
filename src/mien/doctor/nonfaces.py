"""Crops in which the detector finds no face."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.doctor.pool import Pool
from mien.recognition.ahead import side_by_side
from mien.recognition.detect import SIDE, Detector
from mien.session import workers

NO_FACE = 0.3
"""Below this score of the detector, 0..1, a crop counts as no face. Chosen by FER+'s votes (docs/doctor.md)."""

GRIDS = (4, 3)
"""Each crop is looked at on sheets of 4 × 4 and 3 × 3: a face that is missed in one size is often found in another."""

DOUBTFUL, TURNS = 0.5, (-60, -30, 30, 60)
"""Crops with a lower score are looked at again, turned by so many degrees: many are faces lying on their side."""

MARGIN = 0.25
"""Around each crop on the sheet, as a share of its side: the detector knows faces with something around them."""


def faceness(pool: Pool, tick: Callable[[float], None] | None = None) -> NDArray[np.float32]:
    """`(N,)` float32, 0..1: how sure the detector is, at best, that each picture shows a face.

    Crops of faces are small and cut close, and the detector looks at 640 × 640 pixels: so many crops share one look.

    Args:
        tick: called with the share that is done.
    """
    detector, threads = Detector(threads=1, certain=0.01), workers()
    found: list[NDArray[np.float32]] = []
    done = 0
    pieces = pool.pieces(144)  # fills both kinds of sheets
    for best in side_by_side(partial(_best, detector), pieces, threads, lambda _: threads + 1):
        found.append(best)
        done += len(best)
        if tick:
            tick(done / len(pool))
    return np.concatenate(found)


def _best(detector: Detector, piece: tuple[int, NDArray[np.uint8]]) -> NDArray[np.float32]:
    _, images = piece
    best: NDArray[np.float32] = np.maximum.reduce([_on_sheets(detector, images, grid) for grid in GRIDS])
    doubtful = best < DOUBTFUL
    for turn in TURNS if doubtful.any() else ():
        turned = _on_sheets(detector, _turned(images[doubtful], turn), GRIDS[0])
        best[doubtful] = np.maximum(best[doubtful], turned)
    return best


def _on_sheets(detector: Detector, images: NDArray[np.uint8], grid: int) -> NDArray[np.float32]:
    cell = SIDE // grid
    found = np.zeros(len(images), np.float32)
    for start in range(0, len(images), grid * grid):
        sheet = Image.new("RGB", (SIDE, SIDE))
        for place, image in enumerate(images[start : start + grid * grid]):
            sheet.paste(_framed(image, cell), (place % grid * cell, place // grid * cell))
        score, x, y, width, height = detector.candidates(np.asarray(sheet)).T
        column, row = ((x + width / 2) // cell).astype(int), ((y + height / 2) // cell).astype(int)
        place = start + row * grid + column
        here = (column >= 0) & (column < grid) & (row >= 0) & (place < len(found))
        np.maximum.at(found, place[here], score[here])
    return found


def _turned(images: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    return np.stack(
        [
            np.asarray(Image.fromarray(image).rotate(degrees, Image.Resampling.BICUBIC, fillcolor=_mean(image)))
            for image in images
        ]
    )


def _mean(image: NDArray[np.uint8]) -> Any:
    """The mean colour as Pillow has it: a number, or three."""
    means = [int(value) for value in image.reshape(image.shape[0] * image.shape[1], -1).mean(0)]
    return means[0] if image.ndim == 2 else tuple(means)


def _framed(image: NDArray[np.uint8], cell: int) -> Image.Image:
    """The picture, as large as fits with its margin, on a square of its mean colour."""
    scale = cell / (1 + 2 * MARGIN) / max(image.shape[:2])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    frame = Image.new("L" if image.ndim == 2 else "RGB", (cell, cell), _mean(image))
    frame.paste(
        Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC),
        ((cell - width) // 2, (cell - height) // 2),
    )
    return frame

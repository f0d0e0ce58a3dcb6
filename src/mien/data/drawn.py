"""Drawn faces: seven expressions from a seed, without a download. What everything here runs on by default.

How a face is drawn stands in `mien.data.drawing`; here it is photographed, labelled and put into splits.
"""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from mien.data.drawing.actions import actions
from mien.data.drawing.canvas import ONE, PIXEL, blurred, grain, warped
from mien.data.drawing.dice import Dice, Ints
from mien.data.drawing.portrait import portrait
from mien.data.drawing.sitter import px
from mien.data.faces import FaceSet
from mien.data.listing import Tick
from mien.data.origin import DataPath
from mien.data.splits import Splits
from mien.errors import DataError
from mien.labels import FER2013, SPLITS
from mien.session import workers

SIZE = 48
"""Side of a face, in pixels."""

_AT_ONCE = 64  # faces drawn together: few enough for the processor's cache, many enough for threads to keep apart
_THREADS = 4  # more would wait for Python's lock


def draw(n: int, seed: int = 0, *, first: int = 0, tick: Tick | None = None) -> FaceSet:
    """Draw n faces, 48×48 gray, labelled with FER2013's seven expressions; the same bytes on every machine.

    A face depends on the seed and on its own number only: `draw(10)` are the first ten of `draw(20)`, and
    `draw(10, first=10)` the other ten. Each run of seven numbers, from a multiple of seven on, holds every
    expression once.

    Args:
        n: how many.
        seed: any whole number, of which the last 64 bits count; another seed gives other people.
        first: the number of the first face, which `rows` then counts on from.
        tick: called with (faces drawn, all that are drawn) now and then.

    >>> faces = draw(14, seed=1)
    >>> faces.images.shape, faces.images.dtype, set(faces.counts.values())
    ((14, 48, 48), dtype('uint8'), {2})
    """
    images, targets = np.empty((n, SIZE, SIZE), np.uint8), np.empty(n, np.int64)

    def some(start: int) -> int:
        here = slice(start, min(start + _AT_ONCE, n))
        numbers = np.arange(first + here.start, first + here.stop, dtype=np.int64)
        targets[here] = labels = _labels(seed, numbers)
        dice = Dice(seed, numbers)
        images[here] = _photographed(portrait(dice, actions(dice, labels)), dice)
        return here.stop

    with ThreadPoolExecutor(min(workers(), _THREADS)) as pool:  # numpy's work, and so most of it, is done side by side
        for done in pool.map(some, range(0, n, _AT_ONCE)):
            if tick:
                tick(done, n)
    return FaceSet(images, targets, rows=first + np.arange(n), source=f"drawn faces, seed {seed}")


def drawn_faces(n: int = 6000, seed: int = 0, *, only: Collection[str] = SPLITS, tick: Tick | None = None) -> Splits:
    """n drawn faces in three splits: 70 % to train, 15 % each to validate and to test.

    Each split counts its faces from a number of its own, so no face is in two splits, and with a larger n every
    split begins with the same faces.

    Args:
        only: the splits that are drawn; the others come empty.
        tick: called with (faces drawn, all that are drawn) now and then.

    Raises:
        DataError: when n is negative.

    >>> splits = drawn_faces(100)
    >>> len(splits.train), len(splits.val), len(splits.test)
    (70, 15, 15)
    """
    if n < 0:
        raise DataError(f"Can't draw {n} faces: it must be 0 or more.")
    held = n * 15 // 100
    sizes = [size if name in only else 0 for name, size in zip(SPLITS, (n - 2 * held, held, held), strict=True)]

    def drawn(at: int) -> FaceSet:
        before = sum(sizes[:at])
        told = tick and (lambda done, _: tick(before + done, sum(sizes)))
        return draw(sizes[at], seed, first=at << 32, tick=told)

    train, val, test = map(drawn, range(3))
    for faces in (train, val, test):
        faces.rows = np.arange(len(faces))  # their place in their split: no one wants to read of row 4294967296
    origin = DataPath() if (n, seed) == (6000, 0) and {*only} >= {*SPLITS} else None
    return Splits(train, val, test, source=f"{n:,} drawn faces, seed {seed}", origin=origin)


def _labels(seed: int, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """A class for each face: every run of seven numbers holds all seven, in an order of its own."""
    runs = Dice(seed, numbers // 7)
    start, step = runs.between("first of seven", 0, 6)[:, 0, 0], runs.between("step of seven", 1, 6)[:, 0, 0]
    return (start + step * (numbers % 7)) % len(FER2013)


def _photographed(layer: Ints, dice: Dice) -> NDArray[np.uint8]:
    """(N, SIZE, SIZE): the portraits as a camera takes them: off centre, tilted, out of focus, too dark, with noise."""
    picture = warped(
        layer,
        SIZE,
        x=dice.near("shift across", px(350), px(450)),
        y=dice.near("shift down", px(380), px(460)),
        scale=PIXEL * 4 // 3 * ONE // dice.near("zoom", 270, 360),
        turn=dice.near("roll", -68, 68),
        mirror=2 * dice.chance("mirrored", 50) - 1,
    )
    picture = blurred(picture, dice.between("blur", 0, 80))
    picture = ((picture - 2048) * dice.between("contrast", 190, 350) >> 8) + 2048
    picture += dice.between("brightness", -500, 500)
    picture += grain(dice, SIZE) * (dice.between("noise", 4, 24) * dice.between("noisier", 4, 64) // 16) >> 7
    pixels: NDArray[np.uint8] = np.clip(picture >> 4, 0, 255).astype(np.uint8)
    return pixels

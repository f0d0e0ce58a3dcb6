"""Pixels written as text, `70 80 82 …`, to numbers: thousands of faces a second, in numpy alone."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.data.table import shown
from mien.errors import DataError

_SPACE, _ZERO = 32, 48


def parse_rows(texts: Sequence[bytes], count: int) -> NDArray[np.uint8] | None:
    """Read many rows of pixels at once.

    Every byte gets, in a few vector operations, the value of the number that would end there; the values at
    the last digits are then picked out. More than ten times as fast as a split per row.

    Args:
        texts: rows of numbers 0..255 with one space between them.
        count: how many numbers each row must have.

    Returns:
        `(len(texts), count)` uint8, or None when any row is written otherwise; `parse_row` then says what is wrong.

    >>> parse_rows([b"0 12 255", b"7 8 9"], 3).tolist()
    [[0, 12, 255], [7, 8, 9]]
    >>> parse_rows([b"0 12 256"], 3) is None
    True
    """
    # Two spaces in front: room to look back from the first digit.
    text = np.frombuffer(b" ".join((b" ", *texts, b"")), np.uint8)
    space = text == _SPACE
    ends = np.flatnonzero(space)[1:]  # ends[0] is the space before the first number, ends[i] the one after the i-th
    row_ends = 1 + np.cumsum([len(row) + 1 for row in texts])
    if len(ends) != len(texts) * count + 1 or not np.array_equal(ends[count::count], row_ends):
        return None
    digit = (text - np.uint8(_ZERO)) < 10  # uint8 wraps round: whatever stands before "0" becomes large
    if len(ends) + 1 + np.count_nonzero(digit) != len(text):
        return None
    pair = digit[1:] & digit[:-1]
    if (pair[2:] & pair[:-2]).any() or (space[2:] & space[1:-1]).any():  # four digits together, or none
        return None
    digits = text & np.uint8(15)  # the value of a digit; of a space 0
    value = digits[1:-1] * np.uint8(10)
    value += digits[2:]
    hundreds = digits[:-2] * pair[1:].view(np.uint8)  # only where two digits follow
    if len(hundreds) and hundreds.max() > 2:
        return None
    hundreds *= np.uint8(100)
    value += hundreds
    if (value < hundreds).any():  # 256..299 wrapped round
        return None
    last = ends[1:]
    last -= 3  # from the space to the last digit, and `value` starts two bytes into the text
    return value.take(last).reshape(len(texts), count)


def parse_row(text: bytes, count: int) -> NDArray[np.uint8] | str:
    """Read one row of pixels with care: any white space between numbers. What is wrong is returned as a sentence part.

    >>> parse_row(b"1 2 3", 4)
    '3 pixels instead of 4'
    >>> parse_row(b"1 2 x 4", 4)
    "pixel 3 is 'x', not a number 0..255"
    """
    words = text.split()
    if len(words) != count:
        return f"{len(words):,} pixels instead of {count:,}"
    values = np.empty(count, np.uint8)
    for at, word in enumerate(words):
        number = int(word) if word.isdigit() and len(word) <= 9 else 256
        if number > 255:
            return f"pixel {at + 1} is {shown(word)}, not a number 0..255"
        values[at] = number
    return values


def parse(texts: Sequence[bytes], count: int) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Read rows of pixels, at once where all are written plainly, else one by one.

    Returns:
        `(n, count)` uint8, the rows that can be read; and of the others, by their place, what is wrong with them.

    >>> pixels, wrong = parse([b"0  12", b"7 x", b"8 9"], 2)
    >>> pixels.tolist(), wrong
    ([[0, 12], [8, 9]], {1: "pixel 2 is 'x', not a number 0..255"})
    """
    images = parse_rows(texts, count)
    if images is not None:
        return images, {}
    each = [parse_row(text, count) for text in texts]
    good = [found for found in each if not isinstance(found, str)]
    wrong = {place: found for place, found in enumerate(each) if isinstance(found, str)}
    return np.array(good, np.uint8).reshape(-1, count), wrong


def squares(texts: Sequence[bytes], source: str) -> NDArray[np.uint8]:
    """Rows of pixels as square faces `(N, side, side)`; the first row says how large they are.

    Raises:
        DataError: the first row is no square, or another can't be read or has another number of pixels.
    """
    count = len(texts[0].split()) if texts else 0
    side = math.isqrt(count)
    if texts and (not count or side * side != count):
        raise DataError(
            f"{source}: row 0, the first, has {count:,} pixels, no square; FER2013's faces have 48×48 = 2,304."
        )
    images, wrong = parse(texts, count) if texts else (np.empty((0, 0), np.uint8), {})
    for place, found in wrong.items():
        raise DataError(f"{source}: row {place:,} (counted from 0): {found}. Mend it, or leave it out of the frame.")
    return images.reshape(len(texts), side, side)


def keep_freed_memory() -> None:
    """Let the allocator keep what a block of rows frees, for the next block.

    glibc would hand it back to the system and fetch it again page by page, which takes longer than the parsing.
    Once it has seen a large block freed, it keeps up to twice as much at hand. Without effect elsewhere.
    """
    np.empty(1 << 22, np.uint8)

"""Frames that the caller decodes, from a network camera, say: arrays with their times, as one video."""

import math
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from numbers import Real
from typing import Any

import numpy as np

from mien.errors import DataError, MediaError
from mien.recognition.records import Frame
from mien.recognition.sources import as_frame


def timed_frames(pairs: Iterable[Any], every: int) -> Iterator[Frame]:
    """The frames of (array, seconds): uint8 `(H, W)` gray or `(H, W, 3)` RGB, only every `every`'th.

    Raises:
        MediaError: an item isn't that. DataError: the seconds aren't finite, or decrease.
    """
    before = -math.inf
    for index, pair in enumerate(pairs):
        if not _is_pair(pair):
            raise MediaError(
                f"Frame {index:,} of a stream isn't (array, seconds); found {_kinds(pair)}. "
                "Arrays without seconds are for Recognizer.read."
            )
        seconds = float(pair[1])
        if not math.isfinite(seconds) or seconds < before:
            fallen = f" after {before}" if seconds < before else ""
            raise DataError(
                f"Frame {index:,} of a stream has {seconds} for its seconds{fallen}; they are finite, and never fall."
            )
        before = seconds
        if index % every == 0:
            pixels = as_frame(pair[0]).pixels  # a copy: the caller may decode the next one into it
            yield Frame("frames", None if pixels is None else pixels.copy(), index, seconds)


def told_apart(given: Any) -> tuple[Any, bool]:
    """What `Recognizer.stream` was given, and whether these are frames rather than names, by the first item alone."""
    if not isinstance(given, Iterable) or isinstance(given, (str, bytes, np.ndarray)):
        return given, False
    if isinstance(given, list | tuple):
        return given, bool(given) and _is_no_name(given[0])
    items = iter(given)
    first = list(islice(items, 1))
    return chain(first, items), bool(first) and _is_no_name(first[0])


def _is_no_name(item: Any) -> bool:
    parts = item if isinstance(item, tuple | list) else [item]
    return any(isinstance(part, np.ndarray) for part in parts) or (len(parts) == 2 and isinstance(parts[1], Real))


def _is_pair(item: Any) -> bool:
    if not (isinstance(item, tuple | list) and len(item) == 2):
        return False
    return isinstance(item[0], np.ndarray) and isinstance(item[1], Real)


def _kinds(item: Any) -> str:
    return f"({', '.join(map(_kinds, item))})" if isinstance(item, tuple | list) else type(item).__name__

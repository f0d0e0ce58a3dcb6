"""Frames that somebody else decodes, of a network camera, say: arrays with their times, as one video."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from numbers import Real
from typing import Any

import numpy as np

from mien.errors import MediaError
from mien.recognition.records import Frame
from mien.recognition.sources import as_frame


class Given:
    """Frames, from an iterator of (array, seconds), for `Recognizer.stream`.

    Args:
        pairs: uint8 `(H, W)` gray or `(H, W, 3)` RGB, and seconds that grow. every: only each so many'th.
    """

    live = True  # nothing is held back: those who come live are answered at once

    def __init__(self, pairs: Iterable[Any], *, every: int = 1) -> None:
        self.pairs, self.every = pairs, every

    def __iter__(self) -> Iterator[Frame]:
        for index, pair in enumerate(self.pairs):
            if not _is_pair(pair):
                raise MediaError(f"Frame {index:,} of a stream isn't (array, seconds); found {type(pair).__name__}.")
            if index % self.every == 0:
                pixels = as_frame(pair[0]).pixels  # copied, as the next one may be decoded into the same memory
                yield Frame("frames", None if pixels is None else pixels.copy(), index, float(pair[1]))


def told_apart(given: Any) -> tuple[Any, bool]:
    """What `Recognizer.stream` is given, and whether it is pairs of arrays and seconds; only the first is asked for."""
    if not isinstance(given, Iterable) or isinstance(given, (str, bytes, np.ndarray)):
        return given, False
    if isinstance(given, list | tuple):
        return given, bool(given) and _is_pair(given[0])
    items = iter(given)
    first = list(islice(items, 1))
    return chain(first, items), bool(first) and _is_pair(first[0])


def _is_pair(item: Any) -> bool:
    if not (isinstance(item, tuple | list) and len(item) == 2):
        return False
    return isinstance(item[0], np.ndarray) and isinstance(item[1], Real)

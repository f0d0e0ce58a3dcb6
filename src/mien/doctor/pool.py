"""The splits of a data set as one sequence of faces, read in pieces, from memory or disk."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mien.data.faces import FaceSet
from mien.data.pages import let_go
from mien.data.splits import Splits
from mien.errors import DataError
from mien.labels import SPLITS

AT_ONCE = 32 << 20
"""Bytes of pixels: as float32, with one copy, they take eight times that."""


class Pool:
    """All faces of the splits, training first, numbered 0..N-1. Nothing is copied: a memory-mapped set stays on disk.

    `labels` and `rows` are `(N,)` int64 as `FaceSet` has them; `split` `(N,)` says which split each face is in, as a
    place in `names`.

    Raises:
        DataError: no faces at all.
    """

    names = SPLITS

    def __init__(self, splits: Splits) -> None:
        self.splits, self.source, self.classes = splits, splits.source, splits.classes
        self._parts = [faces for _, faces in splits]
        sizes = [len(part) for part in self._parts]
        if not sum(sizes):
            raise DataError(f"{self.source or 'The data'}: there are no faces in it.")
        self.shape = splits.train.images.shape[1:]
        self._ends = np.cumsum(sizes)
        self.labels = np.concatenate([part.labels for part in self._parts])
        self.rows = np.concatenate([part.rows for part in self._parts])
        self.split = np.repeat(np.arange(3), sizes)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __iter__(self) -> Iterator[FaceSet]:
        """The splits in order, empty ones included."""
        return iter(self._parts)

    def pieces(self, size: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """All images in order, at most `size` at once, each piece with the number of its first face."""
        size = self.at_once(size)
        for end, part in zip(self._ends, self._parts, strict=True):
            for start in range(0, len(part), size):
                yield int(end) - len(part) + start, part.images[start : start + size]
                let_go(part.images)

    def at_once(self, size: int) -> int:
        """So many faces, or fewer where these have more than AT_ONCE bytes."""
        return max(1, min(size, AT_ONCE // int(np.prod(self.shape))))

    def take(self, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The images with these numbers, in this order."""
        images = np.empty((len(numbers), *self.shape), np.uint8)
        for place, (end, part) in enumerate(zip(self._ends, self._parts, strict=True)):
            mine = self.split[numbers] == place
            if mine.any():
                images[mine] = part.images[numbers[mine] - (end - len(part))]
                let_go(part.images)
        return images

    def places(self, numbers: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """The places of these faces in the FaceSet of each split."""
        starts = self._ends - [len(part) for part in self._parts]
        return {name: numbers[self.split[numbers] == k] - starts[k] for k, name in enumerate(self.names)}


def gray(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """`(N, H, W)` float32, 0..255, of gray or RGB images (ITU-R 601 luma)."""
    if images.ndim == 3:
        return images.astype(np.float32)
    return images.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)

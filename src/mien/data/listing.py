"""Listing: which picture files a data set consists of and what each is called, before any pixel is decoded."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mien.data.faces import UNLABELLED, FaceSet
from mien.data.groups import Groups
from mien.data.split import DRAWN, apart, grouped, stratified
from mien.data.splits import Splits
from mien.errors import BadRow, DataError, MediaError
from mien.images import decode

TRAIN, VAL, TEST = range(3)

SIZE = 48
"""Pixels of a face's side, where nobody asks for another: FER2013's."""

Tick = Callable[[int, int], None]
"""Called with how many files have been read, and of how many."""


class Listed(NamedTuple):
    """One file: its split, its class or `UNLABELLED`, and where the face stands in it, (left, top, right, bottom)."""

    split: int
    label: int
    path: Path
    box: tuple[int, int, int, int] | None = None
    mark: str = ""
    problem: str = ""
    """Why it can't be used, where that is known without opening it."""


@dataclass(frozen=True)
class Listing:
    """The files of a data set in a fixed order, each with its split and class."""

    root: Path
    classes: tuple[str, ...]
    files: Sequence[Listed]
    source: str = ""

    @cached_property
    def names(self) -> list[str]:
        """The files' paths as seen from the root, with / between folders."""
        return [file.path.relative_to(self.root).as_posix() for file in self.files]

    def with_val(self, share: float, seed: int, groups: Groups | None) -> "Listing":
        """The same files, with a share of `train` as `val` where there is none, and no subject in two splits.

        Raises:
            DataError: a file has no subject, or a subject's files stand in two splits already.
        """
        subjects = None if groups is None else groups.of(self.names)
        splits = np.array([file.split for file in self.files])
        usable = np.array([not file.problem for file in self.files])
        train = np.flatnonzero((splits == TRAIN) & usable)
        source = self.source or str(self.root)
        if share and len(train) and VAL not in splits:
            labels = np.array([file.label for file in self.files])[train]
            chosen = (
                stratified(labels, share, seed) if subjects is None else grouped(labels, subjects[train], share, seed)
            )
            splits[train[chosen]] = VAL
            how = "stratified" if groups is None else "stratified, subject by subject"
            told = "no class has a second picture to set aside for validation"
            if chosen.any():
                told = f"a share of {share:.0%} of train, {how}, {DRAWN} {seed}"
            source = f"{source} ({told})"
        if subjects is not None and groups is not None:
            apart(splits[usable], subjects[usable], str(groups.path))
        files = [file._replace(split=int(split)) for file, split in zip(self.files, splits, strict=True)]
        return replace(self, files=files, source=source)

    def decoded(
        self, size: int = SIZE, rgb: bool = False, start: int = 0, tick: Tick | None = None
    ) -> Iterator[tuple[int, NDArray[np.uint8] | BadRow]]:
        """(place, pixels) of each file from `start` on; a BadRow instead of pixels that can't be read."""
        for place in range(start, len(self.files)):
            file = self.files[place]
            try:
                if file.problem:
                    raise MediaError(file.problem)
                if os.path.exists(file.path) and not os.path.isfile(file.path):  # reading it could block for ever
                    raise MediaError("no file (a folder, a pipe or a device).")
                yield place, decode(file.path, size=size, gray=not rgb, box=file.box)
            except MediaError as error:
                found = str(error).removeprefix(f"{file.path}: ")
                yield place, BadRow(self.names[place], found)
            if tick:
                tick(place + 1, len(self.files))

    def read(
        self, *, size: int = SIZE, rgb: bool = False, skip_bad_rows: bool = False, tick: Tick | None = None
    ) -> Splits:
        """Decode every file into memory.

        Raises:
            DataError: files that are no readable image (names ten, counts all), unless they are to be left out.
        """
        shape = (size, size, 3) if rgb else (size, size)
        counts = [sum(file.split == split for file in self.files) for split in range(3)]
        images = [np.empty((count, *shape), np.uint8) for count in counts]
        kept: list[list[int]] = [[], [], []]
        bad: list[BadRow] = []
        for place, found in self.decoded(size, rgb, tick=tick):
            if isinstance(found, BadRow):
                bad.append(found)
                continue
            split = self.files[place].split
            images[split][len(kept[split])] = found
            kept[split].append(place)
        if bad and not skip_bad_rows:
            raise DataError.of_rows(str(self.root), bad)
        if not any(kept):
            raise DataError(f"{self.root}: none of its {len(self.files):,} files is a readable image.\n  {bad[0]}")
        self.check_classes(kept[TRAIN])
        train, val, test = (self._faces(images[split][: len(kept[split])], kept[split]) for split in range(3))
        return Splits(train, val, test, self.source or str(self.root), len(bad), self.names)

    def check_classes(self, kept: list[int]) -> None:
        """Raise DataError when a class has training images, but none of them could be read."""
        asked = {file.label for file in self.files if file.split == TRAIN} - {UNLABELLED}
        if gone := sorted(asked - {self.files[place].label for place in kept}):
            raise DataError(f"{self.root}: none of the training images of {self.classes[gone[0]]!r} can be read.")

    def _faces(self, images: NDArray[np.uint8], places: list[int]) -> FaceSet:
        labels = np.array([self.files[place].label for place in places], np.int64)
        marks = [self.files[place].mark for place in places]
        return FaceSet(images, labels, classes=self.classes, rows=places, marks=marks or None, source=str(self.root))

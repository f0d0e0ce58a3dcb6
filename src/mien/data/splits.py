"""Splits: the three FaceSets that belong together, to train, to validate and to test."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data.arrays import load_arrays, save_arrays
from mien.data.faces import FaceSet
from mien.data.origin import DataPath
from mien.errors import DataError, check_kind
from mien.labels import SPLITS


@dataclass(frozen=True)
class Splits:
    """The three sets that belong together. A split that a source doesn't have is an empty FaceSet.

    `train` is learned from, `val` is looked at while choosing, `test` is looked at once, at the end.
    `left_out` says how many bad rows were skipped, when skipping was asked for. `files` are the paths of all files in a
    folder of images, seen from there, bad ones included: that of a face is `files[row]`. `origin` says how to read the
    same faces again; None where they were made by a program.

    Raises:
        DataError: a split that is no FaceSet, or that has faces of other classes or of another size than the others.
    """

    train: FaceSet
    val: FaceSet
    test: FaceSet
    source: str = ""
    left_out: int = 0
    files: Sequence[str] = field(default=(), repr=False)
    origin: DataPath | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name, faces in self:
            none = "Splits takes three FaceSets; one that a source doesn't have is empty, faces[:0]."
            check_kind(faces, FaceSet, DataError, f"{none} For {name}:")
        held = {name: faces for name, faces in self if len(faces)}  # the classes and size of an empty one don't count
        where = f"{self.source}: " if self.source else ""
        if len({faces.classes for faces in held.values()}) > 1:
            found = "; ".join(f"{', '.join(faces.classes)} in {name}" for name, faces in held.items())
            raise DataError(f"{where}the splits have other classes, or in another order: {found}.")
        if len({faces.images.shape[1:] for faces in held.values()}) > 1:
            found = ", ".join(f"{faces._size} in {name}" for name, faces in held.items())
            raise DataError(f"{where}faces of several sizes: {found}. Splits have one size, all gray or all RGB.")
        some = next(iter(held.values()), None)
        for name, faces in self:
            if some is not None and not len(faces):  # takes the others' classes and size, as they are saved together
                kind = some[:0].replaced(transform=faces.transform, source=faces.source)
                object.__setattr__(self, name, kind)

    def __getitem__(self, name: str) -> FaceSet:
        """The split of that name. Raises DataError for another name, or when the source has no such faces."""
        if name not in SPLITS:
            raise DataError(f"There is no split {name!r}; the splits are {', '.join(SPLITS)}.")
        faces: FaceSet = getattr(self, name)
        if not len(faces):
            has = ", ".join(known for known in SPLITS if len(getattr(self, known))) or "none"
            hint = (
                " A CSV without Usage, and a folder without val, get one set aside."
                if name == "val" and len(self.train)
                else ""
            )
            raise DataError(f"{self.source or 'The data'} has no faces for {name!r}; it has: {has}.{hint}")
        return faces

    def __iter__(self) -> Iterator[tuple[str, FaceSet]]:
        """(name, faces) of each split, empty ones included."""
        return ((name, getattr(self, name)) for name in SPLITS)

    def file(self, row: int) -> str | None:
        """The image file that this row was; None where the faces come from one file."""
        return self.files[row] if self.files else None

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, the same in every split that isn't empty."""
        return next((faces.classes for _, faces in self if len(faces)), self.train.classes)

    @property
    def checksums(self) -> dict[str, str]:
        """`FaceSet.checksum` of each split that isn't empty."""
        return {name: faces.checksum for name, faces in self if len(faces)}

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """`FaceSet.counts` of each split that isn't empty."""
        return {name: faces.counts for name, faces in self if len(faces)}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all three to one `.npz` file, in one step."""
        arrays: dict[str, NDArray[Any]] = {"left_out": np.array(self.left_out)}
        for name, faces in self:
            arrays |= faces._arrays(f"{name}_")
        save_arrays(path, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Splits":
        """Read what `save` wrote. Raises DataError when the file is missing, damaged or no set of splits."""
        arrays = load_arrays(path)
        if "images" in arrays and "train_images" not in arrays:
            raise DataError(
                f"{path}: one set of faces (FaceSet.save), where train, val and test were looked for: save them with "
                "Splits.save, or read it with FaceSet.load."
            )
        train, val, test = (FaceSet._from_arrays(arrays, f"{name}_", str(path)) for name in SPLITS)
        left_out = _count(arrays.get("left_out"), str(path))
        return cls(train, val, test, source=str(path), left_out=left_out, origin=DataPath(path).from_root())


def _count(array: NDArray[Any] | None, source: str) -> int:
    """The whole number in an array without dimensions; 0 where there is no array."""
    if array is None:
        return 0
    if array.shape or not np.issubdtype(array.dtype, np.integer) or array < 0:
        raise DataError(f"{source}: not a face set of mien's: its count of left-out rows is no number.")
    return int(array)

"""FaceSet: many faces as one uint8 array with a target each."""

import hashlib
import operator
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.data.arrays import load_arrays, save_arrays
from mien.data.pages import Stretch, let_go, stretch_of
from mien.data.pixels import squares
from mien.errors import DataError, MissingExtra, check_kind
from mien.images import channels_first
from mien.labels import FER2013

if TYPE_CHECKING:
    import pandas
    from torch.utils.data import Dataset

    _Base = Dataset[tuple[Any, Any]]
else:
    _Base = object  # all that a DataLoader asks for; type checkers are told more

UNLABELLED = -1
"""The target of a face whose expression isn't known (the contest's test rows, FER+ rows without a face)."""

Transform = Callable[[NDArray[np.uint8]], Any]


class FaceSet(_Base):
    """N faces of one size in one array, each with a target.

    It is a data set as `torch.utils.data.DataLoader` takes it, and needs no torch itself.

    Args:
        images: uint8, `(N, H, W)` gray or `(N, H, W, 3)` RGB, values 0..255. Kept as it is, not copied, so a
            `numpy.memmap` stays on disk.
        targets: `(N,)` whole numbers, the class of each face or `UNLABELLED`, or the classes' names; or `(N, K)`
            float32, each row the shares of the classes (all zero where there is none).
        transform: called with one face, `(H, W)` or `(H, W, 3)` uint8, when `faces[i]` is asked for; what it
            returns stands in the face's place. Without it the face is given as `(C, H, W)` uint8. It is for a
            `DataLoader` and a loop of your own; `fit` and `evaluate` read the pixels themselves, and refuse such faces.
        classes: the K class names in the order of their numbers.
        rows: `(N,)` the row of each face in the file it came from, counted from 0; default 0..N-1.
        marks: `(N,)` what puts a face's label in doubt (FER+: "no face", "unknown", "tie"), "" for nothing.
        source: where the faces came from, for messages and cards.

    Raises:
        DataError: when shapes, dtypes or targets don't fit together.

    >>> faces = FaceSet(np.zeros((4, 48, 48), np.uint8), [0, 3, 3, 6])
    >>> len(faces), faces[1][0].shape, faces[1][1], faces.classes[3]
    (4, (1, 48, 48), 3, 'happy')
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        targets: ArrayLike,
        transform: Transform | None = None,
        *,
        classes: Sequence[str] = FER2013,
        rows: ArrayLike | None = None,
        marks: ArrayLike | None = None,
        source: str = "",
    ) -> None:
        if type(images).__module__.partition(".")[0] == "pandas":
            raise DataError("Faces must be one array; of a pandas DataFrame FaceSet.from_pandas(frame) makes it.")
        if type(images).__module__ == "torch":
            raise DataError(
                "Faces must be a numpy array: images.numpy(); besides, of shape (N, 1, H, W) [:, 0], "
                "and of (N, 3, H, W) .transpose(0, 2, 3, 1)."
            )
        if not hasattr(images, "dtype"):  # a list, say; an object that makes its faces on demand will do
            raise DataError(
                f"{source or 'images'}: faces must be one array, not a {type(images).__name__}: numpy.stack."
            )
        n = len(images)
        self.images = images
        self.classes = tuple(classes)
        for name in self.classes:
            check_kind(name, str, DataError, 'Classes are names, such as ["cry", "laugh"].')
        self.classes = tuple(map(str, self.classes))  # numpy's texts have another repr, so another checksum
        self.targets = _checked_targets(targets, n, self.classes, source)
        self.transform = transform
        self.rows = np.arange(n) if rows is None else np.asarray(rows, np.int64)
        self.marks = np.full(n, "") if marks is None else np.asarray(marks, np.str_)
        self.source = source
        if images.dtype != np.uint8 or images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] != 3):
            raise DataError(
                f"{source or 'images'}: faces must be uint8 of shape (N, H, W) or (N, H, W, 3); "
                f"found {images.dtype} of shape {tuple(images.shape)}."
            )
        if self.rows.shape != (n,) or self.marks.shape != (n,):
            raise DataError(
                f"{source or 'images'}: {n} faces, but rows of shape {self.rows.shape} and marks of {self.marks.shape}."
            )
        if len(set(self.classes)) < len(self.classes):
            raise DataError(f"{source or 'images'}: two classes have the same name: {', '.join(self.classes)}.")

    def __len__(self) -> int:
        return len(self.images)

    @overload
    def __getitem__(self, at: int | np.integer) -> tuple[Any, Any]: ...
    @overload
    def __getitem__(self, at: "slice | Sequence[int] | NDArray[Any]") -> "FaceSet": ...
    def __getitem__(self, at: Any) -> Any:
        """`faces[i]` is (face, target); `faces[2:9]`, `faces[[1, 5]]` and `faces[mask]` are FaceSets."""
        at = _place(at)
        if isinstance(at, int):
            if not -len(self) <= at < len(self):
                raise IndexError(f"face {at} of {len(self)}")
            image, target = self.images[at], self.targets[at]
            face = self.transform(image.copy()) if self.transform else channels_first(image[None])[0].copy()
            return face, int(target) if self.targets.ndim == 1 else target
        return self.replaced(images=self.images[at], targets=self.targets[at], rows=self.rows[at], marks=self.marks[at])

    def replaced(self, **changes: Any) -> "FaceSet":
        """This set with other `images`, `targets`, `transform`, `classes`, `rows`, `marks` or `source`, and the rest as
        it is. Raises DataError as the constructor does.

        >>> FaceSet(np.zeros((2, 48, 48), np.uint8), [0, 3]).replaced(targets=[6, 6]).counts["neutral"]
        2
        """
        names = ("images", "targets", "transform", "classes", "rows", "marks", "source")
        return FaceSet(**{**{name: getattr(self, name) for name in names}, **changes})

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return (
            f"FaceSet({len(self):,} faces of {self._size}, {len(self.classes)} classes, from {self.source or 'memory'})"
        )

    def __getstate__(self) -> dict[str, Any]:
        """Mapped faces go to another process (a `DataLoader`'s worker) as their place on disk, not one by one."""
        return self.__dict__ | {"images": stretch_of(self.images) or self.images}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if isinstance(self.images, Stretch):
            self.images = self.images.mapped()

    @property
    def _size(self) -> str:
        return "×".join(map(str, self.images.shape[1:]))

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """`(N, C, H, W)` uint8: a view of `images` as networks take them."""
        return channels_first(self.images)

    @property
    def soft(self) -> bool:
        """Whether the targets are shares of the classes rather than one class each."""
        return self.targets.ndim == 2

    @property  # none of these is cached: images and targets may be changed in place
    def labels(self) -> NDArray[np.int64]:
        """`(N,)` int64: the class of each face (of soft targets the largest share), or `UNLABELLED`."""
        if not self.soft:
            return self.targets.astype(np.int64, copy=False)
        return np.where(self.targets.any(1), self.targets.argmax(1), UNLABELLED).astype(np.int64)

    @property
    def labelled(self) -> "FaceSet":
        """The faces that have a label: what one can train on."""
        known = self.labels != UNLABELLED
        return self if known.all() else self[known]

    @property
    def judged(self) -> "FaceSet":
        """The faces that a network can be judged by: those that are `sure`."""
        return self if (sure := self.sure).all() else self[sure]

    @property
    def sure(self) -> NDArray[np.bool_]:
        """`(N,)` bool: labelled, without a mark that puts the label in doubt, and no two classes share the most."""
        sure = (self.labels != UNLABELLED) & (self.marks == "")
        if self.soft:
            sure &= (self.targets == self.targets.max(1, keepdims=True, initial=0)).sum(1) == 1
        return np.asarray(sure, np.bool_)

    @property
    def counts(self) -> dict[str, int]:
        """How many faces each class has, in class order, zeros included."""
        labels = self.labels
        found = np.bincount(labels[labels != UNLABELLED], minlength=len(self.classes))
        return {name: int(count) for name, count in zip(self.classes, found, strict=True)}

    @property
    def checksum(self) -> str:
        """SHA-256 over shape, pixels, targets, class names and marks: two sets with the same sum are the same set.

        Computed anew each time, from all pixels: 0.1 s for FER2013.
        """
        digest = hashlib.sha256(repr((self.images.shape, self.targets.shape, self.classes)).encode())
        for start in range(0, len(self), 4096):  # in pieces, so that a memory-mapped set isn't in memory as a whole
            digest.update(np.ascontiguousarray(self.images[start : start + 4096]).data)
            let_go(self.images)
        digest.update(np.ascontiguousarray(self.targets.astype(np.float32 if self.soft else np.int64)).data)
        if (self.marks != "").any():
            digest.update(repr(self.marks.tolist()).encode())
        return digest.hexdigest()

    def to_pandas(self) -> "pandas.DataFrame":
        """A data frame with a row per face: `row`, `label`, `mark` and `image` (the array), as the article looks at it.

        Raises:
            MissingExtra: without pandas.
        """
        try:
            import pandas
        except ImportError:
            raise MissingExtra("pandas", "pandas", "A data frame of faces") from None
        names = np.array([*self.classes, "unlabelled"])  # UNLABELLED is -1: the last
        return pandas.DataFrame(
            {"row": self.rows, "label": names[self.labels], "mark": self.marks, "image": list(self.images)}
        )

    @classmethod
    def from_pandas(cls, frame: "pandas.DataFrame", *, source: str = "a data frame") -> "FaceSet":
        """Faces of a data frame as pandas reads FER2013's CSV files: a row per face, all of them in one set.

        Args:
            frame: the columns `emotion` (0..6; without it the faces are unlabelled) and `pixels` (numbers 0..255 with
                blanks between, as many as a square has). Blanks around the columns' names, and other columns such as
                Usage, are passed over: `FaceSet.from_pandas(frame[frame.Usage == "Training"])`.
            source: where the faces came from, for messages and cards.

        Raises:
            DataError: no column `pixels`, an unknown label, or pixels that can't be read; it says of which row.
        """
        columns = {str(name).strip().lower(): name for name in frame.columns}
        own = "Of a column of arrays FaceSet(numpy.stack(frame[column]), labels) makes them."
        if "pixels" not in columns:
            found = ", ".join(map(repr, frame.columns[:8]))
            raise DataError(f"{source}: no column 'pixels'; found {found}. FER2013: emotion, pixels, Usage. {own}")
        if any(isinstance(one, (np.ndarray, list)) for one in frame[columns["pixels"]]):
            raise DataError(f"{source}: pixels are arrays, not texts as in FER2013. {own}")
        texts = [str(text).encode() for text in frame[columns["pixels"]]]
        images = squares(texts, source)
        if "emotion" not in columns:
            return cls(images, np.full(len(images), UNLABELLED), source=source)
        labels = frame[columns["emotion"]].to_numpy()
        if len(labels) and not np.issubdtype(labels.dtype, np.integer):
            raise DataError(f"{source}: emotion holds {labels.dtype}, not whole numbers 0..{len(FER2013) - 1}.")
        return cls(images, labels, source=source)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write this set to a `.npz` file, in one step: a reader never sees half a file."""
        save_arrays(path, self._arrays(""))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "FaceSet":
        """Read what `save` wrote. Raises DataError when the file is missing, damaged or not a face set."""
        return cls._from_arrays(load_arrays(path), "", str(path))

    def _arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        names = {"images": self.images, "targets": self.targets, "rows": self.rows, "marks": self.marks}
        return {prefix + key: value for key, value in names.items()} | {"classes": np.array(self.classes)}

    @classmethod
    def _from_arrays(cls, arrays: dict[str, NDArray[Any]], prefix: str, source: str) -> "FaceSet":
        try:
            images, targets, rows, marks = (arrays[prefix + key] for key in ("images", "targets", "rows", "marks"))
            classes = [str(name) for name in arrays["classes"]]
        except KeyError as missing:
            raise DataError(f"{source}: not a face set of mien's: it holds no array {missing}.") from None
        except TypeError:
            raise DataError(f"{source}: not a face set of mien's: its classes are not a list of names.") from None
        try:
            return cls(images, targets, classes=classes, rows=rows, marks=marks, source=source)
        except (TypeError, ValueError) as error:  # dtypes and shapes that faces don't have
            raise DataError(f"{source}: not a face set of mien's ({error}).") from None


def check_untransformed(faces: FaceSet) -> None:
    """Raise DataError for faces with a transform, which would silently not be applied where `images` are read."""
    if faces.transform is not None:
        raise DataError(
            "These faces have a transform, which fit and evaluate wouldn't call, as they read the pixels themselves. "
            "Use a recipe's flip, shift, rotate ..., or a DataLoader and a loop of your own."
        )


def _place(at: Any) -> Any:
    """An index of a FaceSet: an int for one face, a slice or an array for several. TypeError for anything else."""
    if isinstance(at, slice):
        return at
    array = np.asarray(at)
    if not array.size and array.ndim == 1:
        return array.astype(np.int64)
    if array.dtype.kind in "iu" and array.ndim == 0:
        return operator.index(array)
    if array.dtype.kind in "iub" and array.ndim == 1:
        return array
    raise TypeError(
        "Faces are asked for by a whole number, faces[3]; by a slice, several whole numbers or a mask with a bool for "
        f"each face; not by {at!r:.60}."
    )


def _checked_targets(targets: ArrayLike, n: int, names: Sequence[str], source: str) -> NDArray[Any]:
    where, classes = source or "targets", len(names)
    if np.ma.is_masked(targets):  # asarray would silently bring back what the mask hides
        raise DataError(f"{where}: some are masked. For no label give {UNLABELLED}, as targets.filled(-1) does.")
    array = np.asarray(targets)
    if array.size and array.ndim == 1 and array.dtype.kind in "OTU" and all(isinstance(one, str) for one in array):
        number = {"unlabelled": UNLABELLED} | {name: at for at, name in enumerate(names)}  # as to_pandas has it
        if unknown := set(array.tolist()) - number.keys():
            raise DataError(f"{where}: label {min(unknown)!r} is none of the classes, {', '.join(names)}.")
        array = np.array([number[label] for label in array.tolist()])
    if array.size == 0 and array.ndim == 1:
        array = array.astype(np.int64)
    if array.ndim == 1 and len(array) == n and np.issubdtype(array.dtype, np.integer):
        outside = array[(array < UNLABELLED) | (array >= classes)]
        if len(outside):
            raise DataError(f"{where}: label {outside[0]} isn't one of the {classes} classes (0..{classes - 1}).")
        return array.astype(np.int64, copy=False)
    if array.shape == (n, classes) and np.issubdtype(array.dtype, np.floating):
        sums = array.sum(1)
        if not np.all((np.abs(sums - 1) < 1e-3) | (sums == 0)) or (array < 0).any():
            raise DataError(f"{where}: soft targets must be shares that add to 1 in each row (or all 0: unlabelled).")
        return array.astype(np.float32, copy=False)
    raise DataError(
        f"{where}: {n} faces of {classes} classes need targets of shape ({n},), whole numbers, or ({n}, {classes}), "
        f"floats; found {array.dtype} of shape {array.shape}."
    )

"""Faces in a folder of .npy files, which are memory-mapped: sets larger than memory.

`NAME.faces/` holds `train_images.npy` and, beside it, `_targets`, `_rows` and `_marks`, the same of val and test, and
`faces.json`, which is written last. It is built in `.NAME.faces.part/`, where a conversion that was stopped goes on.
"""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mien.data.faces import FaceSet
from mien.data.listing import SIZE, TRAIN, Listing, Tick
from mien.data.origin import DataPath
from mien.data.splits import Splits
from mien.errors import BadRow, DataError
from mien.files import atomic_write, put_in_place, replacing, unfollowed
from mien.labels import SPLITS
from mien.locks import alone

HEAD = "faces.json"
BLOCK = 1024
"""Faces between two notes of how far a conversion is."""

_DAMAGE = (OSError, ValueError, LookupError, TypeError, EOFError, OverflowError, RecursionError, MemoryError)
"""What notes and headers with any content at all can raise; MemoryError: a header asks for terabytes."""


def is_mapped(path: Path) -> bool:
    """Whether this is such a folder, finished."""
    return os.path.isfile(path / HEAD)


def load_mapped(path: str | os.PathLike[str]) -> Splits:
    """The faces of such a folder, mapped into memory. Raises DataError when it is damaged or none."""
    path = Path(path)
    try:
        head = json.loads((path / HEAD).read_bytes())
        classes = [str(name) for name in head["classes"]]
        train, val, test = (_load(path, name, classes) for name in SPLITS)
        left_out = int(head["left_out"])
        return Splits(train, val, test, source=str(path), left_out=left_out, origin=DataPath(path).from_root())
    except _DAMAGE as error:
        raise DataError(f"{path}: not a folder of faces of mien's, or damaged ({error}). Convert it again.") from None


def save_mapped(splits: Splits, out: str | os.PathLike[str]) -> None:
    """Write faces that are in memory as such a folder, in one step.

    Raises:
        DataError: something is there, or is just being written there.
    """
    with _to(Path(out)) as part:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        for name, faces in splits:
            with replacing(part / f"{name}_images.npy") as beside, beside.open("wb") as file:
                _header(file, faces.images.shape)
                for start in range(0, len(faces), BLOCK):
                    file.write(np.ascontiguousarray(faces.images[start : start + BLOCK]).data)
            _save(part, name, faces.targets, faces.rows, faces.marks)
        _finish(part, Path(out), splits.classes, splits.source, splits.left_out)


def convert_listing(
    listing: Listing,
    out: str | os.PathLike[str],
    *,
    size: int = SIZE,
    rgb: bool = False,
    skip_bad_rows: bool = False,
    tick: Tick | None = None,
) -> None:
    """Decode the files of a listing into such a folder, in constant memory; a call that was stopped goes on.

    Raises:
        DataError: something is there already, or is just being written there, or files that are no readable image.
            What was decoded is kept, so that the same call goes on once they are mended or may be left out.
    """
    out = Path(out)
    with _to(out) as part:
        building = _Building(part, listing, size, rgb)
        if building.bad and not skip_bad_rows:
            building.go_back()  # they may have been mended since
        building.run(tick)
        bad = [*building.bad.values()]
        if bad and not skip_bad_rows:
            raise DataError.of_rows(str(listing.root), bad)
        kept = building.kept()
        if not any(kept):
            count = len(listing.files)
            raise DataError(f"{listing.root}: none of its {count:,} files is a readable image.\n  {bad[0]}")
        listing.check_classes(kept[TRAIN])
        for name, places in zip(SPLITS, kept, strict=True):
            files = [listing.files[place] for place in places]
            labels = np.array([file.label for file in files], np.int64)
            _save(part, name, labels, np.array(places, np.int64), np.array([file.mark for file in files], np.str_))
        _finish(part, out, listing.classes, listing.source or str(listing.root), len(bad))


class _Building:
    """The images of a listing, written one after another; `state.json` says how far they surely are on disk."""

    STATE = "state.json"

    def __init__(self, part: Path, listing: Listing, size: int, rgb: bool) -> None:
        self.part, self.listing, self.size, self.rgb = part, listing, size, rgb
        self.shape = (size, size, 3) if rgb else (size, size)
        self.key = self._key()
        self.bad: dict[int, BadRow] = {}  # by place
        self.done = 0
        self.read = hashlib.sha256()
        if not self._goes_on():
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()

    def _goes_on(self) -> bool:
        """Take up what was noted; False where nothing was, or it is of other pictures, or damaged."""
        try:
            state = json.loads((self.part / self.STATE).read_bytes())
            done, bad = state["done"], {place: BadRow(where, found) for place, where, found in state["bad"]}
            if state["key"] != self.key or state["read"] != (read := self._read(done, bad)).hexdigest():
                return False
        except _DAMAGE:
            return False
        self.done, self.bad, self.read = done, bad, read
        return True

    def _read(self, done: int, bad: Container[int]) -> "hashlib._Hash":
        """A digest of the state of the first `done` files, without the bad ones, which may be mended."""
        digest = hashlib.sha256()
        for place in range(done):
            if place not in bad:
                digest.update(self._stamp(place))
        return digest

    def _stamp(self, place: int) -> bytes:
        """What changes when a file's content does: its size and its time of modification."""
        try:
            found = self.listing.files[place].path.stat()
        except OSError:
            return b"gone"
        return repr((found.st_size, found.st_mtime_ns)).encode()

    def run(self, tick: Tick | None) -> None:
        """Decode what isn't decoded yet."""
        item = int(np.prod(self.shape))
        with ExitStack() as stack:
            files = [stack.enter_context(self._open(name, count)) for name, count in self._counts()]
            for file, places in zip(files, self.kept(), strict=True):
                file.seek(file.tell() + item * sum(place < self.done for place in places))
            stamps = map(self._stamp, range(self.done, len(self.listing.files)))  # each before its file is read
            decoded = self.listing.decoded(self.size, self.rgb, self.done, tick)
            for stamp, (place, found) in zip(stamps, decoded, strict=True):
                if isinstance(found, BadRow):
                    self.bad[place] = found
                else:
                    files[self.listing.files[place].split].write(found.data)
                    self.read.update(stamp)
                if (place + 1) % BLOCK == 0:
                    self._note(place + 1, files)
            self._note(len(self.listing.files), files)

    def kept(self) -> list[list[int]]:
        """The places of the files of each split, without those that were bad so far."""
        places: list[list[int]] = [[], [], []]
        for place, file in enumerate(self.listing.files):
            if place not in self.bad:
                places[file.split].append(place)
        return places

    def _counts(self) -> list[tuple[str, int]]:
        return [(name, sum(file.split == at for file in self.listing.files)) for at, name in enumerate(SPLITS)]

    def _open(self, name: str, count: int) -> BinaryIO:
        """The file of a split's images, after its header. Bad files leave room at its end, which nobody looks at."""
        path = self.part / f"{name}_images.npy"
        file = open(path, "rb+" if self.done else "wb", opener=unfollowed)  # noqa: SIM115 closed by run
        _header(file, (count, *self.shape))
        return file

    def _note(self, done: int, files: Sequence[BinaryIO]) -> None:
        for file in files:
            file.flush()
            os.fsync(file.fileno())
        self.done = done
        bad = [(place, row.where, row.found) for place, row in self.bad.items()]
        state = {"key": self.key, "read": self.read.hexdigest(), "done": done, "bad": bad}
        atomic_write(self.part / self.STATE, json.dumps(state))

    def go_back(self) -> None:
        """Go back to the first bad file: if it can be read now, all faces after it move on by one."""
        self.done = min(self.bad)
        self.bad = {}
        self.read = self._read(self.done, ())
        self._note(self.done, ())  # else, stopped again, it would go by the old note, though faces have moved

    def _key(self) -> str:
        """A digest of what is built: the files with their splits and classes, and how they are read."""
        digest = hashlib.sha256(repr((self.size, self.rgb, self.listing.classes)).encode())
        for name, file in zip(self.listing.names, self.listing.files, strict=True):
            digest.update(repr((name, file.split, file.label, file.box, file.mark)).encode())
        return digest.hexdigest()


@contextmanager
def _to(out: Path) -> Iterator[Path]:
    """The folder to build in, held alone, as a second conversion would mix its files with those of the first."""
    busy = f"{out}: another conversion is at work there. Wait until it is done, or choose another name."
    with alone(out, DataError(busy)):
        if out.exists():
            raise DataError(f"{out}: there is something at this place already. Remove it, or choose another name.")
        part = out.with_name(f".{out.name}.part")
        if part.is_symlink():  # somebody else could have made it, to have the faces written elsewhere
            raise DataError(f"{part}: a link, where the folder is built meanwhile. Remove it, or choose another name.")
        yield part


def _header(file: BinaryIO, shape: Sequence[int]) -> None:
    np.lib.format.write_array_header_1_0(
        file, {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False, "shape": tuple(shape)}
    )


def _save(part: Path, name: str, targets: NDArray[Any], rows: NDArray[Any], marks: NDArray[Any]) -> None:
    for kind, array in (("targets", targets), ("rows", rows), ("marks", marks)):
        with replacing(part / f"{name}_{kind}.npy") as beside:
            np.save(beside, array, allow_pickle=False)


def _finish(part: Path, out: Path, classes: Sequence[str], source: str, left_out: int) -> None:
    head = {"classes": list(classes), "source": source, "left_out": left_out}
    atomic_write(part / HEAD, json.dumps(head, indent=2))
    put_in_place(part, out)
    with suppress(OSError):  # last of all, so that until here the same call goes on
        (out / _Building.STATE).unlink()


def _load(path: Path, name: str, classes: Sequence[str]) -> FaceSet:
    files = {kind: path / f"{name}_{kind}.npy" for kind in ("images", "targets", "rows", "marks")}
    for file in files.values():
        if not file.is_file():
            raise DataError(f"{file}: no such file, or a pipe or a device. Convert it again.")
    images = files.pop("images")
    parts = {kind: np.load(file, allow_pickle=False) for kind, file in files.items()}
    count = len(parts["targets"])
    with images.open("rb") as opened:
        np.lib.format.read_magic(opened)
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(opened)
        begin = opened.tell()
    if dtype != np.uint8 or by_column or len(shape) not in (3, 4) or min(shape[1:]) < 1:
        raise DataError(f"{images}: no faces, or not as mien writes them. Convert it again.")
    if shape[0] < count or images.stat().st_size < begin + count * math.prod(shape[1:]):
        raise DataError(f"{images}: cut off: {count:,} faces were expected. Convert it again.")
    if not count:
        return FaceSet(np.empty((0, *shape[1:]), np.uint8), parts["targets"], classes=classes, source=str(path))
    faces = np.memmap(images, np.uint8, "r", offset=begin, shape=(count, *shape[1:]))
    return FaceSet(faces, parts["targets"], classes=classes, rows=parts["rows"], marks=parts["marks"], source=str(path))

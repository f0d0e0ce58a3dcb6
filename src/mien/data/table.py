"""A CSV file as a stream of rows: plain, gzip, xz or zip, told apart by content, never held in memory as a whole."""

import gzip
import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, NamedTuple, cast

from mien.errors import BadRow, DataError
from mien.images import SUFFIXES

BLOCK = 1 << 18
"""Bytes taken at a time. A block and what is computed from it stay in the processor's cache."""

LONGEST_LINE = 1 << 20
"""Bytes. A row of FER2013 has under 9,300, so a longer line means that the file is something else."""

_FER2013 = ("fer2013", "icml_face_data")
"""What the names of FER2013's files, and of FER+'s votes, begin with."""

_DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, ValueError)


class Row(NamedTuple):
    """One row: its place from 0, its line in the file from 1, and its cells, not yet stripped."""

    place: int
    line: int
    cells: list[bytes]

    def bad(self, found: str) -> BadRow:
        """What is wrong with this row, by the number that `FaceSet.rows` has, and by its line, for an editor."""
        return BadRow(f"row {self.place:,} (line {self.line:,})", found)


class Table:
    """A CSV file opened for reading: `columns` (stripped, lower case), then the rows in blocks."""

    def __init__(self, file: IO[bytes], source: str) -> None:
        self.source = source
        self._file = file
        self._line = 0
        self.columns = tuple(_column(cell) for cell in _cells(self._header()))

    def blocks(self) -> Iterator[list[Row]]:
        """The rows in order, some at a time; blank lines are passed over.

        Raises:
            DataError: the file is damaged, ends in the middle, or holds a line that is far too long.
        """
        place = 0
        while True:
            rows, size = [], 0
            while size < BLOCK and (line := self._next()):
                size += len(line)
                if not line.isspace():
                    rows.append(Row(place, self._line, _cells(line)))
                    place += 1
            if not size:
                return
            yield rows

    def _header(self) -> bytes:
        """The first line that isn't blank."""
        while line := self._next():
            if self._line == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if b"\0" in line:
                what = "a tar archive: unpack it first" if b"ustar" in line else "no text"
                raise DataError(f"{self.source}: not a CSV file; what is in it is {what}.")
            if line and not line.isspace():
                return line
        raise DataError(f"{self.source}: the file is empty.")

    def _next(self) -> bytes:
        """The next line with its end, or nothing after the last one."""
        try:
            line = self._file.readline(LONGEST_LINE)
        except _DAMAGED as error:
            raise DataError(
                f"{self.source}: damaged or cut off after line {self._line:,} ({error}). Get the file again."
            ) from None
        self._line += bool(line)
        if len(line) == LONGEST_LINE:
            raise DataError(
                f"{self.source}: line {self._line:,} has {LONGEST_LINE:,} bytes or more; this is no CSV file of faces."
            )
        return line


@contextmanager
def open_table(path: str | os.PathLike[str], fits: Callable[[Sequence[str]], int]) -> Iterator[Table]:
    """Open a CSV file, packed or not.

    Args:
        path: plain text, or packed with gzip, xz or zip; the name doesn't matter.
        fits: how well a table with these columns suits the caller, 0 for not at all. A zip file may hold several
            tables; the one that fits best is opened.

    Raises:
        DataError: no such file, no text in it, or a zip file where no member, or more than one, fits best.
    """
    with ExitStack() as stack:
        try:
            file: IO[bytes] = stack.enter_context(open(path, "rb", BLOCK))
            magic = file.read(6)
            file.seek(0)
        except FileNotFoundError:
            hint = " `mien data get` says where it is." if Path(path).name.lower().startswith(_FER2013) else ""
            raise DataError(f"{path}: no such file.{hint}") from None
        except (OSError, ValueError) as error:  # a folder, no permission; ValueError: a NUL in the name
            raise DataError(f"{path}: can't be read ({error}).") from None
        if magic.startswith(b"\x1f\x8b"):
            file = _buffered(cast(IO[bytes], stack.enter_context(gzip.open(file))))
        elif magic == b"\xfd7zXZ\0":
            file = _buffered(cast(IO[bytes], stack.enter_context(lzma.open(file))))
        elif magic.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            yield _from_zip(stack, file, str(path), fits)
            return
        yield Table(file, str(path))


def _from_zip(stack: ExitStack, file: IO[bytes], path: str, fits: Callable[[Sequence[str]], int]) -> Table:
    try:
        archive = stack.enter_context(zipfile.ZipFile(file))
        names = [name for name in archive.namelist() if name.lower().endswith(".csv") and "__MACOSX" not in name]
        ranks = {name: fits(Table(_buffered(archive.open(name)), f"{path} ({name})").columns) for name in names}
        best = [name for name in names if ranks[name] and ranks[name] == max(ranks.values())]
        if len(best) == 1:
            member = stack.enter_context(archive.open(best[0]))
            return Table(_buffered(member), f"{path} ({best[0]})")
    except (*_DAMAGED, NotImplementedError, RuntimeError) as error:  # the last two: unknown packing, a password
        raise DataError(f"{path}: the zip file can't be read ({error}).") from None
    if best:
        raise DataError(f"{path}: several tables in it fit: {', '.join(best)}. Unpack it and give one of them.")
    if archive.namelist() and all(name.endswith(".npy") for name in archive.namelist()):
        raise DataError(
            f"{path}: no CSV file, but arrays, as Splits.save writes them; mien.load_faces reads these where the name "
            "ends in .npz, mien.Splits.load under any name."
        )
    held = ", ".join(archive.namelist()[:10]) or "nothing"
    pictures = any(Path(name).suffix.lower() in SUFFIXES for name in archive.namelist())
    todo = " Pictures are read from folders: unpack it, and name the folder." if pictures else ""
    raise DataError(f"{path}: no fitting .csv in the zip file; it holds {held}.{todo}")


def shown(cell: bytes | str) -> str:
    """A cell for a message: quoted, and cut when it is long."""
    text = cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell
    return repr(text if len(text) <= 24 else text[:24] + "…")


def _buffered(file: IO[bytes]) -> IO[bytes]:
    """The same bytes with a `readline` in C, which is faster than the packed files' own."""
    return io.BufferedReader(cast(io.RawIOBase, file), BLOCK)


def _cells(line: bytes) -> list[bytes]:
    """The line at its commas. `bytes.split` looks at byte after byte; `find` is ten times as fast on long cells."""
    cells, start = [], 0
    while (comma := line.find(b",", start)) >= 0:
        cells.append(line[start:comma])
        start = comma + 1
    cells.append(line[start:])
    return cells


def _column(cell: bytes) -> str:
    return cell.decode("utf-8", "replace").strip().strip('"').strip().lower()

"""Readings -> rows in a file that survives being cut off.

JSON lines go straight into their file, whole lines, as they come. CSV and Parquet files are made of such lines, kept
beside them until the end, and put in place in one step.
"""

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from mien.errors import DataError
from mien.files import replacing, unfollowed
from mien.locks import alone
from mien.recognition import flat
from mien.recognition.noted import as_noted, forget_note, put_note
from mien.recognition.records import Reading

_Place = tuple[int, int]
"""A line's offset in the file, and its length without the newline."""

KINDS = (".jsonl", ".csv", ".parquet")

_BEGIN = b'{"source": "'
"""Every line begins so."""


class RowWriter:
    """Writes a row for each face, and one for a picture without a face or that couldn't be read.

    Args:
        path: a .jsonl, .csv or .parquet file. classes: the network's, for the columns.
        resume: go on with the rows that are there. When a photo that couldn't be read comes again, or the last picture,
            whose rows may be incomplete, the new rows replace the old.
        overwrite: replace what is there.
        job: what the rows depend on, as plain data by the options' names; "network" stands for the network. It is noted
            next to the rows, in `.NAME.job.json`, so that they are resumed as they were begun.

    Until it is closed nobody else writes there. Nothing is touched before the first row, or the end of a run that went
    well. `noted` is what is noted of the rows that are resumed, and `unnoted` says that nothing is. `last` has for each
    source the last frame that is written already; 0 for photos. `unfinished` is the source that the file ends in: if it
    is a video, more may be to come.

    Raises:
        DataError: another kind of file; or another command writes there; or nothing can be written there; or it
            exists, and neither `resume` nor `overwrite` is set; or `resume` is, and its rows aren't a RowWriter's for
            these classes, or are another job's; or, at the end, what was written is gone.
        MissingExtra: a Parquet file without pyarrow.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        classes: Sequence[str],
        resume: bool = False,
        overwrite: bool = False,
        job: Mapping[str, Any] | None = None,
    ) -> None:
        self.path, self.kind = Path(path), Path(path).suffix.lower()
        if self.kind not in KINDS:
            raise DataError(f"{path}: rows are written to {', '.join(KINDS)} files.")
        if self.kind == ".parquet":
            flat.need_pyarrow()
        self.columns = flat.columns_of(classes)
        self.classes = frozenset(classes)
        self.lines = self.path if self.kind == ".jsonl" else self.path.with_name(f".{self.path.name}.part.jsonl")
        self.job, self.unnoted = job, False
        self.noted: dict[str, Any] = {}
        self.last: dict[str, int] = {}
        self.unfinished = ""
        self._again: dict[tuple[str, int], list[_Place]] = {}  # the lines of pictures that are done again
        self._end = 0  # where the rows that stay end
        self._blank = self._made = False
        self._file: BinaryIO | None = None
        with ExitStack() as held:
            held.enter_context(_alone(self.path))
            self._begin(resume, overwrite)
            self._held = held.pop_all()

    def _begin(self, resume: bool, overwrite: bool) -> None:
        hidden = self.lines is not self.path
        if self.path.is_symlink() and not self.path.exists() and not (hidden and overwrite):
            raise DataError(f"{self.path}: a link to {os.readlink(self.path)}, which isn't there. Name another file.")
        if hidden and self.lines.is_symlink():  # not one that mien or its user made
            raise DataError(f"{self.lines}: a link, where mien keeps rows meanwhile. Remove it.")
        there = self.path.exists() or self.lines.exists()
        if there and not (resume or overwrite):
            found = "it exists" if self.path.exists() else "a run that was stopped left rows for it"
            raise DataError(f"{self.path}: {found}. --resume goes on with it, --overwrite replaces it.")
        if there and resume:
            noted = {} if self.job is None else as_noted(self.path, self.job)
            self.unnoted, self.noted = noted is None, noted or {}
            if not self.lines.exists():
                self._made = True
                self._take_back()
            self._go_on()

    def write(self, reading: Reading) -> None:
        """Write a reading's rows, at once and together."""
        file = self._opened()
        for at, size in self._again.pop((reading.source, reading.frame), ()):
            file.seek(at)  # only now, so that a run that is killed before loses no row
            file.write(b" " * size)
            self._blank = True
        file.seek(0, os.SEEK_END)
        file.write(b"".join(json.dumps(row).encode() + b"\n" for row in reading.rows()))
        file.flush()

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self.lines.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._begun()
            self._file.truncate(self._end)
            if not self._end:  # now: never next to rows to be replaced; resumed rows keep theirs
                put_note(self.path, self.job) if self.job is not None else forget_note(self.path)
        return self._file

    def _begun(self) -> BinaryIO:
        """The file to write to. A link in place of the named file is followed; at the hidden name, which others could
        guess, none is."""
        if self.lines is self.path and self.path.exists():
            return open(self.path, "r+b" if self._end else "wb")
        if self._end:
            return open(self.lines, "r+b", opener=unfollowed)
        self.lines.unlink(missing_ok=True)
        return open(self.lines, "xb", opener=unfollowed)

    def __enter__(self) -> "RowWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        with self._held:
            self._finish(kind)

    def _finish(self, kind: type[BaseException] | None) -> None:
        if kind and self._file is None:
            if self._made:
                self.lines.unlink()
            return
        with self._opened() as file:
            still = _lies_at(file, self.lines)
        if not still:  # on Windows an open file can't be removed
            raise DataError(
                f"{self.path}: it was removed or replaced while it was written; its rows are lost. Write them again."
            )
        if self.kind != ".jsonl":
            try:
                with replacing(self.path) as beside:
                    (flat.write_csv if self.kind == ".csv" else flat.write_parquet)(beside, self._flat(), self.columns)
            except PermissionError as error:
                raise DataError(
                    f"{self.path}: can't be written ({error.strerror}); another program may hold it. No row is lost: "
                    "the same command with --resume writes them."
                ) from None
            except (ValueError, TypeError, AttributeError):  # somebody edited the lines
                raise self._unlike() from None
            if kind is None:
                self.lines.unlink()  # else --resume goes on with it
        elif self._blank:
            with replacing(self.path) as beside, open(self.path, "rb") as file, open(beside, "wb") as kept:
                kept.writelines(line for line in file if not line.isspace())

    def _go_on(self) -> None:
        """Read which pictures have rows, and where the lines are of those that are done again."""
        before: tuple[str, int] | None = None
        film = ""  # the last source, not counting the end's mark, if it is a video
        held: list[_Place] = []  # the lines of `before`
        with open(self.lines, "rb") as file:
            for number, line in enumerate(file, 1):
                at, size = self._end, len(line) - 1
                if line.isspace():  # blanked by a run that was killed
                    self._blank = True
                    self._end += len(line)
                    continue
                if (row := self._row(line, number)) is None:
                    break
                self._end += len(line)
                here = (row["source"], row["frame"])
                if row.get("status") == "failed" and row.get("time") is None:  # a photo, which may be mended meanwhile
                    self._again.setdefault(here, []).append((at, size))
                    continue
                if before and here != before:
                    self.last[before[0]] = before[1]
                    held = []
                if row["source"]:
                    film = row["source"] if row.get("time") is not None else ""
                before = here
                held.append((at, size))
        if not before:
            return
        self.unfinished = before[0] or film
        if before[0]:
            self._again[before] = held
        else:
            [(self._end, _)] = held

    def _row(self, line: bytes, number: int) -> dict[str, Any] | None:
        """The row of a line; None if it was cut off. Raises DataError if it isn't mien's."""
        row = _parsed(line)
        if row is None and not line.endswith(b"\n") and (line.startswith(_BEGIN) or _BEGIN.startswith(line)):
            return None
        if row is None:
            raise DataError(f"{self.path}: line {number:,} isn't a row of mien's. Name another file for --out.")
        if row.get("probabilities") and set(row["probabilities"]) != self.classes:
            raise self._unlike()
        return row

    def _unlike(self) -> DataError:
        saved = (
            " Or a spreadsheet saved it with semicolons or decimal commas: save it with commas and decimal points."
            if self.kind == ".csv"
            else ""
        )
        return DataError(
            f"{self.path}: its rows aren't mien's, or of a network that knows other expressions. Name another file "
            f"for --out.{saved}"
        )

    def _take_back(self) -> None:
        """Make lines again from the rows of a finished file."""
        rows = flat.read_csv(self.path, self.columns) if self.kind == ".csv" else flat.read_parquet(self.path)
        with replacing(self.lines) as beside, open(beside, "wb") as file:
            try:
                for row in rows:
                    line = json.dumps(flat.nested(row)).encode() + b"\n" if set(row) == set(self.columns) else b""
                    if _parsed(line) is None:
                        raise self._unlike()
                    file.write(line)
            except (ValueError, TypeError, LookupError, csv.Error):  # not text, or values that aren't like mien's
                raise self._unlike() from None
            end = {"source": "", "frame": 0}  # the run ended well, so its last picture isn't done again
            file.write(json.dumps(end).encode() + b"\n")

    def _flat(self) -> Iterator[dict[str, Any]]:
        with open(self.lines, "rb", opener=unfollowed) as file:
            for line in file:
                if row := _parsed(line):
                    yield flat.flattened(row)


def _lies_at(file: BinaryIO, path: Path) -> bool:
    """Whether the open file is still the one at `path`."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except (FileNotFoundError, NotADirectoryError):
        return False


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other commands from writing to `path` meanwhile."""
    place = Path(os.path.realpath(path)) if path.suffix.lower() == ".jsonl" else path  # a link is written through
    busy = DataError(f"{path}: another command writes there. Wait until it is done, or name another file.")
    with ExitStack() as held:
        try:
            held.enter_context(alone(place, busy))
            path.exists()  # fails if the name alone is too long
        except OSError as error:
            raise DataError(f"{path}: it can't be written there ({error.strerror}). Name another place.") from None
        yield


def _parsed(line: bytes) -> dict[str, Any] | None:
    """A line's row; None if it was cut off, or isn't mien's."""
    try:
        row = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        return None
    if isinstance(row, dict) and isinstance(row.get("source"), str) and isinstance(row.get("frame"), int):
        return row if isinstance(row.get("probabilities") or {}, dict) else None
    return None

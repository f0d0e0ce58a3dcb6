"""Who is in which picture: a CSV file of subjects, so that nobody is both trained and judged on."""

import csv
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError
from mien.names import composed

_NAME = ("file", "name", "filename", "path", "image")
_ROW = ("row", "index")
_SUBJECT = ("subject", "group", "person", "id", "identity")


@dataclass(frozen=True)
class Groups:
    """The subject of each file name, or of each row counted from 0 (`by_row`)."""

    path: Path
    subjects: dict[str, str] = field(repr=False)
    by_row: bool = False

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Groups":
        """Read a CSV file with a header: `file,subject`, or `row,subject` with rows counted from 0.

        Semicolons or tabs may stand for the commas, as spreadsheets of many languages save them.

        Raises:
            DataError: no such file, no UTF-8, other columns, an empty subject, or a file with two subjects.
        """
        path = Path(path)
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                first = file.readline()
                rows = csv.reader(chain([first], file), delimiter=max(",;\t", key=first.count))
                header = [cell.strip().lower() for cell in next(rows, [])]
                key, subject = (_column(header, names) for names in ((*_NAME, *_ROW), _SUBJECT))
                if key is None or subject is None:
                    raise DataError(
                        f"{path}: its columns are {', '.join(header) or 'none'}; needed are 'file' (or 'row', counted "
                        "from 0) and 'subject'."
                    )
                by_row = header[key] in _ROW
                return cls(path, dict(_pairs(path, rows, key, subject, by_row)), by_row)
        except UnicodeDecodeError:
            raise DataError(f'{path}: it isn\'t UTF-8. In a spreadsheet, save it as "CSV UTF-8".') from None
        except (OSError, csv.Error) as error:
            raise DataError(f"{path}: the subjects can't be read ({error}).") from None

    def of(self, names: Sequence[str]) -> NDArray[np.str_]:
        """`(N,)`: the subject of each of these files, found by the path from the folder, else by the bare file name.

        Raises:
            DataError: files without a subject (names some, counts all), or a bare name that several files have.
        """
        if self.by_row:
            return self.of_rows(range(len(names)))
        names = [*map(composed, names)]
        often = Counter(name.rpartition("/")[2] for name in names)
        found: list[str] = []
        missing: list[str] = []
        for name in names:
            bare = name.rpartition("/")[2]
            subject = self.subjects.get(name)
            if subject is None and (subject := self.subjects.get(bare)) is not None and often[bare] > 1:
                raise DataError(f"{self.path}: {bare} is the name of {often[bare]} files: give their paths ({name}).")
            found.append(subject or "")
            missing += [] if subject else [name]
        self._complain(missing, "file")
        return np.array(found, np.str_)

    def of_rows(self, rows: Iterable[int]) -> NDArray[np.str_]:
        """`(N,)`: the subject of each of these rows. Raises DataError as `of` does, and where files are named."""
        numbers = [str(row) for row in rows]
        if not self.by_row:
            raise DataError(
                f"{self.path}: it names files, but these faces are known by their rows: give a column 'row'."
            )
        self._complain([number for number in numbers if number not in self.subjects], "row")
        return np.array([self.subjects[number] for number in numbers], np.str_)

    def _complain(self, missing: list[str], kind: str) -> None:
        if missing:
            shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5:,} more" if len(missing) > 5 else "")
            plural = "" if len(missing) == 1 else "s"
            raise DataError(f"{self.path}: no subject for {len(missing):,} {kind}{plural}: {shown}.")


def _column(header: list[str], names: tuple[str, ...]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _pairs(path: Path, rows: Iterable[list[str]], key: int, subject: int, by_row: bool) -> Iterable[tuple[str, str]]:
    seen: dict[str, str] = {}
    for number, cells in enumerate(rows, 2):
        if not any(cell.strip() for cell in cells):
            continue
        name, who = (cells[at].strip() if at < len(cells) else "" for at in (key, subject))
        if not (name and who):
            raise DataError(f"{path}: line {number:,} has an empty {'subject' if name else 'name'}.")
        if by_row and not (len(name) <= 9 and name.isdecimal()):
            raise DataError(f"{path}: line {number:,}: {name[:20]!r} is no row number.")
        name = str(int(name)) if by_row else composed(name.replace("\\", "/").removeprefix("./"))
        if seen.setdefault(name, who) != who:
            raise DataError(f"{path}: line {number:,}: {name} has two subjects, {seen[name]} and {who}.")
        yield name, who

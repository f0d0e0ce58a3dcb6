"""Every CSV form of FER2013 -> Splits. Goodfellow et al. 2013, "Challenges in representation learning"."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mien.data.faces import UNLABELLED, FaceSet
from mien.data.groups import Groups
from mien.data.origin import DataPath
from mien.data.pixels import keep_freed_memory, parse
from mien.data.split import DRAWN, VAL_SHARE, split_off
from mien.data.splits import Splits
from mien.data.table import Row, Table, open_table, shown
from mien.errors import BadRow, DataError, check_kind
from mien.labels import FER2013

SIZE = 48
"""Pixels. Every face of FER2013 is 48×48 gray."""

_OTHERS_CALL_IT = ("label", "labels", "class", "target", "expression", "emotions")
"""Names of a column of labels that isn't read: without `emotion` its faces would count as unlabelled."""

USAGES = ("Training", "PublicTest", "PrivateTest")
"""FER2013's names for training, validation and test, in this order: what the contest ranked in public is the
validation split, what decided it in the end is the test split."""

_STRIPPED = b' \t\r\n"'
_SPLIT_OF = {usage.encode(): split for split, usage in enumerate(USAGES)}
_LABEL_OF = {str(label).encode(): label for label in range(len(FER2013))}


def load_fer2013(
    path: str | os.PathLike[str], *, skip_bad_rows: bool = False, groups: str | os.PathLike[str] | None = None
) -> Splits:
    """Read FER2013 from a CSV file: Training -> train, PublicTest -> val, PrivateTest -> test.

    Takes Kaggle's `fer2013.csv` and `icml_face_data.csv`; the contest's `train.csv`, which has no Usage, so that
    a seeded, stratified 15 % of it become the validation split; and the contest's `test.csv`, whose faces have
    no label. Each plain or packed with gzip, xz or zip. The file is streamed: beside the faces themselves
    (2,304 bytes each) it needs a few megabytes.

    Args:
        path: the file.
        skip_bad_rows: leave bad rows out and count them in `left_out`, rather than raise.
        groups: a CSV file of `row,subject`; where there is no Usage, whole subjects become the validation split.

    Returns:
        Splits of 48×48 gray faces. `rows` are the places in the file from 0, bad rows included in the count.

    Raises:
        DataError: a missing column, an empty, damaged or truncated file; or bad rows (wrong number of pixels, a
            value outside 0..255, text, an unknown label or usage). It names the first ten and counts all.
    """
    check_kind(
        path, str | os.PathLike, DataError,
        "load_fer2013 reads a CSV file, so give its path; faces of a pandas DataFrame: FaceSet.from_pandas(frame).",
    )  # fmt: skip
    with open_table(path, fits=_fits) as table:
        columns = _columns(table)
        reader = _Reader(columns, len(table.columns))
        keep_freed_memory()
        for rows in table.blocks():
            reader.add(rows)
        if reader.bad_count and not skip_bad_rows:
            raise DataError.of_rows(table.source, reader.bad, reader.bad_count)
        if not any(part.n for part in reader.parts):
            found = f"none of its {reader.bad_count:,} rows can be used" if reader.bad_count else "it has no rows"
            detail = "".join(f"\n  {row}" for row in reader.bad)
            raise DataError(f"{table.source}: {found}.{detail}")
        splits = _splits(reader, columns, table.source, Groups.read(groups) if groups is not None else None)
    origin = DataPath(path, skip_bad_rows=skip_bad_rows, groups=groups)
    return replace(splits, origin=origin.from_root())


def _fits(columns: Sequence[str]) -> int:
    """For a zip with several tables: one with all splits before one with labels before one with pixels only."""
    return 0 if "pixels" not in columns else 1 + ("emotion" in columns) + ("usage" in columns)


def _columns(table: Table) -> dict[str, int]:
    """Where the columns stand, or -1; a file without Usage, or with pixels only, is one of the contest's."""
    known = ("emotion", "pixels", "usage")
    places = {name: table.columns.index(name) for name in known if name in table.columns}
    need = ("pixels", "emotion") if "usage" in places else ("pixels",)
    missing = [repr(name) for name in need if name not in places]
    if missing:
        found = ", ".join(shown(name) for name in table.columns[:8])
        raise DataError(
            f"{table.source}: no column {' and no column '.join(missing)}; found {found}. "
            "FER2013 has the columns emotion, pixels and Usage. A table of picture files and labels isn't read: put "
            "the pictures into a folder for each class, or make a FaceSet in Python."
        )
    if "emotion" not in places and (others := [name for name in table.columns if name in _OTHERS_CALL_IT]):
        raise DataError(f"{table.source}: no column 'emotion', but {others[0]!r}. Call the labels, 0..6, emotion.")
    twice = [name for name in places if table.columns.count(name) > 1]
    if twice:
        raise DataError(f"{table.source}: the column {twice[0]!r} stands there twice.")
    return {name: places.get(name, -1) for name in known}


class _Part:
    """The faces of one split, in arrays that grow. They are resized in place: no second copy, however many come."""

    def __init__(self) -> None:
        self.n = 0
        self.images = np.empty((1024, SIZE, SIZE), np.uint8)
        self.labels = np.empty(1024, np.int64)
        self.rows = np.empty(1024, np.int64)

    def add(self, images: NDArray[np.uint8], labels: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        end = self.n + len(images)
        if end > len(self.images):
            self._resize(max(end, len(self.images) * 5 // 4))
        here = slice(self.n, end)
        self.images[here], self.labels[here], self.rows[here] = images.reshape(-1, SIZE, SIZE), labels, rows
        self.n = end

    def faces(self, source: str) -> FaceSet:
        self._resize(self.n)
        return FaceSet(self.images, self.labels, rows=self.rows, source=source)

    def _resize(self, n: int) -> None:
        # refcheck would refuse when a debugger or a profiler holds the array; no view of it ever leaves this class.
        self.images.resize((n, SIZE, SIZE), refcheck=False)
        self.labels.resize(n, refcheck=False)
        self.rows.resize(n, refcheck=False)


class _Reader:
    """Takes blocks of rows, sorts good ones into the three splits and keeps account of bad ones."""

    def __init__(self, columns: dict[str, int], width: int) -> None:
        self.parts = (_Part(), _Part(), _Part())
        self.bad: list[BadRow] = []
        self.bad_count = 0
        self._emotion, self._pixels, self._usage = columns["emotion"], columns["pixels"], columns["usage"]
        self._width = width
        self._no_usage = 0 if self._emotion >= 0 else 2  # the contest's train.csv and test.csv

    def add(self, rows: list[Row]) -> None:
        good, heads, texts = [], [], []
        for row in rows:
            head = self._head(row)
            if isinstance(head, str):
                self._refuse([row.bad(head)])
                continue
            good.append(row)
            heads.append(head)
            texts.append(row.cells[self._pixels].strip(_STRIPPED))
        images, wrong = parse(texts, SIZE * SIZE)
        if wrong:
            self._refuse(good[at].bad(found) for at, found in wrong.items())
            fine = [at for at in range(len(good)) if at not in wrong]
            good, heads = [good[at] for at in fine], [heads[at] for at in fine]
        labels, splits = np.array(heads, np.int64).reshape(-1, 2).T
        places = np.array([row.place for row in good], np.int64)
        present = set(splits.tolist())
        for split in present:
            chosen = splits == split if len(present) > 1 else slice(None)
            self.parts[split].add(images[chosen], labels[chosen], places[chosen])

    def _head(self, row: Row) -> tuple[int, int] | str:
        """(label, split) of a row, or what is wrong with it."""
        if len(row.cells) != self._width:
            return f"{len(row.cells)} columns instead of {self._width} (is the file cut off here?)"
        label, split = UNLABELLED, self._no_usage
        if self._emotion >= 0:
            cell = row.cells[self._emotion].strip(_STRIPPED)
            if cell not in _LABEL_OF:
                return f"unknown label {shown(cell)}; labels are 0..{len(FER2013) - 1}"
            label = _LABEL_OF[cell]
        if self._usage >= 0:
            cell = row.cells[self._usage].strip(_STRIPPED)
            if cell not in _SPLIT_OF:
                return f"unknown usage {shown(cell)}; usages are {', '.join(USAGES)}"
            split = _SPLIT_OF[cell]
        return label, split

    def _refuse(self, rows: Iterable[BadRow]) -> None:
        for row in rows:
            self.bad_count += 1
            if len(self.bad) < 10:
                self.bad.append(row)


def _splits(reader: _Reader, columns: dict[str, int], source: str, groups: Groups | None) -> Splits:
    train, val, test = (part.faces(source) for part in reader.parts)
    if columns["usage"] < 0 and columns["emotion"] >= 0:
        source = f"{source} (no Usage: a stratified {VAL_SHARE:.0%} of it {DRAWN} 0)"
        train, val = split_off(train, subjects=groups.of_rows(train.rows.tolist()) if groups else None)
    return Splits(train, val, test, source, reader.bad_count)

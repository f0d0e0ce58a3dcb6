"""FER+: the votes of ten annotators for every row of FER2013 -> soft targets.

Barsoum et al. 2016, "Training deep networks for facial expression recognition with crowd-sourced label distribution".
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.data.faces import FaceSet
from mien.data.fer2013 import USAGES, load_fer2013
from mien.data.mapped import is_mapped, load_mapped
from mien.data.splits import Splits
from mien.data.table import Row, Table, open_table, shown
from mien.errors import BadRow, DataError, check_kind
from mien.labels import FERPLUS, expression

NO_FACE, UNKNOWN, TIE = "no face", "unknown", "tie"
"""Marks of faces whose votes have no winner among the expressions."""

_COLUMNS = (*FERPLUS, "unknown", "nf")  # our order; the file has its own order and names
_STRIPPED = ' \t\r\n"'


def load_ferplus(
    votes: str | os.PathLike[str], images: str | os.PathLike[str] | Splits, *, skip_bad_rows: bool = False
) -> Splits:
    """Join FER+'s votes to the faces of FER2013, row by row.

    The n-th row of the votes belongs to the n-th row of FER2013's CSV file, so the faces are joined by
    `FaceSet.rows`. The image names in the votes file are not looked at: they count only the rows that have a
    name, and from row 18 on differ from the row's number.

    Args:
        votes: `fer2013new.csv`, plain or packed with gzip, xz or zip.
        images: FER2013's CSV file, a `.npz` or `.faces` of it, or what `load_fer2013` gave.
        skip_bad_rows: leave out faces whose row (in either file) is bad, and count them in `left_out`.

    Returns:
        Splits whose targets are `(N, 8)` float32, the share of each expression among the votes for any expression;
        all 0 where nobody voted for one. The classes are `labels.FERPLUS`. No row is dropped. Of the ten counts
        (eight expressions, unknown, not a face) the largest decides the mark: "no face", "unknown", "tie" where
        two share the largest, "" where an expression has it alone.

    Raises:
        DataError: a bad file or bad rows, as `load_fer2013`; or votes and images that aren't the same rows: other
            usages, other numbers of rows, or labels that hardly agree.
    """
    check_kind(votes, str | os.PathLike, DataError, "load_ferplus takes the path of the votes first, then the images.")
    with open_table(votes, fits=lambda columns: len(_ours(columns))) as table:  # first: it tells whether they are these
        ballot = _Ballot.read(table)
    splits = images if isinstance(images, Splits) else _images(Path(images), skip_bad_rows)
    if ballot.bad and not skip_bad_rows:
        raise DataError.of_rows(ballot.source, ballot.bad)
    _check_rows(splits, ballot)
    _check_agreement(splits, ballot)
    train, val, test = (_joined(faces, ballot) for _, faces in splits)
    dropped = sum(len(faces) for _, faces in splits) - len(train) - len(val) - len(test)
    origin = splits.origin and replace(splits.origin, votes=votes, skip_bad_rows=skip_bad_rows).from_root()
    return Splits(train, val, test, f"{splits.source} + {ballot.source}", splits.left_out + dropped, origin=origin)


def _images(path: Path, skip_bad_rows: bool) -> Splits:
    if is_mapped(path):
        return load_mapped(path)
    if os.path.isdir(path):
        raise DataError(
            f"{path}: a folder of images doesn't tell which row of FER2013 each face was, so FER+'s votes can't be "
            "joined to it. Give fer2013.csv, or a .npz or .faces made from it."
        )
    return Splits.load(path) if path.suffix.lower() == ".npz" else load_fer2013(path, skip_bad_rows=skip_bad_rows)


def _ours(columns: Sequence[str]) -> dict[str, int]:
    """Where our ten columns of votes stand, and `usage`."""
    places = {expression(name): at for at, name in enumerate(columns)}
    return {name: places[name] for name in ("usage", *_COLUMNS) if name in places}


@dataclass(frozen=True)
class _Ballot:
    """The votes file: `counts` `(n, 10)`, `usage` `(n,)` the split of each row, -1 in both where a row is bad."""

    source: str
    counts: NDArray[np.int64]
    usage: NDArray[np.int64]
    bad: list[BadRow]

    @classmethod
    def read(cls, table: Table) -> "_Ballot":
        places = _ours(table.columns)
        missing = [name for name in ("usage", *_COLUMNS) if name not in places]
        if missing:
            found = ", ".join(shown(name) for name in table.columns[:14])
            hint = " These are FER2013's faces: are the two files swapped?" if "pixels" in table.columns else ""
            raise DataError(f"{table.source}: no column for {', '.join(missing)}; found {found}.{hint}")
        read: list[list[int]] = []
        bad = []
        for rows in table.blocks():
            for row in rows:
                values = _values(row, len(table.columns), places)
                if isinstance(values, str):
                    bad.append(row.bad(values))
                    values = [-1] * (1 + len(_COLUMNS))
                read.append(values)
        if not read:
            raise DataError(f"{table.source}: it has no rows.")
        numbers = np.array(read, np.int64)
        return cls(table.source, numbers[:, 1:], numbers[:, 0], bad)

    @property
    def marks(self) -> NDArray[np.str_]:
        """`(n,)` what the plurality says."""
        most = self.counts.max(1, keepdims=True)
        shared = (self.counts == most).sum(1) > 1
        meaning = np.array([*[""] * len(FERPLUS), UNKNOWN, NO_FACE])
        return np.where(shared, TIE, meaning[self.counts.argmax(1)])


def _values(row: Row, width: int, places: dict[str, int]) -> list[int] | str:
    """The split and the ten counts of a row, or what is wrong with it."""
    if len(row.cells) != width:
        return f"{len(row.cells)} columns instead of {width} (is the file cut off here?)"
    cells = [row.cells[at].decode("utf-8", "replace").strip(_STRIPPED) for at in places.values()]
    if cells[0] not in USAGES:
        return f"unknown usage {shown(cells[0])}; usages are {', '.join(USAGES)}"
    for name, cell in zip(_COLUMNS, cells[1:], strict=True):
        if not (cell.isascii() and cell.isdigit() and len(cell) <= 4):
            return f"{shown(cell)} votes for {name}; a count of votes was expected"
    counts = [int(cell) for cell in cells[1:]]
    return [USAGES.index(cells[0]), *counts] if any(counts) else "no votes at all"


def _check_rows(splits: Splits, ballot: _Ballot) -> None:
    missing = 0
    for split, (_, faces) in enumerate(splits):
        if not len(faces):
            continue
        if faces.rows.min() < 0 or faces.rows.max() >= len(ballot.usage):
            raise DataError(
                f"{ballot.source}: votes for {len(ballot.usage):,} rows, but the images' rows, counted from 0, go up "
                f"to {faces.rows.max():,} ({splits.source}). Both must be the whole data set."
            )
        found = ballot.usage[faces.rows]
        wrong = np.flatnonzero((found != split) & (found >= 0))
        if len(wrong):
            at = wrong[0]
            raise DataError(
                f"Row {faces.rows[at]:,}, counted from 0, is {USAGES[split]} in {splits.source} but "
                f"{USAGES[found[at]]} in {ballot.source}. Votes are joined by row: both files must have "
                "all rows, in the original order."
            )
        missing += int((ballot.usage == split).sum() + (found < 0).sum() - len(faces))
    if not 0 <= missing <= splits.left_out:
        raise DataError(
            f"{ballot.source} has {abs(missing):,} rows {'more' if missing > 0 else 'fewer'} for the splits of "
            f"{splits.source} than that has faces. Votes are joined by row: both files must have all rows."
        )


def _check_agreement(splits: Splits, ballot: _Ballot) -> None:
    """Refuse votes for other faces. FER2013's labels agree with the plurality in 65 % of the rows; by chance, 20 %."""
    winner = np.where(ballot.marks == "", ballot.counts.argmax(1), -1)
    same = compared = 0
    for _, faces in splits:
        won = winner[faces.rows] if len(faces) else np.empty(0, np.int64)
        known = (faces.labels >= 0) & (won >= 0)
        same += int((faces.labels == won)[known].sum())
        compared += int(known.sum())
    if compared >= 1000 and same < 0.4 * compared:
        raise DataError(
            f"Only {same / compared:.0%} of the labels in {splits.source} agree with {ballot.source}; of the true pair "
            "65 % do. The rows of the two don't belong together: are the images in their original order?"
        )


def _joined(faces: FaceSet, ballot: _Ballot) -> FaceSet:
    fine = ballot.usage[faces.rows] >= 0
    faces = faces if fine.all() else faces[fine]
    counts = ballot.counts[faces.rows, : len(FERPLUS)]
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return faces.replaced(
        targets=shares.astype(np.float32),
        classes=FERPLUS,
        marks=ballot.marks[faces.rows],
        source=f"{faces.source} + {ballot.source}",
    )

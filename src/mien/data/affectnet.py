"""AffectNet as it is handed out -> Listing. Mollahosseini, Hasani and Mahoor, 2019.

Two layouts: the small one, `train_set/images/0.jpg` with `train_set/annotations/0_exp.npy` and the same in `val_set`;
and the full one, whose `training.csv` and `validation.csv` say where in each photo the face is. AffectNet gives no test
split; its own validation faces are `val`.
"""

import csv
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from mien.data.faces import UNLABELLED
from mien.data.listing import TRAIN, VAL, Listed, Listing
from mien.errors import DataError
from mien.files import regular
from mien.labels import FER2013, FERPLUS
from mien.names import litter

LABELS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
"""AffectNet's numbers, in an order of their own."""

MARKS = {8: "none", 9: "unknown", 10: "no face"}
"""Three more numbers of the full layout, which aren't expressions. Such faces have no label."""

_SETS = {"train_set": TRAIN, "val_set": VAL}
_TABLES = {"training.csv": TRAIN, "validation.csv": VAL}
_COLUMNS = ("subdirectory_filepath", "face_x", "face_y", "face_width", "face_height", "expression")


def list_affectnet(root: Path) -> Listing | None:
    """The listing when this folder has one of AffectNet's layouts, else None.

    The classes are FER2013's seven, and contempt as the eighth where there is some.

    A picture without a label, and a line that names none, is listed with its problem.
    """
    if _has_sets(root):
        rows = _small(root)
    elif tables := _tables([*root.glob("*.csv"), *root.glob("*/*.csv")]):
        rows = _full(root, tables)
    else:
        return None
    listed = list(rows)
    eight = any(label == LABELS.index("contempt") for label, _ in listed)
    classes = FERPLUS if eight else FER2013
    number = [classes.index(name) for name in (LABELS if eight else LABELS[:7])]
    files = [file._replace(label=number[label]) if 0 <= label < len(LABELS) else file for label, file in listed]
    return Listing(root, classes, files)


def lies_in(folder: Path) -> bool:
    """Whether one of AffectNet's sets or tables lies in this very folder, rather than in one below it."""
    return _has_sets(folder) or bool(_tables(folder.glob("*.csv")))


def _has_sets(root: Path) -> bool:
    return any((root / name / "annotations").is_dir() for name in _SETS)


Rows = Iterable[tuple[int, Listed]]
"""AffectNet's number for each file, -1 where it can't be told, and the file, without a class as yet."""


def _small(root: Path) -> Rows:
    for folder, split in _SETS.items():
        if not (root / folder).is_dir():
            continue
        pictures = [path for path in (root / folder / "images").glob("*") if not litter(path.name)]
        for path in sorted(pictures, key=lambda path: (len(path.stem), path.stem)):  # 2.jpg before 10.jpg
            note = root / folder / "annotations" / f"{path.stem}_exp.npy"
            try:
                with open(note, "rb", opener=regular) as file:
                    label = int(np.load(file, allow_pickle=False))  # a number, or a number as text
                if not 0 <= label < len(LABELS):
                    raise ValueError(f"label {label} isn't 0..7")
            except Exception as error:  # on damaged bytes numpy and zipfile raise nearly every kind there is
                found = "no such annotation" if isinstance(error, FileNotFoundError) else f"no label ({error})"
                yield -1, Listed(split, UNLABELLED, path, problem=f"{note.name}: {found}")
                continue
            yield label, Listed(split, UNLABELLED, path)


def _tables(found: Iterable[Path]) -> dict[Path, int]:
    """The full layout's tables among these files, and the split of each."""
    tables = {path: _TABLES[path.name] for path in sorted(found) if path.name in _TABLES and path.is_file()}
    return {path: split for path, split in tables.items() if _header(path) >= set(_COLUMNS)}


def _header(path: Path) -> set[str]:
    return {cell.strip().lower() for cell in next(_lines(path), [])}


def _lines(table: Path) -> Iterator[list[str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            yield from csv.reader(file)
    except csv.Error as error:
        raise DataError(f"{table}: not a table of AffectNet's, or damaged ({error}).") from None


def _full(root: Path, tables: dict[Path, int]) -> Rows:
    for table, split in tables.items():
        rows = _lines(table)
        header = [cell.strip().lower() for cell in next(rows)]
        at = [header.index(name) for name in _COLUMNS]
        for number, cells in enumerate(rows, 2):
            if any(cells):
                label, found = _row(root, table, [cells[k].strip() if k < len(cells) else "" for k in at], split)
                told = f"line {number:,} of {table.name}: {found.problem}" if found.problem else ""
                yield label, found._replace(problem=told)


def _row(root: Path, table: Path, cells: list[str], split: int) -> tuple[int, Listed]:
    where, *box, expression = cells
    label = int(expression) if len(expression) <= 9 and expression.isdecimal() else -1
    if not where:
        return -1, Listed(split, UNLABELLED, table, problem="no file is named")
    if Path(where).anchor or ".." in Path(where).parts:  # on Windows "/a" and "C:a" lead elsewhere, too
        return -1, Listed(split, UNLABELLED, table, problem=f"{where!r} leads out of the data set")
    pictures = (root / folder / where for folder in _PICTURES)
    picture = next((path for path in pictures if os.path.exists(path)), root / where)  # also of a name that is too long
    if not 0 <= label < len(LABELS) + len(MARKS):
        return -1, Listed(split, UNLABELLED, picture, problem=f"expression {expression[:20]!r} isn't 0..10")
    try:
        left, top, width, height = (int(float(cell)) for cell in box)
        face = (left, top, left + width, top + height) if width > 0 and height > 0 else None
    except (ValueError, OverflowError):  # NULL where nobody found a face
        face = None
    if face is None and label not in MARKS:
        problem = f"a face with an expression, but it stands at {', '.join(box)}"
        return -1, Listed(split, UNLABELLED, picture, problem=problem)
    return label, Listed(split, UNLABELLED, picture, face, MARKS.get(label, ""))


_PICTURES = (
    "Manually_Annotated_Images",
    "Manually_Annotated/Manually_Annotated_Images",
    "Manually_Annotated",
    "images",
    "",
)

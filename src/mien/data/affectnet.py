"""AffectNet as it is handed out -> Listing. Mollahosseini, Hasani and Mahoor, 2019.

Two layouts: the small one, `train_set/images/0.jpg` with `train_set/annotations/0_exp.npy` and the same in `val_set`;
and the full one, whose `training.csv` and `validation.csv` say where in each photo the face is. AffectNet gives no test
split; its own validation faces are `val`.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mien.data.faces import UNLABELLED
from mien.data.listing import TRAIN, VAL, Listed, Listing, litter
from mien.errors import BadRow, DataError
from mien.labels import FER2013, FERPLUS

LABELS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
"""AffectNet's numbers, in an order of their own."""

MARKS = {8: "none", 9: "unknown", 10: "no face"}
"""Three more numbers of the full layout, which are no expression. Such faces come without a label."""

_SETS = {"train_set": TRAIN, "val_set": VAL}
_TABLES = {"training.csv": TRAIN, "validation.csv": VAL}
_COLUMNS = ("subdirectory_filepath", "face_x", "face_y", "face_width", "face_height", "expression")


def list_affectnet(root: Path) -> Listing | None:
    """The listing when this folder has one of AffectNet's layouts, else None.

    The classes are FER2013's seven, and contempt as the eighth where there is some.

    Raises:
        DataError: an annotation that is missing or no label, a table without a column, or no picture folder.
    """
    if any((root / name / "annotations").is_dir() for name in _SETS):
        rows = _small(root)
    elif tables := _tables(root):
        rows = _full(root, tables)
    else:
        return None
    found = list(rows)
    listed = [row for row in found if not isinstance(row, BadRow)]
    bad = [row for row in found if isinstance(row, BadRow)]
    if bad:
        raise DataError.of_rows(str(root), bad)
    eight = any(label == LABELS.index("contempt") for label, _ in listed)
    classes = FERPLUS if eight else FER2013
    number = [classes.index(name) for name in (LABELS if eight else LABELS[:7])]
    files = [file._replace(label=UNLABELLED if label in MARKS else number[label]) for label, file in listed]
    return Listing(root, classes, files)


Rows = Iterable[tuple[int, Listed] | BadRow]


def _small(root: Path) -> Rows:
    for folder, split in _SETS.items():
        if not (root / folder).is_dir():
            continue
        pictures = [path for path in (root / folder / "images").glob("*") if not litter(path.name)]
        for path in sorted(pictures, key=lambda path: (len(path.stem), path.stem)):  # 2.jpg before 10.jpg
            note = root / folder / "annotations" / f"{path.stem}_exp.npy"
            try:
                label = int(np.load(note, allow_pickle=False))  # a number, or a number as text
                if not 0 <= label < len(LABELS):
                    raise ValueError(f"label {label} isn't 0..7")
            except (OSError, ValueError, TypeError, EOFError) as error:
                found = "no such annotation" if isinstance(error, FileNotFoundError) else f"no label ({error})"
                yield BadRow(str(note.relative_to(root)), found)
                continue
            yield label, Listed(split, label, path)


def _tables(root: Path) -> dict[Path, int]:
    """The full layout's tables: in the folder itself, or in one below it."""
    found = {path: _TABLES[path.name] for path in sorted(root.glob("*.csv")) if path.name in _TABLES}
    found |= {path: _TABLES[path.name] for path in sorted(root.glob("*/*.csv")) if path.name in _TABLES}
    return {path: split for path, split in found.items() if _header(path) >= set(_COLUMNS)}


def _header(path: Path) -> set[str]:
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        return {cell.strip().lower() for cell in next(csv.reader(file), [])}


def _full(root: Path, tables: dict[Path, int]) -> Rows:
    for table, split in tables.items():
        with table.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            rows = csv.reader(file)
            header = [cell.strip().lower() for cell in next(rows)]
            at = [header.index(name) for name in _COLUMNS]
            for number, cells in enumerate(rows, 2):
                if any(cells):
                    yield _row(
                        root, table.name, number, [cells[k].strip() if k < len(cells) else "" for k in at], split
                    )


def _row(root: Path, table: str, number: int, cells: list[str], split: int) -> tuple[int, Listed] | BadRow:
    where, *box, expression = cells
    label = int(expression) if expression.isdecimal() else -1
    if not where or not 0 <= label < len(LABELS) + len(MARKS):
        return BadRow(f"line {number:,} of {table}", f"expression {expression!r} isn't 0..10, or no file is named")
    if Path(where).is_absolute() or ".." in Path(where).parts:
        return BadRow(f"line {number:,} of {table}", f"{where!r} leads out of the data set")
    try:
        left, top, width, height = (int(float(cell)) for cell in box)
        face = (left, top, left + width, top + height) if width > 0 and height > 0 else None
    except (ValueError, OverflowError):  # NULL where nobody found a face
        face = None
    if face is None and label not in MARKS:
        return BadRow(f"line {number:,} of {table}", f"a face with an expression, but it stands at {', '.join(box)}")
    picture = next((path for folder in _PICTURES if (path := root / folder / where).exists()), root / where)
    return label, Listed(split, label, picture, face, MARKS.get(label, ""))


_PICTURES = (
    "Manually_Annotated_Images",
    "Manually_Annotated/Manually_Annotated_Images",
    "Manually_Annotated",
    "images",
    "",
)

"""Rows as tables: CSV and Parquet files have a column for each value, so nested values are flattened, and nested again
when a run is resumed."""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from mien.errors import DataError, MissingExtra, first_line
from mien.names import escaped, unescaped
from mien.recognition.records import LANDMARKS

_BOX = ("x", "y", "box_width", "box_height")
_POINTS = tuple(f"{name}_{axis}" for name in LANDMARKS for axis in "xy")
_INTS = ("frame", "face", "width", "height")
_TEXTS = ("source", "status", "label", "error")
_PLAIN = ("source", "frame", "time", "status", "face", "label", "confidence", "uncertain")


def columns_of(classes: Sequence[str]) -> tuple[str, ...]:
    """The names of the columns, for a network of these classes."""
    return (*_PLAIN, *_BOX, "detection", "width", "height", "error", *(f"p_{name}" for name in classes), *_POINTS)


def flattened(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `Reading.rows()` with a value for each column."""
    flat = {name: row.get(name) for name in (*_PLAIN, "detection", "width", "height", "error")}
    flat |= dict(zip(_BOX, row.get("box") or [None] * 4, strict=True))
    flat |= {f"p_{name}": value for name, value in (row.get("probabilities") or {}).items()}
    points = [value for point in row.get("landmarks") or [[None, None]] * 5 for value in point]
    flat |= dict(zip(_POINTS, points, strict=True))
    # a file's name that isn't text is escaped; any other stays as it is, even one that a spreadsheet would take for a
    # formula: changed, it would name no file
    return {name: escaped(v) if isinstance(v, str) else v for name, v in flat.items()}


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    """The opposite of `flattened`."""
    row = {name: flat[name] for name in (*_PLAIN, "detection", "width", "height", "error")}
    row["source"] = unescaped(row["source"])
    chances = {name[2:]: value for name, value in flat.items() if name.startswith("p_")}
    row["probabilities"] = chances if row["label"] else None
    row["box"] = [flat[name] for name in _BOX] if flat["x"] is not None else None
    points = [flat[name] for name in _POINTS]
    row["landmarks"] = [points[i : i + 2] for i in range(0, 10, 2)] if points[0] is not None else None
    return row


def write_csv(path: Path, rows: Iterator[dict[str, Any]], columns: Sequence[str]) -> None:
    """Write flat rows as CSV, in UTF-8."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The flat rows of a CSV file. Raises ValueError, KeyError or csv.Error where they aren't such rows."""
    with open(path, newline="", encoding="utf-8-sig") as file:  # with Excel's byte order mark or without
        reader = csv.DictReader(file)
        if reader.fieldnames and set(reader.fieldnames) != set(columns):
            raise ValueError("other columns")
        for row in reader:
            if None in row or None in row.values():
                raise ValueError("a row that is longer or shorter")
            yield {name: _value(name, text) for name, text in row.items()}


def _value(name: str, text: str) -> Any:
    if text == "":
        return None
    if name in _TEXTS:
        return text
    if name == "uncertain":
        return {"true": True, "false": False}[text.casefold()]  # Excel saves TRUE
    return int(text) if name in _INTS else float(text)


def write_parquet(path: Path, rows: Iterator[dict[str, Any]], columns: Sequence[str]) -> None:
    """Write flat rows as Parquet."""
    arrow = need_pyarrow()
    kinds = dict.fromkeys(_TEXTS, arrow.string()) | dict.fromkeys(_INTS, arrow.int64()) | {"uncertain": arrow.bool_()}
    schema = arrow.schema([(name, kinds.get(name, arrow.float64())) for name in columns])
    with arrow.parquet.ParquetWriter(path, schema) as writer:
        while some := list(islice(rows, 4096)):
            writer.write_table(arrow.Table.from_pylist(some, schema))


def read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    """The flat rows of a Parquet file. Raises DataError where it is damaged."""
    arrow = need_pyarrow()
    try:
        with arrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(4096):
                yield from batch.to_pylist()
    except (arrow.ArrowInvalid, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # the disk's; arrow's own, of damaged pages, has none
            raise
        raise DataError(f"{path}: damaged, not a Parquet file ({first_line(error)}).") from None


def need_pyarrow() -> Any:
    """pyarrow with its Parquet. Raises MissingExtra where it isn't installed."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra("pyarrow", "parquet", "Writing Parquet files") from None
    return pyarrow

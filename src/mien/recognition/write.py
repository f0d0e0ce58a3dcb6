"""Readings -> rows in a file that survives being cut off.

JSON lines go straight into their file, whole lines, as they come. CSV and Parquet files are made of such lines, kept
beside them until the end, and put in place in one step.
"""

import csv
import json
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from mien.errors import DataError, MissingExtra
from mien.files import replacing
from mien.recognition.records import LANDMARKS, Reading

KINDS = (".jsonl", ".csv", ".parquet")
_BOX = ("x", "y", "box_width", "box_height")
_POINTS = tuple(f"{name}_{axis}" for name in LANDMARKS for axis in "xy")
_INTS = ("frame", "face", "width", "height")
_TEXTS = ("source", "status", "label", "error")
_BEGIN = b'{"source": "'
"""What every line begins with."""
_PLAIN = ("source", "frame", "time", "status", "face", "label", "confidence", "uncertain")


class RowWriter:
    """Writes a row for each face, and one for a picture without a face or that couldn't be read.

    Args:
        path: a .jsonl, .csv or .parquet file. classes: the network's, for the columns.
        resume: go on with what is there. Photos that couldn't be read are tried again, and the last picture is done
            again where it comes again, as it may be cut off.
        overwrite: replace what is there.

    `last` has for each source the last frame that is written already; 0 for photos. `unfinished` is the source that
    the file ends in: of a video there may be more to come.

    Raises:
        DataError: another kind of file; or it exists, and neither `resume` nor `overwrite` was said, or it shall be
            gone on with and its rows aren't a RowWriter's for these classes.
        MissingExtra: a Parquet file without pyarrow.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, classes: Sequence[str], resume: bool = False, overwrite: bool = False
    ) -> None:
        self.path, self.kind = Path(path), Path(path).suffix.lower()
        if self.kind not in KINDS:
            raise DataError(f"{path}: rows are written to {', '.join(KINDS)} files.")
        if self.kind == ".parquet":
            _pyarrow()
        self.columns = (*_PLAIN, *_BOX, "detection", "width", "height", "error", *(f"p_{name}" for name in classes))
        self.columns += _POINTS
        self.classes = frozenset(classes)
        self.lines = self.path if self.kind == ".jsonl" else self.path.with_name(f".{self.path.name}.part.jsonl")
        there = self.path.exists() or self.lines.exists()
        if there and not (resume or overwrite):
            found = self.path if self.path.exists() else self.lines
            raise DataError(f"{found} exists. --resume goes on with it, --overwrite replaces it.")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.last: dict[str, int] = {}
        self.unfinished = ""
        self._again: dict[tuple[str, int], list[bytes]] = {}  # the lines of pictures that are to be done again
        if there and resume:
            if not self.lines.exists():
                self._take_back()
            self._go_on()
        self._file: BinaryIO = open(self.lines, "wb" if not resume else "ab")  # noqa: SIM115 closed by __exit__

    def write(self, reading: Reading) -> None:
        """Write a reading's rows, at once and together."""
        self._again.pop((reading.source, reading.frame), None)
        self._file.write(b"".join(json.dumps(row).encode() + b"\n" for row in reading.rows()))
        self._file.flush()

    def __enter__(self) -> "RowWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        for lines in self._again.values():  # which didn't come again
            self._file.write(b"".join(lines))
        self._file.close()
        if self.kind != ".jsonl":
            with replacing(self.path) as beside:
                (_write_csv if self.kind == ".csv" else _write_parquet)(beside, self._flat(), self.columns)
            if kind is None:
                self.lines.unlink()  # else --resume goes on with it

    def _go_on(self) -> None:
        """Keep the rows that are there, but for those that are done again, and note what they are of."""
        before: tuple[str, int] | None = None
        held: list[bytes] = []  # the lines of the picture `before`
        with replacing(self.lines) as beside, open(self.lines, "rb") as file, open(beside, "wb") as kept:
            for number, line in enumerate(file, 1):
                if (row := self._row(line, number)) is None:
                    break
                here = (row["source"], row["frame"])
                if row.get("status") == "failed" and row["time"] is None:  # a photo, perhaps mended meanwhile
                    self._again[here] = [line]
                    continue
                if before and here != before:
                    kept.writelines(held)
                    self.last[before[0]] = before[1]
                    held = []
                before = here
                held.append(line)
        if before:
            self.unfinished = before[0] or next(reversed(self.last), "")
            self._again |= {before: held} if before[0] else {}

    def _row(self, line: bytes, number: int) -> dict[str, Any] | None:
        """The row of a line; None where it is torn. Raises DataError where it is another's."""
        row = _row(line)
        if row is None and not line.endswith(b"\n") and (line.startswith(_BEGIN) or _BEGIN.startswith(line)):
            return None
        if row is None:
            raise DataError(f"{self.lines}: line {number:,} isn't a row of mien's. Name another file for --out.")
        if row.get("probabilities") and set(row["probabilities"]) != self.classes:
            raise self._unlike()
        return row

    def _unlike(self) -> DataError:
        return DataError(
            f"{self.path}: its rows aren't mien's, or of a network that knows other expressions. Name another file "
            "for --out."
        )

    def _take_back(self) -> None:
        """The rows of a file that was finished, as lines again."""
        rows = _read_csv(self.path) if self.kind == ".csv" else _read_parquet(self.path)
        with replacing(self.lines) as beside, open(beside, "wb") as file:
            for row in rows:
                if set(row) != set(self.columns):
                    raise self._unlike()
                file.write(json.dumps(_nested(row)).encode() + b"\n")
            end = {"source": "", "frame": 0}  # the run ended well: what `_go_on` cuts off is this
            file.write(json.dumps(end).encode() + b"\n")

    def _flat(self) -> Iterator[dict[str, Any]]:
        with open(self.lines, "rb") as file:
            for line in file:
                if row := _row(line):
                    yield _flattened(row)


def _row(line: bytes) -> dict[str, Any] | None:
    """A line's row; None where it is torn."""
    try:
        row = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return row if isinstance(row, dict) and "source" in row and "frame" in row else None


def _flattened(row: dict[str, Any]) -> dict[str, Any]:
    flat = {name: row.get(name) for name in (*_PLAIN, "detection", "width", "height", "error")}
    flat |= dict(zip(_BOX, row.get("box") or [None] * 4, strict=True))
    flat |= {f"p_{name}": value for name, value in (row.get("probabilities") or {}).items()}
    points = [value for point in row.get("landmarks") or [[None, None]] * 5 for value in point]
    flat |= dict(zip(_POINTS, points, strict=True))
    # names of files that aren't text can stand in no such file; otherwise a name stays as it is, even one that a
    # spreadsheet would take for a formula: changed, it would name no file
    return {name: v.encode(errors="backslashreplace").decode() if isinstance(v, str) else v for name, v in flat.items()}


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    """The opposite of `_flattened`."""
    row = {name: flat[name] for name in (*_PLAIN, "detection", "width", "height", "error")}
    chances = {name[2:]: value for name, value in flat.items() if name.startswith("p_")}
    row["probabilities"] = chances if row["label"] else None
    row["box"] = [flat[name] for name in _BOX] if flat["x"] is not None else None
    points = [flat[name] for name in _POINTS]
    row["landmarks"] = [points[i : i + 2] for i in range(0, 10, 2)] if points[0] is not None else None
    return row


def _write_csv(path: Path, rows: Iterator[dict[str, Any]], columns: Sequence[str]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def _read_csv(path: Path) -> Iterator[dict[str, Any]]:
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield {name: _value(name, text) for name, text in row.items()}


def _value(name: str, text: str) -> Any:
    if text == "":
        return None
    if name in _TEXTS:
        return text
    return text == "True" if name == "uncertain" else int(text) if name in _INTS else float(text)


def _write_parquet(path: Path, rows: Iterator[dict[str, Any]], columns: Sequence[str]) -> None:
    arrow = _pyarrow()
    kinds = dict.fromkeys(_TEXTS, arrow.string()) | dict.fromkeys(_INTS, arrow.int64()) | {"uncertain": arrow.bool_()}
    schema = arrow.schema([(name, kinds.get(name, arrow.float64())) for name in columns])
    with arrow.parquet.ParquetWriter(path, schema) as writer:
        while some := list(islice(rows, 4096)):
            writer.write_table(arrow.Table.from_pylist(some, schema))


def _read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    arrow = _pyarrow()
    try:
        with arrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(4096):
                yield from batch.to_pylist()
    except arrow.ArrowInvalid as error:
        raise DataError(f"{path}: damaged, not a Parquet file ({str(error).splitlines()[0]}).") from None


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra("pyarrow", "parquet", "Writing Parquet files") from None
    return pyarrow

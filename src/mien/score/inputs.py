"""A source -> the list of its images, written once: for each a number, and its address or bytes."""

import os
import re
from collections.abc import Callable
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any

from mien.cards import checksum
from mien.errors import DataError, MienError
from mien.files import replacing
from mien.folders import files_below, matching
from mien.images import SUFFIXES
from mien.names import escaped, litter
from mien.score.engine import access, batches, literal, reason
from mien.score.job import Job, from_root, undamaged

TABLES = (".parquet", ".csv", ".jsonl")
"""Suffixes of files that list or hold images, rather than being some."""

LARGEST, TABLE = "mien.largest", "mien.table"
"""Keys in the list's metadata: the most bytes of an image in it, and the SHA-256 of a table on this machine."""


def list_inputs(daft: Any, job: Job, path: Path, note: Callable[[str], object] = lambda text: None) -> None:
    """Write what there is to do to a Parquet file: `row`, `source`, and `bytes` if the source holds them; `LARGEST` and
    `TABLE` in its metadata.

    `note` is called with how many files are left out, if any are.

    Raises:
        DataError: there is nothing, or a table lacks the column or is damaged.
    """
    import pyarrow as arrow
    import pyarrow.compute as compute
    import pyarrow.parquet as parquet

    frame = _table(daft, job) if _is_table(job) else _images(daft, job, note)
    told = _checksum(job)  # before its rows are read, as it may be changed meanwhile
    schema, number, most = None, 0, 0

    def failure(why: str) -> MienError:
        return DataError(f"{job.source}: can't be read to its end ({why}). Nothing is scored yet. Mend it first.")

    with replacing(path) as beside, ExitStack() as open_file:  # Windows can't remove an open file
        writer = None
        for batch in batches(frame, failure):
            table = arrow.Table.from_batches([batch])
            rows = range(number, number + len(table))
            table = table.append_column("row", arrow.array(rows, arrow.int64()))
            if "source" in table.column_names:
                given, place = table["source"], table.column_names.index("source")
                names = [name and _written(name) for name in given.to_pylist()]
                table = table.set_column(place, "source", arrow.array(names, given.type))
            else:
                names = [_written(f"{job.source}#{row}") for row in rows]
                table = table.append_column("source", arrow.array(names, arrow.string()))
            if writer is None:
                schema = table.schema
                writer = open_file.enter_context(parquet.ParquetWriter(beside, schema))
            writer.write_table(table.cast(schema), row_group_size=10_000)
            number += len(table)
            if "bytes" in table.column_names:
                most = max(most, compute.max(compute.binary_length(table["bytes"])).as_py() or 0)
        if writer is None:
            raise DataError(f"{job.source}: no images there.")
        writer.add_key_value_metadata({LARGEST: str(most), TABLE: told})


def new_images(job: Job, path: Path) -> int | None:
    """How many images of a folder or a pattern on this machine came after the list, and so aren't in it; None for those
    elsewhere, which aren't listed again.

    Raises:
        DataError: a table on this machine isn't the one from which the list was made.
    """
    import pyarrow.parquet as parquet

    if "://" in job.source:
        return None
    if _is_table(job):
        if _noted(path, TABLE) != _checksum(job):
            raise DataError(
                f"{job.source}: the table has changed since its list was written, or is gone. Name another folder with "
                "--out, and a table of what is new where the rest needn't be scored again."
            )
        return 0
    now = set(map(_written, filter(_image, _here(job.source)[0])))
    with undamaged(path), parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["source"]):
            now.difference_update(batch["source"].to_pylist())
    return len(now)


def largest(path: Path) -> int:
    """The most bytes of an image in the list; 0 if it has only addresses."""
    return int(_noted(path, LARGEST) or 0)


def _noted(path: Path, key: str) -> str:
    """A value of the list's metadata."""
    import pyarrow.parquet as parquet

    with undamaged(path):
        return bytes((parquet.read_metadata(path).metadata or {}).get(key.encode(), b"")).decode()


def _checksum(job: Job) -> str:
    """The SHA-256 of a table on this machine, of several one after the other; "" for other sources."""
    if "://" in job.source or not _is_table(job):
        return ""
    return " ".join(map(checksum, sorted(_here(job.source)[0])))


def _written(name: str) -> str:
    """An address as the list has it: absolute, and in UTF-8, which a file's name needn't be."""
    return escaped(from_root(name))


def _table(daft: Any, job: Job) -> Any:
    readers = {".parquet": daft.read_parquet, ".csv": daft.read_csv, ".jsonl": daft.read_json}
    kind = next(kind for kind in TABLES if job.source.lower().endswith(kind))
    place = os.path.expanduser(job.source)
    if "://" not in place:  # one table, or a pattern of several
        place = literal(place) if os.path.exists(place) else os.path.join(literal(os.curdir), place)
    try:
        frame = readers[kind](place, io_config=access(daft, job))
    except Exception as error:  # daft's own errors share no other root
        raise DataError(f"{job.source}: can't be read ({reason(error)}).") from None
    if job.column not in frame.column_names:
        found = ", ".join(frame.column_names)
        raise DataError(f"{job.source}: say with --column which column has the images; it has {found}.")
    held = frame.schema()[job.column].dtype
    if not (held.is_string() or held.is_binary()):
        raise DataError(
            f"{job.source}: the column {job.column} has neither addresses nor bytes, but {held}. "
            "Name another with --column."
        )
    return frame.select(daft.col(job.column).alias("bytes" if held.is_binary() else "source"))


def _is_table(job: Job) -> bool:
    return job.source.lower().endswith(TABLES)


def _images(daft: Any, job: Job, note: Callable[[str], object]) -> Any:
    names, unread = (_elsewhere(daft, job), []) if "://" in job.source else _here(job.source)
    found = [*filter(_image, names), *unread]
    if others := len(names) + len(unread) - len(found):
        whose, are = ("file whose name doesn't", "is") if others == 1 else ("files whose names don't", "are")
        note(f"{others:,} {whose} end in {', '.join(sorted(SUFFIXES))} {are} left out.")
    if not found:
        raise DataError(f"{job.source}: no images there.")
    return daft.from_pydict({"source": sorted(map(_written, found))})


def _here(source: str) -> tuple[list[str], list[str]]:
    """The files on this machine that a folder, a name or a pattern stands for, without those that systems leave behind;
    and the folders that can't be read, which count as images that can't."""
    source = os.path.expanduser(source)  # no shell has expanded a quoted pattern's ~
    unread: list[str] = []

    def note(error: OSError) -> None:
        unread.append(str(error.filename))

    if os.path.isdir(source):
        return [str(path) for path in files_below(source, unread=note)], unread
    if os.path.isfile(source):
        return [source], unread
    files: dict[tuple[str, str], str] = {}  # of each its shortest name: links may lead there, too
    real = lru_cache(maxsize=None)(os.path.realpath)
    for name in sorted(matching(source, unread=note), key=lambda name: (len(name), name)):
        folder, last = os.path.split(name)
        if not litter(last):
            files.setdefault((real(folder), last), name)
    return [name for name in files.values() if os.path.isfile(name) or not os.path.exists(name)], unread


def _elsewhere(daft: Any, job: Job) -> list[str]:
    pattern = job.source
    if not any(sign in pattern for sign in "*?[") and os.path.splitext(pattern)[1].lower() not in SUFFIXES:
        pattern = pattern.rstrip("/") + "/**"
    try:
        frame = daft.from_glob_path(pattern, io_config=access(daft, job)).select("path").collect()
        found = frame.to_pydict()["path"] if len(frame) else []  # daft can't make one of no rows
    except Exception as error:
        raise DataError(f"{job.source}: can't be listed ({reason(error)}).") from None
    named = pattern.split("/")  # a hidden folder that is named is read, as on this machine
    return [
        from_address(name) for name in found if not any(litter(part) for part in name.split("/") if part not in named)
    ]


def from_address(name: str) -> str:
    """The path in a `file://` address, on Windows without the `/` before the drive; other addresses as they are.

    >>> from_address("file:///photos/a.jpg"), from_address("s3://photos/a.jpg")
    ('/photos/a.jpg', 's3://photos/a.jpg')
    """
    path = name.removeprefix("file://")
    return path[1:] if os.name == "nt" and re.match("/[A-Za-z]:", path) else path


def _image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES

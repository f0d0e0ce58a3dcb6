"""A source -> the list of its images: a number and an address, or the bytes, for each, written down once."""

import os
from pathlib import Path
from typing import Any

from mien.errors import DataError
from mien.files import replacing
from mien.images import SUFFIXES
from mien.score.job import Job

TABLES = (".parquet", ".csv", ".jsonl")
"""Files that list images, or hold them, rather than being some."""


def list_inputs(daft: Any, job: Job, path: Path) -> None:
    """Write down what there is to do, as a Parquet file: `row`, `source`, and `bytes` where the source holds them.

    Raises:
        DataError: nothing there, or a table without the column.
    """
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    frame = _table(daft, job) if job.source.lower().endswith(TABLES) else _images(daft, job)
    schema, number = None, 0
    with replacing(path) as beside:
        writer = None
        for batch in frame.to_arrow_iter():
            table = arrow.Table.from_batches([batch])
            rows = range(number, number + len(table))
            table = table.append_column("row", arrow.array(rows, arrow.int64()))
            if "source" not in table.column_names:
                names = arrow.array([f"{job.source}#{row}" for row in rows], arrow.string())
                table = table.append_column("source", names)
            if writer is None:
                schema = table.schema
                writer = parquet.ParquetWriter(beside, schema)
            writer.write_table(table.cast(schema), row_group_size=10_000)
            number += len(table)
        if writer is None or not number:
            raise DataError(f"{job.source}: no images there.")
        writer.close()


def remote(path: Path) -> bool:
    """Whether the list names images that lie elsewhere, behind an address such as `s3://`."""
    import pyarrow.compute as compute
    import pyarrow.parquet as parquet

    with parquet.ParquetFile(path) as file:
        if "bytes" in file.schema_arrow.names:
            return False
        there = (compute.match_substring(batch["source"], "://") for batch in file.iter_batches(columns=["source"]))
        return any(compute.any(found).as_py() for found in there)


def access(daft: Any, job: Job) -> Any:
    """What daft must know to read the job's addresses."""
    return daft.IOConfig(s3=daft.io.S3Config(endpoint_url=job.endpoint)) if job.endpoint else None


def reason(error: Exception) -> str:
    """What an error of daft's or of a disk says, in one line."""
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1 if "ray::" in lines[0] else 0].strip().rstrip(".")  # Ray tells first where it was, then what


def _table(daft: Any, job: Job) -> Any:
    readers = {".parquet": daft.read_parquet, ".csv": daft.read_csv, ".jsonl": daft.read_json}
    kind = next(kind for kind in TABLES if job.source.lower().endswith(kind))
    try:
        frame = readers[kind](job.source, io_config=access(daft, job))
    except Exception as error:  # daft's own errors share no other root
        raise DataError(f"{job.source}: can't be read ({reason(error)}).") from None
    if job.column not in frame.column_names:
        found = ", ".join(frame.column_names)
        raise DataError(f"{job.source}: say with --column which column has the images; it has {found}.")
    binary = frame.schema()[job.column].dtype.is_binary()
    return frame.select(daft.col(job.column).alias("bytes" if binary else "source"))


def _image(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES


def _images(daft: Any, job: Job) -> Any:
    pattern = job.source
    if not any(sign in pattern for sign in "*?[") and os.path.splitext(pattern)[1].lower() not in SUFFIXES:
        pattern = pattern.rstrip("/") + "/**"
    try:
        frame = daft.from_glob_path(pattern, io_config=access(daft, job)).select("path").collect()
        found = frame.to_pydict()["path"] if len(frame) else []  # of no rows daft can't make one
    except Exception as error:
        raise DataError(f"{job.source}: can't be listed ({reason(error)}).") from None
    names = sorted(name for name in found if _image(os.path.basename(name)))
    if not names:
        raise DataError(f"{job.source}: no images there.")
    return daft.from_pydict({"source": [name.removeprefix("file://") for name in names]})

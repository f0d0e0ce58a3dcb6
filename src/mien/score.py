"""Very many images -> Parquet: every image is read once, wherever it lies, and leaves exactly one row.

daft reads the images (from disk, S3, HTTP, out of Parquet files) and keeps the workers busy, on a Ray cluster, too.
Here is what it doesn't do: the list of inputs is written down first, results go into files that are put in place whole,
and what stands in them isn't done again.
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mien.errors import DataError, MediaError, MissingExtra
from mien.files import atomic_write, replacing
from mien.images import SUFFIXES
from mien.recognition.recognizer import Recognizer
from mien.recognition.records import Reading

JOB, INPUTS = "job.json", "inputs.parquet"

TABLES = (".parquet", ".csv", ".jsonl")
"""Files that list images, or hold them, rather than being some."""

ROWS = 1000
"""In a file of results, at most. Whoever is killed loses at most so many, and starts them again."""

BATCH = 16
"""Images that a worker takes at once."""


@dataclass(frozen=True)
class Job:
    """What is scored and how; it stands in the folder of results, so that a job goes on only as it began.

    Args:
        source: a folder, a pattern, or a table (TABLES) of images: on this machine, `s3://`, `https://`.
        model: as `Recognizer` takes it. detect: find faces, rather than take each image for one.
        column: the table's column that has their addresses, or in a Parquet file their bytes.
        endpoint: of an S3 server that isn't Amazon's.
    """

    source: str
    model: str = "small"
    detect: bool = True
    column: str = ""
    endpoint: str = ""


@dataclass(frozen=True)
class Progress:
    """`done` of `total` inputs have their row, `failed` of those of this run have an error in it."""

    done: int
    total: int
    failed: int


def score(
    job: Job, out: str | os.PathLike[str], *, workers: int | None = None, ray: str | None = None, rows: int = ROWS
) -> Iterator[Progress]:
    """Score every image of `job` into Parquet files in the folder `out`; yields after each file.

    Started again, after a stop or a kill -9, it does what isn't there yet. A row has `row` (the input's number),
    `source`, `status` ("face", "no face", "failed"), `error`, `width`, `height` and `faces`, each with `label`,
    `confidence`, `uncertain`, `probabilities` in the order of the network's classes, `box` and `detection`.

    Args:
        workers: how many images are read side by side, each by a recogniser of its own; None for one a core.
        ray: the address of a Ray cluster that runs already, "auto" for the one of this machine; None runs it here.
        rows: in a file of results, at most.

    Raises:
        DataError: nothing there, another job's folder, or a table without the column.
        MissingExtra: without daft.
    """
    daft, out = _daft(), Path(out)
    Recognizer(job.model, detect=job.detect, threads=1)  # what is wrong with the network shows before all else
    _claim(job, out)
    if ray is not None:
        daft.set_runner_ray(None if ray == "auto" else ray)
    if not (out / INPUTS).exists():
        _list_inputs(daft, job, out / INPUTS)
    total = _count(out / INPUTS)
    done = sum(_count(path) for path in _parts(out))
    failed = 0
    yield Progress(done, total, failed)
    if done == total:
        return
    frame = daft.read_parquet(str(out / INPUTS))
    if done:
        there = daft.read_parquet([str(path) for path in _parts(out)]).select("row")
        frame = frame.join(there, on="row", how="anti")
    if ray is not None:
        frame = frame.into_partitions(max(1, -(-(total - done) // rows)))
    first = 1 + max((int(path.stem.removeprefix("part-")) for path in _parts(out)), default=-1)
    found = _readings(daft, job, frame, workers or os.cpu_count() or 1)
    for number, table in enumerate(_in_files(found, rows), first):
        _write(out / f"part-{number:06d}.parquet", table)
        done += len(table)
        failed += table["status"].to_pylist().count("failed")
        yield Progress(done, total, failed)


def _daft() -> Any:
    os.environ["DO_NOT_TRACK"] = "1"  # daft would report its import and each run to its makers
    try:
        import daft
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise MissingExtra("daft", "score", "Scoring very many images") from None
    return daft


def _claim(job: Job, out: Path) -> None:
    """Note the job in its folder, or check that it is the one noted there."""
    for left in out.glob(".*.*"):  # what a kill left of a file that wasn't in its place yet
        if left.name[10:] in (JOB, INPUTS) or left.name[10:].startswith("part-"):
            left.unlink()
    note = out / JOB
    if not note.exists():
        if out.exists() and any(out.iterdir()):
            raise DataError(f"{out}: there are other files in this folder; results go into a folder of their own.")
        atomic_write(note, json.dumps(asdict(job), indent=2))
        return
    noted = json.loads(note.read_text(encoding="utf-8"))
    if other := [name for name, value in asdict(job).items() if noted.get(name) != value]:
        name = other[0]
        raise DataError(
            f"{out} holds another job: its {name} is {noted.get(name)!r}, not {getattr(job, name)!r}. "
            "Go on with the same, or name another folder."
        )


def _config(daft: Any, job: Job) -> Any:
    if not job.endpoint:
        return None
    return daft.IOConfig(s3=daft.io.S3Config(endpoint_url=job.endpoint))


def _list_inputs(daft: Any, job: Job, path: Path) -> None:
    """Write down what there is to do: the number and the address, or the bytes, of every input."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    frame = _table(daft, job) if job.source.lower().endswith(TABLES) else _images(daft, job)
    schema, number = None, 0
    with replacing(path) as beside:
        writer = None
        for batch in frame.to_arrow_iter():
            table = arrow.Table.from_batches([batch])
            table = table.append_column("row", arrow.array(range(number, number + len(table)), arrow.int64()))
            if writer is None:
                schema = table.schema
                writer = parquet.ParquetWriter(beside, schema)
            writer.write_table(table.cast(schema), row_group_size=10_000)
            number += len(table)
        if writer is None or not number:
            raise DataError(f"{job.source}: no images there.")
        writer.close()


def _table(daft: Any, job: Job) -> Any:
    readers = {".parquet": daft.read_parquet, ".csv": daft.read_csv, ".jsonl": daft.read_json}
    kind = next(kind for kind in TABLES if job.source.lower().endswith(kind))
    try:
        frame = readers[kind](job.source, io_config=_config(daft, job))
    except Exception as error:  # daft's own errors share no other root
        raise DataError(f"{job.source}: can't be read ({_line(error)}).") from None
    if job.column not in frame.column_names:
        found = ", ".join(frame.column_names)
        raise DataError(f"{job.source}: say with --column which column has the images; it has {found}.")
    binary = frame.schema()[job.column].dtype.is_binary()
    return frame.select(daft.col(job.column).alias("bytes" if binary else "source"))


def _images(daft: Any, job: Job) -> Any:
    pattern = job.source
    if not any(sign in pattern for sign in "*?[") and os.path.splitext(pattern)[1].lower() not in SUFFIXES:
        pattern = pattern.rstrip("/") + "/**"
    try:
        frame = daft.from_glob_path(pattern, io_config=_config(daft, job)).select("path").collect()
    except Exception as error:
        raise DataError(f"{job.source}: can't be listed ({_line(error)}).") from None
    names = sorted(name for name in frame.to_pydict()["path"] if os.path.splitext(name)[1].lower() in SUFFIXES)
    if not names:
        raise DataError(f"{job.source}: no images there.")
    return daft.from_pydict({"source": [name.removeprefix("file://") for name in names]})


def _readings(daft: Any, job: Job, frame: Any, workers: int) -> Iterator[Any]:
    """Tables of rows, as the workers finish them."""
    import pyarrow as arrow

    config = _config(daft, job)
    kinds = daft.DataType
    face = {
        "label": kinds.string(), "confidence": kinds.float32(), "uncertain": kinds.bool(),
        "probabilities": kinds.list(kinds.float32()), "box": kinds.list(kinds.float32()),
        "detection": kinds.float32(),
    }  # fmt: skip
    row = {
        "status": kinds.string(), "error": kinds.string(), "width": kinds.int32(), "height": kinds.int32(),
        "faces": kinds.list(kinds.struct(face)),
    }  # fmt: skip

    @daft.cls(max_concurrency=workers)
    class Worker:
        def __init__(self) -> None:
            self.recognizer = Recognizer(job.model, detect=job.detect, threads=1)

        @daft.method.batch(return_dtype=kinds.struct(row), batch_size=BATCH)  # type: ignore[untyped-decorator]
        def read(self, content: Any, source: Any) -> list[dict[str, Any]]:
            pairs = zip(content.to_pylist(), source.to_pylist(), strict=True)
            return [_read(self.recognizer, data, name, config) for data, name in pairs]

    if "bytes" not in frame.column_names:
        content = daft.functions.download(daft.col("source"), on_error="null", io_config=config)
        frame = frame.with_column("bytes", content)
    else:
        name = daft.col("row").cast(kinds.string())
        frame = frame.with_column("source", daft.lit(f"{job.source}#") + name)
    frame = frame.with_column("found", Worker().read(daft.col("bytes"), daft.col("source")))
    names = [daft.col("found").get(name).alias(name) for name in row]
    schema = _schema(arrow)
    for batch in frame.select("row", "source", *names).to_arrow_iter():
        yield arrow.Table.from_batches([batch]).cast(schema)


def _in_files(tables: Iterator[Any], rows: int) -> Iterator[Any]:
    """The same rows in tables of `rows` each; the last may have fewer."""
    import pyarrow as arrow

    held, count = [], 0
    for table in tables:
        held.append(table)
        count += len(table)
        if count >= rows:
            together = arrow.concat_tables(held)
            whole = count // rows * rows
            yield from (together.slice(start, rows) for start in range(0, whole, rows))
            held, count = [together.slice(whole)], count - whole
    if count:
        yield arrow.concat_tables(held)


def _read(recognizer: Recognizer, data: bytes | None, source: str, config: Any) -> dict[str, Any]:
    """One image's row. What couldn't be fetched is tried once more: that may help, and says why it failed."""
    try:
        if data is None:
            import daft

            with daft.open_file(source, io_config=config) as file:
                data = file.read()
    except Exception as error:  # whatever a network or a disk may answer
        return _row(Reading(source, error=_line(error)))
    try:
        return _row(recognizer.read(data))
    except MediaError as error:
        return _row(Reading(source, error=str(error)))


def _row(reading: Reading) -> dict[str, Any]:
    status = "failed" if reading.error else "face" if reading.faces else "no face"
    faces = [
        {
            "label": face.label,
            "confidence": face.confidence,
            "uncertain": face.uncertain,
            "probabilities": list(face.probabilities.values()),
            "box": list(face.box) if face.box else None,
            "detection": face.detection,
        }
        for face in reading.faces
    ]
    size = {"width": reading.width, "height": reading.height}
    return {"status": status, "error": reading.error or None} | size | {"faces": faces}


def _parts(out: Path) -> list[Path]:
    return sorted(out.glob("part-*.parquet"))


def _write(path: Path, table: Any) -> None:
    import pyarrow.parquet as parquet

    with replacing(path) as beside:
        parquet.write_table(table, beside)


def _schema(arrow: Any) -> Any:
    face = {
        "label": arrow.string(), "confidence": arrow.float32(), "uncertain": arrow.bool_(),
        "probabilities": arrow.list_(arrow.float32()), "box": arrow.list_(arrow.float32()),
        "detection": arrow.float32(),
    }  # fmt: skip
    columns = {
        "row": arrow.int64(), "source": arrow.string(), "status": arrow.string(), "error": arrow.string(),
        "width": arrow.int32(), "height": arrow.int32(), "faces": arrow.list_(arrow.struct(face)),
    }  # fmt: skip
    return arrow.schema(columns)


def _count(path: Path) -> int:
    import pyarrow.parquet as parquet

    with suppress(OSError):
        return int(parquet.read_metadata(path).num_rows)
    raise DataError(f"{path}: damaged, not a Parquet file. Delete it; its rows are done again.")


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")

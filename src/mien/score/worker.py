"""A worker: a recogniser of its own, images in, a row for each of them out."""

from collections.abc import Iterator, Sequence
from typing import Any

from mien.errors import MediaError
from mien.images import MAX_BYTES
from mien.recognition.recognizer import Recognizer
from mien.recognition.records import Reading
from mien.score.inputs import access, opened, reason
from mien.score.job import Job

FEW, MANY = 16, 64
"""Images that a worker takes at once: photos in which it looks for faces; crops of faces, which are small."""


def readings(daft: Any, job: Job, frame: Any, workers: int, *, download: bool) -> Iterator[Any]:
    """Tables of rows, as the workers finish them.

    Args:
        frame: the list of inputs. download: let daft fetch what lies elsewhere, many at a time; files of this machine
            are read by the worker.
    """
    import pyarrow as arrow

    schema = row_schema(arrow)
    answer = daft.DataType.from_arrow_type(arrow.struct(list(schema)[2:]))
    config = access(daft, job)

    @daft.cls(max_concurrency=workers)
    class Worker:
        def __init__(self) -> None:
            self.recognizer = Recognizer(job.model, detect=job.detect, threads=1)

        @daft.method.batch(return_dtype=answer, batch_size=FEW if job.detect else MANY)  # type: ignore[untyped-decorator]
        def read(self, source: Any, *content: Any) -> Any:
            names = source.to_pylist()
            held = content[0].to_pylist() if content else [None] * len(names)
            given = names if download or not content else held
            found = _read(self.recognizer, names, held, given, config)
            return arrow.array([_row(reading) for reading in found], arrow.struct(list(schema)[2:]))

    if download:
        content = daft.functions.download(daft.col("source"), on_error="null", io_config=config)
        frame = frame.with_column("bytes", content)
    given = [daft.col(name) for name in ("source", "bytes") if name in frame.column_names]
    frame = frame.with_column("found", Worker().read(*given))
    names = [daft.col("found").get(name).alias(name) for name in schema.names[2:]]
    for batch in frame.select("row", "source", *names).to_arrow_iter():
        yield arrow.Table.from_batches([batch]).cast(schema)


def row_schema(arrow: Any) -> Any:
    """The columns of a file of results."""
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


def _read(
    recognizer: Recognizer, names: Sequence[str], held: Sequence[bytes | None], given: Sequence[Any], config: Any
) -> Sequence[Reading]:
    """A reading of each image. What isn't there yet is fetched now: daft's own failures, too, for this may help, and
    says why it failed. `given` is what the source has for each, addresses or bytes."""
    content, failed = {}, {}
    for place, (name, data) in enumerate(zip(names, held, strict=True)):
        try:
            if not given[place]:
                raise MediaError("the table has nothing in this row.")
            content[place] = data if data is not None else _fetched(name, config)
        except Exception as error:  # whatever a network or a disk may answer
            failed[place] = Reading(name, error=reason(error))
    found = dict(zip(content, recognizer.read_all(list(content.values())), strict=True)) | failed
    return [found[place] for place in range(len(names))]


def _fetched(name: str, config: Any) -> bytes:
    """No more of it than shows that it is too large."""
    if "://" not in name:
        with open(opened(name), "rb") as here:
            return here.read(MAX_BYTES + 1)
    import daft

    with daft.open_file(name, "rb", io_config=config) as there:
        return bytes(there.read(MAX_BYTES + 1))


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

"""A worker: a recogniser of its own, images in, a row for each of them out."""

import atexit
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mien.errors import CheckpointError, MediaError, MienError
from mien.files import regular
from mien.images import MAX_BYTES
from mien.names import unescaped
from mien.recognition.ahead import side_by_side
from mien.recognition.recognizer import Recognizer
from mien.recognition.records import Reading
from mien.score.engine import access, batches, reason
from mien.score.inputs import from_address
from mien.score.job import Job, checksums

FEW, MANY = 16, 64
"""Images that a worker takes at once: photos, in which it looks for faces; crops of faces, which are small."""

FETCHED = 16
"""Images on other machines that a worker fetches at a time, and holds until it has read them."""

SHARED = "/dev/shm"
"""The shared memory through which daft hands images to a worker; 64 MB in a container. Only Linux has it."""


def readings(
    daft: Any,
    job: Job,
    frame: Any,
    workers: int,
    *,
    network: Mapping[str, str],
    largest: int,
    failure: Callable[[str], MienError],
) -> Iterator[Any]:
    """Tables of rows, as the workers finish them.

    Args:
        frame: the list of inputs. network: the SHA-256 of its files, by their names. largest: the most bytes of an
            image that the list itself holds; others are read by the worker, so that only their names go to it.
        failure: the error to raise for a reason why daft or a worker failed.

    Raises:
        CheckpointError: a worker finds another network, or a damaged one. MienError: `failure`, or there is no room to
            hand a worker an image.
    """
    import pyarrow as arrow

    schema = row_schema(arrow)
    answer = daft.DataType.from_arrow_type(arrow.struct(list(schema)[2:]))
    config = access(daft, job)
    at_once = _at_once(FEW if job.detect else MANY, largest, workers)
    gone = Path(tempfile.gettempdir(), f"mien-{secrets.token_hex(8)}.gone")
    """Tells this machine's workers, once it is there, that nobody waits for their rows."""

    @daft.cls(**_processes(workers))
    class Worker:
        def __init__(self) -> None:
            self.recognizer = _recognizer(job, network)

        @daft.method.batch(return_dtype=answer, batch_size=at_once)  # type: ignore[untyped-decorator]
        def read(self, source: Any, *content: Any) -> Any:
            if gone.exists():
                raise MienError("The job was left.")
            names = source.to_pylist()
            found = _read(self.recognizer, names, content[0].to_pylist() if content else names, config)
            return arrow.array([_row(reading) for reading in found], arrow.struct(list(schema)[2:]))

    given = [daft.col(name) for name in ("source", "bytes") if name in frame.column_names]
    frame = frame.with_column("found", Worker().read(*given))
    names = [daft.col("found").get(name).alias(name) for name in schema.names[2:]]
    found = batches(frame.select("row", "source", *names), failure)  # held here: it is closed where nothing holds it
    try:
        for batch in found:
            yield arrow.Table.from_batches([batch]).cast(schema)
    except BaseException:  # Ctrl-C, a full disk, a loop that was left: as daft is closed it waits until all is done
        with suppress(OSError):
            gone.touch()
            atexit.register(gone.unlink, missing_ok=True)
        raise


def _processes(workers: int) -> dict[str, int]:
    """How daft is told the number of worker processes. On Windows it can't use any, as it wants a kind of socket that
    Python doesn't have there: it works in this process, in as many threads as it chooses."""
    return {} if os.name == "nt" else {"max_concurrency": workers}


def _recognizer(job: Job, network: Mapping[str, str]) -> Recognizer:
    """The job's recogniser. Raises CheckpointError if the network isn't the job's: it may have been replaced, or be a
    different one on this machine."""
    found = Recognizer(job.model, detect=job.detect, threads=1, prior=job.prior)
    if checksums(found.net) != network:
        raise CheckpointError(
            f"{found.net.path}: a worker finds another network there than the job began with: its SHA-256 isn't the "
            "one in job.json. Put the same one back, on every machine, and give the same command again."
        )
    return found


def _at_once(usual: int, largest: int, workers: int) -> int:
    """How many images a worker is handed at once: fewer where shared memory is small. What doesn't fit there would end
    the process without a message."""
    try:
        room = int(0.9 * shutil.disk_usage(SHARED).free)
    except OSError:
        return usual
    if largest * workers > room:
        raise MienError(
            f"The images in the table have up to {largest:,} bytes, and {SHARED}, through which {workers} at a time go "
            f"to the workers, has room for {room:,}. Make it larger (docker run --shm-size 1g), lower --workers, or "
            "list the images' addresses instead."
        )
    return min(usual, room // (largest * workers)) if largest else usual


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


def _read(recognizer: Recognizer, names: Sequence[str], given: Sequence[Any], config: Any) -> list[Reading]:
    """A reading of each image; `given` has its address or its bytes."""
    failed: dict[int, Reading] = {}

    def got(item: tuple[str, Any]) -> bytes | Reading:
        name, data = item
        try:
            if not data:
                raise MediaError("the table has nothing in this row.")
            return data if isinstance(data, bytes) else _fetched(name, config)
        except Exception as error:  # whatever a network or a disk may answer
            return Reading(name, error=reason(error))

    def contents() -> Iterator[bytes]:
        """One after the other, so that none is held once it was read."""
        items = list(zip(names, given, strict=True))
        far = any(isinstance(data, str) and "://" in data for data in given)
        each = side_by_side(got, items, FETCHED, lambda item: FETCHED) if far else map(got, items)
        for place, content in enumerate(each):
            if isinstance(content, Reading):
                failed[place] = content
            else:
                yield content

    found = iter(recognizer.read_all(contents()))
    return [failed[place] if place in failed else next(found) for place in range(len(names))]


def _fetched(name: str, config: Any) -> bytes:
    """An image's bytes, no more than show that it is too large. On other machines a second try may help."""
    place = from_address(name)
    if "://" not in place:
        with open(unescaped(place), "rb", opener=regular) as here:
            return here.read(MAX_BYTES + 1)
    try:
        return _part(name, config)
    except Exception:  # daft's don't always say why; and an empty file has no part
        import daft

        with daft.open_file(name, "rb", io_config=config) as there:
            return bytes(there.read(MAX_BYTES + 1))


def _part(name: str, config: Any) -> bytes:
    """By one request, for so much; of the whole file it would be four."""
    import daft

    with daft.File(name, config, position=0, size=MAX_BYTES + 1).open() as there:
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

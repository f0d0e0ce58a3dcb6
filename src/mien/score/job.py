"""A job and its folder: what is scored and how, who works on it, and how far it is."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mien.cards import checksum
from mien.errors import DataError
from mien.files import atomic_write, read_small
from mien.locks import holding
from mien.names import litter
from mien.net import Net
from mien.prior import Prior
from mien.shipped import DEFAULT

NOTE, INPUTS, LOCK = "job.json", "inputs.parquet", ".lock"
_PART = re.compile(r"part-\d{6,}\.parquet")


@dataclass(frozen=True)
class Job:
    """What is scored and how; noted in the folder of results, so that a job is resumed as it began.

    Args:
        source: a folder, a pattern, or a table (`inputs.TABLES`) of images: on this machine, `s3://`, `https://`.
        model: as `Recognizer` takes it. detect: find faces, rather than take each image for one.
        column: the table's column that has their addresses, or in a Parquet file their bytes.
        endpoint: the address of an S3 server that isn't Amazon's.
        prior: as `Recognizer` takes it.
    """

    source: str
    model: str = DEFAULT
    detect: bool = True
    column: str = ""
    endpoint: str = ""
    prior: Prior | None = None


@dataclass(frozen=True)
class Progress:
    """`done` of `total` inputs have their row, `failed` of these with an error; `new` images came after the list of
    inputs was written (None if they aren't on this machine)."""

    done: int
    total: int
    failed: int
    new: int | None


@contextmanager
def claimed(job: Job, net: Net, out: Path) -> Iterator[dict[str, str]]:
    """Lock the folder `out` for this job with this network; the lock of a process that is killed is gone.

    Gives the SHA-256 of the network's files by their names.

    Raises:
        DataError: another command is at work there, or it holds another job, or this one with another network under
            the same name, or other files.
    """
    taken = f"{out}: another mien score is at work in this folder. Wait until it is done, or name another folder."
    _check_own(out)
    with holding(out / LOCK, DataError(taken)):
        try:
            yield _note(job, net, out)
        finally:
            if not (out / INPUTS).exists():  # nothing came of it
                with suppress(OSError):
                    (out / NOTE).unlink(missing_ok=True)
                    (out / LOCK).unlink()  # while it is held


def _check_own(out: Path) -> None:
    """Raise DataError if the folder has other files, before anything is made in it."""
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if INPUTS not in names and any(name != NOTE and not litter(name) for name in names):
        raise DataError(f"{out}: there are other files in this folder; results go into a folder of their own.")


def from_root(address: str) -> str:
    """A path as an absolute one, as a job may be resumed from another folder; an address such as `s3://` as it is."""
    return address if "://" in address or not address else os.path.abspath(address)


def checksums(net: Net) -> dict[str, str]:
    """The SHA-256 of a network's files by their names."""
    return {file.name: checksum(file) for file in net.files}


def _note(job: Job, net: Net, out: Path) -> dict[str, str]:
    """Note the job and its network in its folder, or check that they are those noted there."""
    asked = asdict(job) | {"source": from_root(os.path.expanduser(job.source))}
    network = checksums(net)
    for left in out.glob(".????????.*"):  # unfinished files of `replacing` that a killed run left
        if left.name[10:] in (NOTE, INPUTS) or left.name[10:].startswith("part-"):
            left.unlink()
    note = out / NOTE
    if not (out / INPUTS).exists():  # a job that couldn't begin makes way
        atomic_write(note, json.dumps(asked | {"network": network, "classes": net.classes}, indent=2))
        return network
    try:
        noted = dict(json.loads(read_small(note)))
    except (OSError, ValueError, TypeError, RecursionError) as error:  # the last: brackets nested without end
        raise DataError(f"{note}: damaged ({error}). Name another folder.") from None
    # the model isn't compared by its name: from another folder its path is another, and its SHA-256 says which it is
    if other := [name for name, value in asked.items() if name != "model" and noted.get(name) != value]:
        name = other[0]
        raise DataError(
            f"{out} holds another job: its {name} is {noted.get(name)!r}, not {asked[name]!r}. "
            "Go on with the same, or name another folder."
        )
    if noted.get("network") != network:
        raise DataError(
            f"{out} holds another job: {job.model} isn't the network that it began with, {noted.get('model')}: its "
            f"SHA-256 isn't the one in {NOTE}. Go on with the same, or name another folder."
        )
    return network


def parts(out: Path) -> list[Path]:
    """The files of results, in the order in which they were written.

    Raises:
        DataError: a file has nearly such a name, as copies by file managers and sync tools do.
    """
    found = sorted(out.glob("part-*"))
    if others := [path.name for path in found if not _PART.fullmatch(path.name)]:
        more = f" and {len(others) - 3:,} more" if len(others) > 3 else ""
        raise DataError(
            f"{out}: {', '.join(map(repr, others[:3]))}{more}: no file of results is called so; a copy of one has its "
            "rows twice. Move it to another folder; if it isn't a copy, give it back its own name."
        )
    return found


def scored(out: Path, total: int) -> tuple[int, int]:
    """How many of the `total` inputs have their row, and how many of these couldn't be read.

    Raises:
        DataError: a file is damaged, or has a row that an earlier file has, too, or that isn't this job's.
    """
    import pyarrow.parquet as parquet

    there, unread = np.zeros(total, bool), 0
    for path in parts(out):
        with undamaged(path):
            table = parquet.read_table(path, columns=["row", "status"])
            if str(table.schema.field("row").type) != "int64" or table["row"].null_count:
                raise ValueError("no numbers of rows")
            rows, status = table["row"].to_numpy(), table["status"].to_pylist()
        if len(rows) and not (rows.min() >= 0 and rows.max() < total):
            raise DataError(f"{path}: has rows of another job. Move it to another folder.")
        if there[rows].any() or len(np.unique(rows)) < len(rows):
            raise DataError(
                f"{path}: a copy: it has rows that stand in another file of results, too. Delete it; what only it has "
                "is done again."
            )
        there[rows] = True
        unread += status.count("failed")
    return int(there.sum()), unread


def counted(path: Path) -> int:
    """How many rows a Parquet file has.

    Raises:
        DataError: it is damaged.
    """
    import pyarrow.parquet as parquet

    with undamaged(path):
        return int(parquet.read_metadata(path).num_rows)


@contextmanager
def undamaged(path: Path) -> Iterator[None]:
    """Raise DataError if reading that Parquet file shows that it is damaged, or can't be read now."""
    try:
        yield
    except (OSError, ValueError, KeyError) as error:  # arrow's errors, and a column that isn't there
        if isinstance(error, OSError) and error.errno:
            raise DataError(f"{path}: can't be read ({os.strerror(error.errno)}). Nothing of it is lost.") from None
        mend = "Name another folder" if path.name == INPUTS else "Delete it; its rows are done again"
        raise DataError(f"{path}: damaged, not a Parquet file. {mend}.") from None

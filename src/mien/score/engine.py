"""The engine, daft, alone or on a Ray cluster: starting it, the form in which it takes paths, what its errors say."""

import logging
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mien.errors import CheckpointError, DataError, MienError, MissingExtra
from mien.names import is_text
from mien.score.job import Job

WORKERS = {"DO_NOT_TRACK": "1", "PYTHONSAFEPATH": "1"}
"""Environment variables of the workers: without the first daft reports its import and each run to its makers; without
the second Python looks for modules in the current folder first, where whoever sent the images may have put some."""


@contextmanager
def environment() -> Iterator[None]:
    """Set WORKERS in this process's environment, which its workers inherit, and restore it afterwards."""
    before = {name: os.environ.get(name) for name in WORKERS}
    os.environ.update(WORKERS)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def need_daft() -> Any:
    """daft, with what it needs here. Raises MissingExtra where that isn't installed."""
    os.environ["DO_NOT_TRACK"] = "1"
    try:
        import daft
        import filelock  # noqa: F401
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise MissingExtra("daft", "score", "Scoring very many images") from None
    logging.getLogger("daft_local_execution").setLevel(logging.CRITICAL)  # what goes wrong is raised, too
    return daft


def join(daft: Any, address: str) -> None:
    """Let daft run on the Ray cluster at `address`. Raises MissingExtra without Ray, MienError where no cluster is."""
    os.environ.setdefault("DAFT_RAY_WORKER_STARTUP_TIMEOUT", "600")  # seconds; on a busy machine two minutes are few
    os.environ.setdefault("DAFT_PROGRESS_BAR", "0")  # there is one already
    try:
        import ray
    except ImportError:
        raise MissingExtra("Ray", "ray", "Scoring on a Ray cluster") from None
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if port.isdigit():
            socket.create_connection((host, int(port)), timeout=10).close()  # Ray would try for many minutes
        if not ray.is_initialized():  # daft would, but not tell the cluster's processes what is in `WORKERS`
            ray.init(address, runtime_env={"env_vars": WORKERS})
        daft.set_runner_ray()
    except (OSError, RuntimeError, ValueError) as error:
        raise MienError(f"No Ray cluster at {address} ({reason(error)}). Start one with: ray start --head") from None


def literal(path: str | os.PathLike[str]) -> str:
    """A path on this machine in the form that daft needs: absolute, since it may take the first part of a relative one
    for a host, and with the characters of patterns escaped.

    Raises:
        DataError: it isn't UTF-8, the only encoding that daft takes.
    """
    whole = Path(os.path.abspath(path)).as_posix()
    if not is_text(whole):
        raise DataError(f"{whole!r}: this name isn't text in UTF-8. Name another folder.")
    return re.sub(r"([*?\[\]{}\\])", r"\\\1", whole)


def access(daft: Any, job: Job) -> Any:
    """The configuration with which daft reads the job's addresses; None for its own."""
    return daft.IOConfig(s3=daft.io.S3Config(endpoint_url=job.endpoint)) if job.endpoint else None


def batches(frame: Any, failure: Callable[[str], MienError]) -> Iterator[Any]:
    """The Arrow record batches of a daft frame, as they are ready.

    Raises:
        MienError: `failure(reason)`, for whatever daft raises. CheckpointError: a worker raised it.
    """
    try:
        yield from frame.to_arrow_iter()
    except Exception as error:  # daft's own share no base class, and of a worker's it passes on only the text
        if told := re.search(rf"{CheckpointError.__name__}: (.+)", str(error)):
            raise CheckpointError(told[1]) from None
        raise failure(reason(error)) from None


def reason(error: Exception) -> str:
    """The message of an error of daft's, or of a disk's, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    causes = [place + 1 for place, line in enumerate(lines[:-1]) if line.startswith(("Details:", "Caused by"))]
    if causes:  # daft begins with where it happened
        return f"{lines[0].rstrip('.')}: {lines[causes[-1]].removeprefix('1: ')[:200].rstrip('.')}"
    where = "ray::" in lines[0] or lines[0].endswith("traceback:")  # the error itself is the last line
    told = lines[-1 if where else 0].strip().rstrip(".")
    return re.sub(r"^DaftError::\w+ ", "", told)

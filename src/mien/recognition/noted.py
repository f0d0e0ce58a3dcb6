"""What written rows depend on, noted next to them, so that a run is resumed as it was begun."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mien.errors import DataError
from mien.files import atomic_write, companion, read_small
from mien.prior import written

NOTE = "job.json"


def put_note(path: Path, job: Mapping[str, Any]) -> None:
    """Note what the rows in `path` depend on, as plain data by the options' names; "network" stands for the network."""
    atomic_write(companion(path, NOTE), json.dumps(job, indent=2))


def forget_note(path: Path) -> None:
    """Remove what is noted of rows that were in `path`."""
    companion(path, NOTE).unlink(missing_ok=True)


def as_noted(path: Path, job: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is noted of the rows in `path`, which are this job's; None if nothing is.

    Raises:
        DataError: they are of another job, or the note is damaged.
    """
    note = companion(path, NOTE)
    try:
        noted = json.loads(read_small(note))
        if not isinstance(noted, dict):
            raise TypeError(f"it holds {type(noted).__name__} instead of a record")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise DataError(
            f"{note}: damaged ({error}). Name another file for --out; or remove this one, and {path.name} is resumed "
            "without comparing options."
        ) from None
    noted = {"prior": None} | noted  # of rows that an earlier version began, which took none
    if other := [_said(name, noted[name]) for name, value in job.items() if noted.get(name, value) != value]:
        raise DataError(
            f"{path}: it was begun with {' and '.join(other)}. Go on with the same, or name another file for --out."
        )
    return noted


def _said(name: str, value: Any) -> str:
    """A field of a job as an option on the command line."""
    if name == "network":
        return "another network"
    if name == "prior":
        value = written(value) if isinstance(value, dict) else value
        return "no --prior" if value is None else f"--prior {value}"
    return f"--{'' if value else 'no-'}{name}" if isinstance(value, bool) else f"--{name} {value}"

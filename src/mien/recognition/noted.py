"""What written rows depend on, noted next to them, so that a run is resumed as it was begun."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mien.errors import DataError
from mien.files import atomic_write, companion, read_small

NOTE = "job.json"


def put_note(path: Path, job: Mapping[str, Any]) -> None:
    """Note what the rows in `path` depend on, as plain data by the options' names; "network" stands for the network."""
    atomic_write(companion(path, NOTE), json.dumps(job, indent=2))


def forget_note(path: Path) -> None:
    """Remove what is noted of rows that were in `path`."""
    companion(path, NOTE).unlink(missing_ok=True)


def as_noted(path: Path, job: Mapping[str, Any]) -> bool:
    """True if the rows in `path` are noted as this job's, False if nothing is noted.

    Raises:
        DataError: they are of another job, or the note is damaged.
    """
    note = companion(path, NOTE)
    try:
        noted = json.loads(read_small(note))
        if not isinstance(noted, dict):
            raise TypeError(f"it holds {type(noted).__name__} instead of a record")
    except FileNotFoundError:
        return False
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise DataError(
            f"{note}: damaged ({error}). Name another file for --out; or remove this one, and {path.name} is resumed "
            "without comparing options."
        ) from None
    if other := [_said(name, noted[name]) for name, value in job.items() if noted.get(name, value) != value]:
        raise DataError(
            f"{path}: it was begun with {' and '.join(other)}. Go on with the same, or name another file for --out."
        )
    return True


def _said(name: str, value: Any) -> str:
    """A field of a job as an option on the command line."""
    if name == "network":
        return "another network"
    return f"--{'' if value else 'no-'}{name}" if isinstance(value, bool) else f"--{name} {value}"

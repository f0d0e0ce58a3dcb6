"""What written rows depend on, noted beside them: whoever goes on with them does so as they were begun."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mien.errors import DataError
from mien.files import atomic_write


def put_note(path: Path, job: Mapping[str, Any]) -> None:
    """Note what the rows in `path` depend on, as plain data by the options' names; "network" stands for the network."""
    atomic_write(_note(path), json.dumps(job, indent=2))


def as_noted(path: Path, job: Mapping[str, Any]) -> bool:
    """Whether the rows in `path` are noted to be of this job; False where nothing is noted.

    Raises:
        DataError: they are of another job, or the note is damaged.
    """
    note = _note(path)
    try:
        noted = dict(json.loads(note.read_bytes()))
    except FileNotFoundError:
        return False
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise DataError(
            f"{note}: damaged ({error}). Name another file for --out; or remove this one, and {path.name} is gone on "
            "with however it was begun."
        ) from None
    if other := [_said(name, noted[name]) for name, value in job.items() if noted.get(name, value) != value]:
        raise DataError(
            f"{path}: it was begun with {' and '.join(other)}. Go on with the same, or name another file for --out."
        )
    return True


def _note(path: Path) -> Path:
    return path.with_name(f".{path.name}.job.json")


def _said(name: str, value: Any) -> str:
    """A job's field as it was given on the command line."""
    if name == "network":
        return "another network"
    return f"--{'' if value else 'no-'}{name}" if isinstance(value, bool) else f"--{name} {value}"

"""The plain files of a run folder: what a run began with, and how it went. Reads and writes them without torch."""

import csv
import io
import json
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from mien.cards import CARD, STATE
from mien.data.faces import FaceSet
from mien.data.origin import DataPath
from mien.data.splits import Splits
from mien.errors import CheckpointError
from mien.files import atomic_write, read_small, regular
from mien.locks import holding
from mien.net import MODEL, WEIGHTS
from mien.training.recipe import Recipe, read_recipe

RECIPE, DATA, HISTORY, LOCK = "recipe.json", "data.json", "history.csv", "run.lock"
FIGURES, EVENTS = "figures", "tensorboard"
"""Folders in a run folder: its pictures, and the event files that TensorBoard reads."""
RELEASE = "release.json"
"""In the folder of a release, beside its runs: what it was begun on."""

COLUMNS = ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr", "seconds", "faces_per_second")
"""The columns of `history.csv`: an Epoch's fields."""


def check_free(folder: str | os.PathLike[str]) -> None:
    """Raise CheckpointError when this folder holds a run, or a file that one would replace; to be asked first."""
    if Path(folder, RECIPE).exists():
        raise CheckpointError(f"{folder}: there is a run in this folder. Go on with it (--resume) or choose another.")
    _check_unused(Path(folder))


def _check_unused(folder: Path) -> None:
    """Raise CheckpointError where a run that begins here would replace files that no run wrote."""
    written = [HISTORY, CARD, WEIGHTS, MODEL, STATE]
    written += [f"{FIGURES}/curves.svg", f"{FIGURES}/confusion.svg", *([] if _begun(folder / DATA) else [DATA])]
    if taken := [name for name in written if (folder / name).exists()]:
        raise CheckpointError(f"{folder}: a run would replace the {taken[0]} that is there. Choose another folder.")


def _begun(note: Path) -> bool:
    """Whether `begin` wrote this note, and was killed before it wrote `recipe.json`."""
    try:
        return "checksums" in read_note(note)
    except CheckpointError:
        return False


def held(folder: Path) -> AbstractContextManager[None]:
    """Hold a run folder, so that no second command trains in it.

    Raises:
        CheckpointError: another one does.
    """
    taken = (
        f"{folder}: another training is under way in this folder. Wait until it is done, or choose another folder; in "
        "Python, one that was left lets go of it by .close()."
    )
    return holding(folder / LOCK, CheckpointError(taken))


def check_own(*places: Path) -> None:
    """Raise CheckpointError where one of these folders, which a run writes into, is a link to somewhere else."""
    for place in places:
        if place.is_symlink():
            raise CheckpointError(
                f"{place}: a link to {os.readlink(place)}, whose files a run would replace. Put a folder in its place, "
                "or remove it."
            )


def begin(folder: Path, splits: Splits, recipe: Recipe, second: FaceSet | None = None) -> None:
    """Note what a run begins with, or check that it goes on with the same, and note where that lies by now.

    `recipe.json` is written last, so that a folder with one has `data.json`, too.

    Raises:
        CheckpointError: the folder holds a run of another recipe, of other data, or with another second labelling; or
            a link where the run has folders of its own.
    """
    check_own(folder / FIGURES, folder / EVENTS)
    noted = asdict(splits.origin) if splits.origin else {}
    noted |= {"checksums": splits.checksums}
    noted |= {"second": second.checksum} if second is not None else {}
    if not (folder / RECIPE).exists():
        _check_unused(folder)
        atomic_write(folder / DATA, json.dumps(noted, indent=2))
        atomic_write(folder / RECIPE, recipe.model_dump_json(indent=2))
        return
    was, now = read_setup(folder)[0].model_dump(mode="json"), recipe.model_dump(mode="json")
    if changed := [name for name in now if was[name] != now[name] and name != "preset"]:  # it decides nothing itself
        raise CheckpointError(
            f"{folder}: the run in this folder was begun with another recipe ({', '.join(changed)}). "
            "Choose another folder."
        )
    before = read_note(folder / DATA)
    if "second" in before and second is None:
        raise CheckpointError(
            f"{folder}: the run in this folder learns votes beside the labels, which only `mien release` gives it. Go "
            "on with the `mien release` that began it."
        )
    if any(before.get(name) != noted.get(name) for name in ("checksums", "second")):
        raise CheckpointError(
            f"{folder}: the run in this folder was begun on other data, or on what a program made of them. Choose "
            "another folder."
        )
    if splits.origin and noted != before:  # the same faces by now lie elsewhere
        atomic_write(folder / DATA, json.dumps(noted, indent=2))


def read_setup(folder: str | os.PathLike[str]) -> tuple[Recipe, DataPath | None]:
    """What a run was begun with: its recipe, and where its data is, None where a program made it.

    Raises:
        CheckpointError: it is no run.
    """
    recipe, data = read_note(Path(folder, RECIPE)), read_note(Path(folder, DATA))
    known = {one.name: data[one.name] for one in fields(DataPath) if one.name in data}
    return read_recipe(recipe), DataPath(**known) if known else None


def history(folder: str | os.PathLike[str], *, missing_ok: bool = False) -> tuple[dict[str, float], ...]:
    """The rows of a run's `history.csv`, one for each epoch. Raises CheckpointError when there is none, unless that is
    `missing_ok`: it has no rows then."""
    path = Path(folder, HISTORY)
    if missing_ok and not path.exists():
        return ()
    try:
        with open(path, newline="", opener=regular) as file:
            return tuple({name: float(value) for name, value in row.items()} for row in csv.DictReader(file))
    except (OSError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise CheckpointError(f"{path}: can't read the history of this run ({error}).") from None


def write_history(folder: Path, rows: Sequence[dict[str, float]]) -> None:
    """Write `history.csv`, in one step."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    atomic_write(folder / HISTORY, text.getvalue())


def read_note(path: Path) -> dict[str, Any]:
    """What a record in a run folder says. Raises CheckpointError when it isn't there, or damaged."""
    try:
        found = json.loads(read_small(path))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path.parent}: no run of mien's in this folder ({path.name}: {error}).") from None
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: damaged: it holds {type(found).__name__} instead of a record.")
    return found

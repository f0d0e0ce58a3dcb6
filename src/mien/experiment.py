"""One experiment: a recipe and data become a run folder.

A run folder holds `recipe.json`, `data.json` and `environment.json` from the start; `state.pt`,
`weights.safetensors` (the best epoch's) and `history.csv` after every epoch; `model.onnx`, `figures/` and
`card.json` when it is finished. The card is written last, so a folder with a card is complete.
"""

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mien.cards import CARD, Card, TrainedOn, checksum
from mien.checkpoint import STATE, WEIGHTS, load_state, load_weights, save_state, save_weights
from mien.data.faces import Splits
from mien.data.load import load_faces
from mien.environment import environment
from mien.errors import CheckpointError, MissingExtra
from mien.evaluation.report import Report
from mien.evaluation.scores import evaluate
from mien.export import export_onnx
from mien.files import atomic_write
from mien.models import create_model, summarise
from mien.net import MODEL
from mien.training.fit import Epoch, fit
from mien.training.recipe import Recipe, read_recipe

COLUMNS = ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr", "seconds", "faces_per_second")
"""The columns of `history.csv`: an Epoch's fields."""


@dataclass(frozen=True)
class DataPath:
    """Where a run's data came from, so that `--resume` finds it again: the arguments of `load_faces`."""

    path: str | None = None
    votes: str | None = None
    skip_bad_rows: bool = False

    def load(self) -> Splits:
        """Read the data. Raises DataError as `load_faces` does."""
        return load_faces(self.path, self.votes, self.skip_bad_rows)


DRAWN = DataPath()
"""No path: the drawn faces."""


def train(
    folder: str | os.PathLike[str],
    splits: Splits,
    recipe: Recipe,
    *,
    data: DataPath = DRAWN,
    device: str | None = None,
    resume: bool = False,
    tick: Callable[[float], None] | None = None,
) -> Iterator[Epoch]:
    """Train one network into a run folder, and yield each Epoch once it is saved.

    Stopping it, by `break`, Ctrl-C or kill -9, loses at most the epoch under way; with `resume` the next call goes on
    after the last saved one, and yields nothing when the run is finished. The test split isn't looked at.

    Args:
        folder: the run folder; made when it isn't there.
        data: where `splits` came from; noted in the folder.
        device: "cpu", "cuda", ...; None picks.
        tick: called during an epoch with the share of it that is done.

    Raises:
        CheckpointError: the folder holds a run and `resume` is False; or its recipe or data are others.
        DataError: no labelled faces to train on or to judge by.
    """
    folder = Path(folder)
    made = _begin(folder, splits, recipe, data, resume)
    if (folder / CARD).exists():
        return
    torch.manual_seed(recipe.seed)
    model = create_model(recipe.model, **made, **recipe.options)
    state = load_state(folder / STATE) if (folder / STATE).exists() else None
    before = state["before"] if state else evaluate(model, splits["val"], split="val").as_json()
    rows: list[dict[str, float]] = state["history"] if state else []
    for epoch in fit(
        model, splits["train"], splits["val"], recipe, device=device, state=state and state["fit"], tick=tick
    ):
        rows.append({name: getattr(epoch, name) for name in COLUMNS})
        if epoch.best:
            save_weights(model, folder / WEIGHTS)
        save_state({"fit": epoch.state, "history": rows, "before": before}, folder / STATE)
        _write_history(folder, rows)
        yield epoch
    if not (folder / WEIGHTS).exists():
        save_weights(model, folder / WEIGHTS)
    _finish(folder, model.cpu(), splits, recipe, before, rows)


def read_setup(folder: str | os.PathLike[str]) -> tuple[Recipe, DataPath]:
    """What a run folder was begun with: its recipe, and where its data is. Raises CheckpointError when it is no run."""
    folder = Path(folder)
    recipe, data = _read_json(folder / "recipe.json"), _read_json(folder / "data.json")
    return read_recipe(recipe), DataPath(data.get("path"), data.get("votes"), bool(data.get("skip_bad_rows")))


def history(folder: str | os.PathLike[str]) -> tuple[dict[str, float], ...]:
    """The rows of a run's `history.csv`, one for each epoch. Raises CheckpointError when there is none."""
    path = Path(folder, "history.csv")
    try:
        with path.open(newline="") as file:
            return tuple({name: float(value) for name, value in row.items()} for row in csv.DictReader(file))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: can't read the history of this run ({error}).") from None


def fresh(recipe: Recipe, splits: Splits) -> nn.Module:
    """The untrained network that a training by `recipe` on `splits` starts from."""
    torch.manual_seed(recipe.seed)
    return create_model(recipe.model, **_shape(splits), **recipe.options)


def _shape(splits: Splits) -> dict[str, int]:
    """What of a network the data decides."""
    images = splits["train"].images
    return {"classes": len(splits.classes), "channels": 1 if images.ndim == 3 else 3, "size": images.shape[1]}


def _begin(folder: Path, splits: Splits, recipe: Recipe, data: DataPath, resume: bool) -> dict[str, int]:
    shape = _shape(splits)
    noted = {**asdict(data), "checksums": {name: faces.checksum for name, faces in splits if len(faces)}}
    if (folder / "recipe.json").exists():
        if not resume:
            raise CheckpointError(
                f"{folder}: there is a run in this folder. Go on with it (--resume) or choose another."
            )
        earlier, _ = read_setup(folder)
        was, now = earlier.model_dump(mode="json"), recipe.model_dump(mode="json")
        if changed := [name for name in now if was[name] != now[name]]:
            raise CheckpointError(
                f"{folder}: the run in this folder was begun with another recipe ({', '.join(changed)}). "
                "Choose another folder."
            )
        if _read_json(folder / "data.json").get("checksums") != noted["checksums"]:
            raise CheckpointError(f"{folder}: the run in this folder was begun on other data. Choose another folder.")
        return shape
    splits["val"], fresh(recipe, splits)  # whatever is wrong with data or recipe is said before a folder is made
    atomic_write(folder / "data.json", json.dumps(noted, indent=2))
    atomic_write(folder / "environment.json", json.dumps(environment(), indent=2))
    atomic_write(folder / "recipe.json", recipe.model_dump_json(indent=2))
    return shape


def _finish(
    folder: Path, model: nn.Module, splits: Splits, recipe: Recipe, before: dict[str, Any], rows: list[dict[str, float]]
) -> None:
    load_weights(model, folder / WEIGHTS)
    report = evaluate(model, splits["val"], split="val")
    best = max(rows, key=lambda row: row["val_accuracy"], default=None)
    cost = summarise(model)
    options: Any = model.options
    card = Card(
        model=recipe.model,
        options=options,
        classes=splits.classes,
        input_shape=(options["channels"], options["size"], options["size"]),
        preset=recipe.preset,
        recipe=recipe.model_dump(),
        parameters=cost.parameters,
        macs=cost.macs,
        data=TrainedOn(source=splits.source, checksums={name: faces.checksum for name, faces in splits if len(faces)}),
        scores={"before": {"val": before}, "after": {"val": report.as_json()}},
        epoch=int(best["epoch"]) if best else 0,
        notes="The best epoch by validation accuracy. The test split was not looked at.",
    )
    export_onnx(model, folder / MODEL, card)
    _draw(folder, rows, report)
    sums = {name: checksum(folder / name) for name in (WEIGHTS, MODEL)}
    card.model_copy(update={"checksums": sums}).write(folder / CARD)


def _draw(folder: Path, rows: list[dict[str, float]], report: Report) -> None:
    try:
        from mien.evaluation.figures import confusion_matrix, curves
    except MissingExtra:
        return  # pictures are an extra; the numbers are all there
    atomic_write(folder / "figures" / "curves.svg", curves(rows))
    atomic_write(folder / "figures" / "confusion.svg", confusion_matrix(report.confusion, report.classes))


def _write_history(folder: Path, rows: list[dict[str, float]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    atomic_write(folder / "history.csv", text.getvalue())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path.parent}: no run of mien's in this folder ({path.name}: {error}).") from None
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: damaged: it holds {type(found).__name__} instead of a record.")
    return found

"""`mien train`: one network into a run folder, or on with a training that was stopped."""

import os
import shlex
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.options import Data, Device, SkipBadRows, Votes, check_finished, data_path, note, read_faces
from mien.cli.progress import watch
from mien.cli.recipes import Preset, make_recipe, options_of, recipe_options
from mien.cli.tables import print_report
from mien.errors import UnknownModel

if TYPE_CHECKING:
    from mien.cards import Card
    from mien.runs import DataPath
    from mien.training.recipe import Recipe


@recipe_options()
def train(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="A name from `mien models`.")] = None,
    data: Data = None,
    votes: Votes = None,
    preset: Preset = None,
    out: Annotated[Path | None, typer.Option(metavar="RUN", help="The run folder; default runs/MODEL.")] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with the training in this run folder, by its own recipe.")
    ] = None,
    skip_bad_rows: SkipBadRows = False,
    device: Device = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="An option of the network, such as widths=[32,64,128]. Repeatable."),
    ] = None,
    **fields: Any,
) -> dict[str, Any]:
    """Train one network into a run folder: weights, ONNX file, card, history and figures.

    Ctrl-C, or a power cut, loses at most the epoch under way; `--resume RUN` goes on.
    """
    if resume is None:
        kept = _start(fields["init"]) if fields["init"] else None
        model = model or (kept.model if kept else None)
        if model is None:
            raise typer.BadParameter("name the model to train (see `mien models`), or a run to --resume.")
        if fields["init"] and Path(fields["init"]).exists():
            fields["init"] = os.path.abspath(fields["init"])  # it may be resumed from another folder
        recipe = make_recipe(model, preset or ("tuned" if data else "demo"), fields, option or ())
        if kept:  # the network is what it was; the preset's options are for a new one
            recipe = recipe.model_copy(update={"options": {**_shapeless(kept.options), **options_of(option or ())}})
        folder, where = out or Path("runs", model), None
    else:
        given = {"MODEL": model, "--preset": preset, "--out": out, "--option": option or None}
        given |= {"--" + name.replace("_", "-"): value for name, value in fields.items()}
        if wrong := [name for name, value in given.items() if value is not None]:
            raise typer.BadParameter(f"the run has its recipe and its folder; leave out {', '.join(wrong)}.")
        folder = resume
        recipe, where = _setup(folder)
    if data is None and where is not None:
        data, votes, skip_bad_rows = where.path, where.votes, where.skip_bad_rows
    source = (data, votes, skip_bad_rows)
    if int(os.environ.get("RANK", "0")):  # under torchrun: the same work without a word
        with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
            _train(folder, recipe, source, device, True)
        raise typer.Exit
    _train(folder, recipe, source, device, resume is not None)
    return _result(folder, data)


def _start(init: str) -> "Card":
    """The card of the network that a training starts from."""
    from mien.cards import Card
    from mien.shipped import find

    check_finished(Path(init))
    return Card.read(find(init))


def _shapeless(options: dict[str, Any]) -> dict[str, Any]:
    """A card's options without those that follow from the data."""
    return {name: value for name, value in options.items() if name not in ("classes", "channels", "size")}


def _setup(folder: Path) -> "tuple[Recipe, DataPath]":
    from mien.runs import read_setup

    return read_setup(folder)


def _train(
    folder: Path, recipe: "Recipe", source: tuple[str | None, str | None, bool], device: str | None, resume: bool
) -> None:
    from mien.experiment import train
    from mien.models import list_models
    from mien.runs import check_free, history
    from mien.training.distributed import leave

    if recipe.model not in list_models():  # said before minutes of reading
        raise UnknownModel(f"There is no model {recipe.model!r}; the models are {', '.join(list_models())}.")
    if not resume:
        check_free(folder)
    splits = read_faces(*source)
    done = len(history(folder)) if resume and (folder / "history.csv").exists() else 0
    try:
        with watch(recipe.model, recipe.epochs, done) as watcher:
            where = data_path(*source)
            for epoch in train(folder, splits, recipe, data=where, device=device, resume=resume, tick=watcher.tick):
                watcher.epoch(epoch)
    except KeyboardInterrupt:
        resume_it = shlex.join(["mien", "train", "--resume", str(folder)])
        raise KeyboardInterrupt(f"every finished epoch is saved. Go on with: {resume_it}") from None
    finally:
        leave()


def _result(folder: Path, data: str | None) -> dict[str, Any]:
    """Print how the finished run did, and return it as plain data."""
    from mien.cards import Card
    from mien.evaluation.report import Report
    from mien.runs import history

    card, rows = Card.read(folder), history(folder)
    after = card.scores["after"]["val"]
    epochs = "1 epoch" if len(rows) == 1 else f"{len(rows)} epochs"
    print_report(Report.from_json(after), f"{folder}: {card.model} after {epochs}, best {card.epoch}, on val")
    given = ["--data", data] if data else []
    tips = (["mien", "show", str(folder), *given], ["mien", "evaluate", str(folder), *given, "--views", "2"])
    note("\n  ".join([f"The run is in {folder}. Try next:", *map(shlex.join, tips)]))
    return {
        "run": str(folder),
        "model": card.model,
        "preset": card.preset,
        "parameters": card.parameters,
        "macs": card.macs,
        "epochs": len(rows),
        "best_epoch": card.epoch,
        "train_seconds": sum(row["seconds"] for row in rows),
        "before": card.scores["before"],
        "after": card.scores["after"],
    }

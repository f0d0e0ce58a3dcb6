"""`mien ladder`: the four rungs trained on the same faces, and one page that compares them. The main job."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.batches import fitted
from mien.cli.faces import as_words, read_source, say_leaked
from mien.cli.options import Data, Device, Groups, Rgb, Size, SkipBadRows, Votes, note
from mien.cli.places import check_out
from mien.cli.progress import ended_as_by_ctrl_c, watch
from mien.cli.recipes import in_one_process, make_recipe, need_torch, recipe_options
from mien.cli.tables import counted, print_table
from mien.cli.train import FEW

if TYPE_CHECKING:
    from mien.data.origin import DataPath
    from mien.data.splits import Splits
    from mien.training.recipe import Recipe

SHOWN = ("rung", "parameters", "training", "val before", "val after", "test after", "95 % interval", "macro-F1")
"""The columns that fit a terminal; the report has them all."""

PRESETS = ("article", "tuned", "demo")
"""Those that start from random weights."""


def _known_preset(name: str | None) -> str | None:
    if name is not None and name not in PRESETS:
        raise typer.BadParameter(f"the ladder starts from random weights; its presets are {', '.join(PRESETS)}.")
    return name


@recipe_options("epochs", "seed")
def ladder(
    data: Data = None,
    votes: Votes = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(PRESETS),
            callback=_known_preset,
            help="The recipes. article: those of the article which mien implements. tuned: the best known for FER2013. "
            "demo: quick, for drawn faces. Default: tuned with --data, else demo.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="For the results; default runs/ladder, of drawn faces runs/demo.")
    ] = None,
    groups: Groups = None,
    size: Size = None,
    rgb: Rgb = None,
    skip_bad_rows: SkipBadRows = False,
    device: Device = None,
    **fields: Any,
) -> dict[str, Any]:
    """Train the four networks on the same faces and compare them on one page, report.html.

    If it is stopped, the same command goes on where it was.
    """
    from mien.data.origin import DataPath

    in_one_process("ladder")
    suit = bool(data) and preset is None
    preset = preset or ("tuned" if data else "demo")
    folder = out or Path("runs", "ladder" if data else "demo")
    make_recipe("logistic", preset, fields)  # a wrong value is said before anything is read
    check_out(folder, data)
    source = DataPath(data, votes, skip_bad_rows, size, bool(rgb), groups)
    need_torch()
    splits = read_source(source)
    say_leaked(splits)
    try:
        _climb(folder, splits, preset, suit, device, fields)
        from mien.ladder import compare_rungs  # asks for torch, as _climb did

        compared = compare_rungs(folder, splits, device=device)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("every finished epoch is saved. The same command goes on where it was.") from None
    if not len(splits.test) and (few := int(splits.val.sure.sum())) < FEW:
        note(f"Each is the best of its epochs by these {few:,} faces, which flatters where they are so few.")
    columns, rows = compared.table()
    kept = [place for place, name in enumerate(columns) if name in SHOWN]
    print_table([columns[k] for k in kept], [[row[k] for k in kept] for row in rows], "The ladder")
    return compared.as_json() | {"folder": str(folder), "report": _say_what_to_open(folder, source)}


def _climb(folder: Path, splits: "Splits", preset: str, suit: bool, device: str | None, fields: dict[str, Any]) -> None:
    from mien.cards import CARD
    from mien.experiment import train
    from mien.models import LADDER
    from mien.runs import history

    if ready := [model for model in LADDER if (folder / model / CARD).exists()]:
        note(f"Trained already: {', '.join(ready)}.")
    recipes = {model: make_recipe(model, preset, fields) for model in LADDER}
    if suit:
        recipes = _suited(folder, recipes, sum(splits["train"].counts.values()))
    for model, recipe in recipes.items():  # one at a time, so that each has a bar of its own
        run = folder / model
        done = len(history(run, missing_ok=True))
        with (
            ended_as_by_ctrl_c(),
            watch(model, recipe.epochs, done, several=True) as watcher,
            closing(train(run, splits, recipe, device=device, resume=True, tick=watcher.tick)) as epochs,
        ):
            for epoch in epochs:
                watcher.epoch(epoch)


def _suited(folder: Path, recipes: "dict[str, Recipe]", faces: int) -> "dict[str, Recipe]":
    """The rungs' recipes with batches that fit so many faces; as they are for a ladder that was begun with them."""
    from mien.runs import RECIPE, read_setup

    suited = {model: fitted(recipe, faces) for model, recipe in recipes.items()}
    changed = [model for model in recipes if suited[model] != recipes[model]]
    begun = [model for model in changed if (folder / model / RECIPE).exists()]
    if any(read_setup(folder / model)[0].batch == recipes[model].batch for model in begun):
        return recipes
    if changed:
        one = changed[0]
        note(
            f"{counted(faces, 'face')} to learn from: batches of {suited[one].batch} rather than "
            f"{recipes[one].batch}, and SGD's learning rates with them, so that an epoch has more steps. "
            f"--preset {recipes[one].preset} leaves them as they are."
        )
    return suited


def _say_what_to_open(folder: Path, source: "DataPath") -> str | None:
    """Say on stderr what to open and what to try next; returns the report's path."""
    from mien.environment import as_typed
    from mien.ladder import REPORT

    report = folder / REPORT
    given = as_words(source)
    if report.exists():
        note(f"Open {report}: the ladder, learning curves, confusion matrices, and faces with what each network said.")
    else:
        note(f'The comparison is in {folder / "ladder.md"}; with pip install "mien[figures]" it becomes a page.')
    tips = [
        as_typed(["mien", "show", str(folder / "resnet"), *given]),
        as_typed(["mien", "evaluate", str(folder / "cnn"), *given, "--views", "2"]),
        "mien models resnet" if source.path else "mien ladder --data fer2013.csv   (`mien data get` says where it is)",
    ]
    note("\n  ".join(["Try next:", *tips]))
    return str(report) if report.exists() else None

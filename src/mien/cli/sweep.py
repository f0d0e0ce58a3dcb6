"""`mien sweep`: many short trainings in search of the recipe's best fields."""

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.batches import suited, suits
from mien.cli.faces import as_words, read_source, say_leaked
from mien.cli.options import Data, Device, Groups, InitRgb, InitSize, SkipBadRows, Votes, given_path, note
from mien.cli.places import check_out
from mien.cli.progress import ended_as_by_ctrl_c, watch
from mien.cli.recipes import NOT_OPTIONS, Model, NetworkOption, Preset, asked, in_one_process, recipe_options
from mien.cli.tables import counted, print_table
from mien.errors import Incomplete, RecipeError

if TYPE_CHECKING:
    from mien.data.origin import DataPath
    from mien.sweep import Sweep
    from mien.training.recipe import Recipe

SHOWN = 10
"""Trials in the closing table; `--json` has them all."""


@recipe_options(without=["distil"])  # sweeps have no teachers
def sweep(
    model: Model = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUES",
            help="A recipe field and what is tried for it: lr=0.01..0.3:log, erase=0..0.6, batch=64,128. Repeatable.",
        ),
    ] = None,
    trials: Annotated[int, typer.Option(min=1, metavar="N", help="Trials in all, with those of earlier calls.")] = 20,
    out: Annotated[
        Path | None, typer.Option(parser=given_path, metavar="DIR", help="For the trials; default runs/sweep-MODEL.")
    ] = None,
    spare: Annotated[
        int, typer.Option(min=1, metavar="N", help="Trials that run to their end before the worse ones are cut short.")
    ] = 5,
    data: Data = None,
    votes: Votes = None,
    preset: Preset = None,
    groups: Groups = None,
    size: InitSize = None,
    rgb: InitRgb = None,
    skip_bad_rows: SkipBadRows = False,
    device: Device = None,
    option: NetworkOption = None,
    **fields: Any,
) -> dict[str, Any]:
    """Search for a good recipe: many trainings, ranked by validation accuracy; test isn't looked at.

    Each trial has a run folder of its own. Ctrl-C loses at most the epoch under way; a power cut may lose several, if
    they are quick. The same command goes on, and with a higher --trials adds some.
    """
    from mien.data.origin import DataPath
    from mien.space import read_space
    from mien.sweep import Sweep

    in_one_process("sweep")
    source = DataPath(data, votes, skip_bad_rows, size, bool(rgb), groups)
    suit = suits(source, preset, fields)
    recipe, source = asked(model, preset, source, rgb, fields, option or ())
    try:
        space = read_space(field or (), recipe)
    except RecipeError as error:
        raise typer.BadParameter(str(error), param_hint="--field") from None
    if twice := [name for name in space if fields[name] is not None]:
        raise typer.BadParameter(f"{', '.join(twice)}: swept, and given a value, too. Leave one of them out.")
    folder = out or Path("runs", f"sweep-{recipe.model}")
    check_out(folder, source.path)
    splits = read_source(source)
    say_leaked(splits)
    if suit and not {"batch", "lr"} & space.keys():
        recipe = suited(recipe, sum(splits["train"].counts.values()))
    search = Sweep(folder, splits, recipe, space, device=device, spared=spare)
    try:
        with ended_as_by_ctrl_c():
            _run(search, trials)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("every finished epoch is saved. The same command goes on where it was.") from None
    return _result(search, source, device)


def _run(search: "Sweep", count: int) -> None:
    """Run the trials that are left, each with a bar of its own, and say how each one ended."""
    from mien.runs import history

    for trial in search.trials(count):
        done = len(history(trial.folder, missing_ok=True))
        with (
            watch(f"trial {trial.number}", trial.recipe.epochs, done, several=True) as watcher,
            closing(search.run(trial, watcher.tick)) as epochs,
        ):
            for epoch in epochs:
                watcher.epoch(epoch)
        ended = next(one for one in search.ranked() if one.number == trial.number)
        at = "" if ended.accuracy is None else f" at {ended.accuracy:.4f} after epoch {ended.epochs}"
        why = f". {ended.why}" if ended.why else ""
        note(f"trial {trial.number}: {ended.status}{at}: {_said(trial.values)}{why}")
    if (tried := len(search.ranked())) < count:
        note(f"--field allows only {counted(tried, 'recipe')}; none is trained twice.")


def _result(search: "Sweep", source: "DataPath", device: str | None) -> dict[str, Any]:
    """Print the best trials and the command that repeats the first; the same as plain data."""
    from mien.environment import as_typed

    ranked = search.ranked()
    print_table(
        ("trial", "val accuracy", "epochs", "best", *search.space, "ended"),
        [
            (
                one.number,
                "" if one.accuracy is None else f"{one.accuracy:.4f}",
                one.epochs,
                one.best_epoch,
                *map(_short, one.values.values()),
                one.status,
            )
            for one in ranked[:SHOWN]
        ],
        f"{search.folder}: {counted(len(ranked), 'trial')}, the best by validation",
        left=(),
    )
    result: dict[str, Any] = {"sweep": str(search.folder), "trials": [one.as_json() for one in ranked]}
    best = ranked[0]
    if best.status != "finished":
        raise Incomplete("No trial came to its end: try other ranges, such as lower learning rates.", result)
    command = as_typed(_command(best.recipe, source, device, search.folder / "best"))
    note(
        f"Trial {best.number} is in {best.folder}. Chosen as the best of several, its accuracy is flattered: judge it "
        f"once on faces that it wasn't chosen by. The same training again:\n  {command}"
    )
    return {**result, "best": best.as_json(), "command": command}


def _command(recipe: "Recipe", source: "DataPath", device: str | None, out: Path) -> list[str]:
    """The `mien train` that trains by this very recipe on these faces: what differs from the preset, in full."""
    from mien.training.recipe import recipe as of_preset

    words = ["mien", "train", recipe.model, "--preset", recipe.preset, *as_words(source)]
    words += ["--size", str(source.size)] if source.size else []
    words += ["--rgb" if source.rgb else "--gray"] if source.rgb or recipe.init else []
    plain = of_preset(recipe.model, recipe.preset)
    for name in type(recipe).model_fields:
        value = getattr(recipe, name)
        if name in NOT_OPTIONS or value == getattr(plain, name):
            continue
        flag = name.replace("_", "-")
        words += [f"--{'' if value else 'no-'}{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
    for key, value in recipe.options.items():
        if key not in plain.options or plain.options[key] != value:
            words += ["--option", f"{key}={json.dumps(value)}"]
    return [*words, *(["--device", device] if device else []), "--out", str(out)]


def _said(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in values.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

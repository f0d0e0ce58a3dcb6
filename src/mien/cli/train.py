"""`mien train`: one network into a run folder, or on with a training that was stopped."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.batches import suited, suits
from mien.cli.faces import as_words, begun_on, read_source, say_changed, say_leaked
from mien.cli.options import Data, Device, Groups, InitRgb, InitSize, SkipBadRows, Votes, note
from mien.cli.places import check_out
from mien.cli.progress import ended_as_by_ctrl_c, watch
from mien.cli.recipes import Model, NetworkOption, Preset, asked, need_torch, recipe_options, trained
from mien.cli.tables import counted, print_report
from mien.errors import CheckpointError

if TYPE_CHECKING:
    from mien.data.origin import DataPath
    from mien.training.recipe import Recipe

FEW = 300
"""With fewer validation faces the accuracy of the epoch chosen by them is too high by some points (at 300, about 3)."""

FROM_NOTHING = 5000
"""Fewer training faces teach a new network much less than one gives that knows faces (docs/how-to/own-data.md)."""


@recipe_options()
def train(
    model: Model = None,
    data: Data = None,
    votes: Votes = None,
    preset: Preset = None,
    out: Annotated[Path | None, typer.Option(metavar="RUN", help="The run folder; default runs/MODEL.")] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with the training in this run folder, by its recipe.")
    ] = None,
    groups: Groups = None,
    size: InitSize = None,
    rgb: InitRgb = None,
    skip_bad_rows: SkipBadRows = False,
    device: Device = None,
    option: NetworkOption = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NETWORK",
            help="A trained network that teaches this one (--distil): a run folder, or one in the box. Repeatable.",
        ),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write loss and accuracy for TensorBoard, into RUN/tensorboard.")
    ] = False,
    **fields: Any,
) -> dict[str, Any]:
    """Train one network into a run folder: weights, ONNX file, card, history and figures.

    Ctrl-C loses at most the epoch under way; a power cut may lose several, if they are quick. `--resume RUN` goes on.
    """
    from mien.data.origin import DataPath
    from mien.runs import read_setup

    if tensorboard:
        import mien.events  # noqa: F401 # when the extra isn't there it is said before anything is read

    suit, along = False, ["--tensorboard"] if tensorboard else []
    along += ["--device", device] if device else []
    if resume is None:
        source = DataPath(data, votes, skip_bad_rows, size, bool(rgb), groups)
        suit = suits(source, preset, fields)
        if fields["distil"] is not None and not teacher:
            raise typer.BadParameter("it is the share of teachers, and goes with --teacher.", param_hint="--distil")
        fields["teachers"] = [trained(name) for name in teacher] if teacher else None
        recipe, source = asked(model, preset, source, rgb, fields, option or ())
        folder = out or Path("runs", recipe.model)
        check_out(folder, source.path)
    else:
        given: dict[str, Any] = {"MODEL": model, "--preset": preset, "--out": out, "--size": size, "--rgb": rgb}
        given |= {"--option": option or None, "--teacher": teacher or None}
        given |= {"--" + name.replace("_", "-"): value for name, value in fields.items()}
        if wrong := [name for name, value in given.items() if value is not None]:
            raise typer.BadParameter(f"the run has its recipe and its folder; leave out {', '.join(wrong)}.")
        folder = resume
        recipe, noted = read_setup(folder)
        if noted is None and data is None:
            raise CheckpointError(f"{folder}: its run was begun on faces made by a program; go on with it there.")
        said = DataPath(data, votes, skip_bad_rows, groups=groups)
        source = begun_on(folder, noted, said)
        along = [*as_words(said), *along]
    if int(os.environ.get("RANK", "0")):  # under torchrun: the same work without a word
        with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
            _train(folder, recipe, source, device, True, suit, False, along)
        raise typer.Exit
    _train(folder, recipe, source, device, resume is not None, suit, tensorboard, along)
    return _result(folder, source)


def _train(
    folder: Path,
    recipe: "Recipe",
    source: "DataPath",
    device: str | None,
    resume: bool,
    suit: bool,
    tensorboard: bool,
    along: Sequence[str],
) -> None:
    """Train, or go on; `along` are words that the command for going on after Ctrl-C needs beside the run folder."""
    from mien.cards import CARD
    from mien.environment import as_typed
    from mien.experiment import computed, train
    from mien.runs import RECIPE, check_free, history
    from mien.training.distributed import leave

    if not (resume or "WORLD_SIZE" in os.environ):  # several processes first find out whether they were here before
        check_free(folder)
    need_torch()
    splits = read_source(source)
    leads = os.environ.get("RANK", "0") == "0"
    if leads:
        say_leaked(splits)
    if leads and not resume:
        for earlier in filter(None, [recipe.init, *recipe.teachers]):
            say_changed(earlier, splits, "val", source.path)
        new = not (recipe.init or recipe.teachers or recipe.preset == "demo")  # which is for drawn faces
        if source.path and new and (few := len(splits["train"])) < FROM_NOTHING:
            note(
                f"{counted(few, 'face')} to learn from, and a {recipe.model} that knows nothing yet: with so few, "
                "--init small in its place is far better, as it goes on from a network that knows faces."
            )
    if suit:
        recipe = suited(recipe, sum(splits["train"].counts.values()))
    done = len(history(folder, missing_ok=True))
    if leads and not (folder / CARD).exists():
        note("On {device}, in {precision}.".format(**computed(recipe, device)))
    try:
        with (
            ended_as_by_ctrl_c(),
            _logged(folder, tensorboard) as log,
            watch(recipe.model, recipe.epochs, done) as watcher,
            closing(
                train(
                    folder, splits, recipe, device=device, resume=resume, tick=watcher.tick,
                    before=lambda report: watcher.before(report.accuracy),
                )
            ) as epochs,
        ):  # fmt: skip
            for epoch in epochs:
                watcher.epoch(epoch)
                log()
            log()  # of a run that was finished already
    except KeyboardInterrupt:
        if not (folder / RECIPE).exists():
            raise KeyboardInterrupt("nothing was begun yet.") from None
        resume_it = as_typed(["mien", "train", "--resume", str(folder), *along])
        raise KeyboardInterrupt(f"every finished epoch is saved. Go on with: {resume_it}") from None
    else:  # one that failed would wait here for the others, which wait for it; its end tells them
        leave()


def _logged(folder: Path, tensorboard: bool) -> AbstractContextManager[Callable[[], None]]:
    """What to call after each epoch: it writes TensorBoard's events, or nothing."""
    if not tensorboard:
        return nullcontext(lambda: None)
    from mien.events import events

    return events(folder)


def _result(folder: Path, source: "DataPath") -> dict[str, Any]:
    """Print how the finished run did, and return it as plain data."""
    from mien.cards import Card
    from mien.environment import as_typed
    from mien.evaluation.report import Report
    from mien.runs import FIGURES, history

    card, rows = Card.read(folder), history(folder)
    after = card.scores["after"]["val"]
    epochs = counted(len(rows), "epoch")
    print_report(Report.from_json(after), f"{folder}: {card.model} after {epochs}, best {card.epoch}, on val")
    if len(rows) > 1 and after["n"] < FEW:
        note(
            f"That is the best of {len(rows)} epochs by these {after['n']:,} faces, which flatters where they are so "
            "few: judge it on others, too (`mien evaluate`)."
        )
    given = as_words(source)
    tips = (["mien", "show", str(folder), *given], ["mien", "evaluate", str(folder), *given, "--views", "2"])
    use = ["mien", "predict", "photo.jpg", "--model", str(folder)]
    curves, confusion = (folder / FIGURES / f"{name}.svg" for name in ("curves", "confusion"))
    if curves.exists():
        note(f"How it learned is drawn in {curves}, what it confuses in {confusion}.")
    note("\n  ".join([f"The run is in {folder}. Try next:", *map(as_typed, (*tips, use))]))
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

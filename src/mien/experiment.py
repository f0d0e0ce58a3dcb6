"""One experiment: a recipe and data become a run folder.

A run folder holds `recipe.json`, `data.json` and `environment.json` from the start; `state.pt`,
`weights.safetensors` (the best epoch's) and `history.csv` after every epoch, or where epochs are quick after some (see
`SAVING`); `model.onnx`, `figures/` and `card.json` when it is finished, the first two unless `export` is False. The
card is written last, so a folder with a card is complete.
"""

import json
import os
import re
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mien.cards import CARD, STATE, Card, TrainedOn, checksum, taught_by
from mien.checkpoint import load_run, load_state, save_state, save_weights
from mien.data.faces import UNLABELLED, FaceSet
from mien.data.split import DRAWN
from mien.data.splits import Splits
from mien.environment import environment
from mien.errors import CheckpointError, DataError, MissingExtra, RecipeError, check_kind
from mien.evaluation.report import Report
from mien.evaluation.scores import evaluate
from mien.export import export_onnx
from mien.files import atomic_write
from mien.models import summarise
from mien.net import MODEL, WEIGHTS
from mien.runs import COLUMNS, DATA, FIGURES, HISTORY, RECIPE, begin, check_free, held, read_note, write_history
from mien.shipped import shipped
from mien.starting import has_new_head, init_of, rehearse, starting
from mien.training.checks import check_faces, check_network, enough_memory
from mien.training.device import pick_device
from mien.training.distillation import check_teachers
from mien.training.distributed import Team, join
from mien.training.fit import Epoch, fit
from mien.training.head import fit_head_
from mien.training.precision import number_kind
from mien.training.recipe import TIMM, Recipe

ENVIRONMENT = "environment.json"

SAVING = 10
"""After a save that took a second, this many seconds pass before the next one. Longer epochs are each saved."""

EVALUATED = 256
"""The most faces at a time when a network is judged before and after its training, see `at_once`."""


def train(
    folder: str | os.PathLike[str],
    splits: Splits,
    recipe: Recipe,
    *,
    device: str | torch.device | None = None,
    resume: bool = False,
    tick: Callable[[float], None] | None = None,
    second: FaceSet | None = None,
    export: bool = True,
    before: Callable[[Report], None] | None = None,
) -> Generator[Epoch, None, None]:
    """Train one network into a run folder, and yield each Epoch.

    It is a generator: nothing happens until a loop asks for the epochs, `for epoch in mien.train(...)`, or
    `history = list(mien.train(...))`, which trains them all.

    Stopping it, by `break`, Ctrl-C or an error, loses only the epoch under way; with `resume` the next call goes on
    after the last saved one, and yields nothing when the run is finished. An epoch is saved before it is yielded,
    unless the last save was less than ten times as long ago as it took: kill -9, or a power cut, loses such quick
    epochs, too. The test split isn't looked at.
    Where a variable holds what `train` gave, as in a notebook, a loop that was left still locks the folder: that
    variable's `.close()` unlocks it.

    Args:
        folder: the run folder; made when it isn't there.
        device: "cpu", "cuda", ...; None picks.
        tick: called during an epoch with the share of it that is done.
        second: the training faces with a second labelling, as `fit` takes it.
        export: False leaves out the ONNX file, which `export_onnx` can write later, and the figures.
        before: called once, ahead of the first epoch, with how the network does on `val` before any training.

    Raises:
        CheckpointError: the folder holds a run and `resume` is False; its recipe or data are others; or another
            command trains in it now.
        DataError, RecipeError: `fit` can't train by this recipe on these faces; then nothing is written.

    Under `torchrun` every process calls it alike; rank 0 alone writes. A process that torchrun starts again goes on
    with the run.
    """
    check_kind(splits, Splits, DataError, "train takes all three sets as one, such as mien.drawn_faces().")
    check_kind(recipe, Recipe, RecipeError, 'train needs a recipe, such as mien.recipe("cnn").')
    folder, device = Path(folder), pick_device(device)
    team = join(device)
    leads = team.rank == 0
    if leads and not (resume or team.again):
        check_free(folder)
    check_faces(splits["train"], splits["val"], second)  # what is wrong is said before a folder is made
    teachers = [] if (folder / CARD).exists() else [load_run(name)[0] for name in recipe.teachers]
    if teachers:
        check_teachers(teachers, splits["train"], recipe)
    model = starting(folder, recipe, splits)
    check_network(model, splits["train"], recipe, second, team)
    if leads and not (folder / RECIPE).exists():
        rehearse(model, recipe, splits)
    with held(folder) if leads else nullcontext():
        yield from _train(
            folder, model, splits, recipe, team,
            device=device, tick=tick, second=second, teachers=teachers, export=export, say=before,
        )  # fmt: skip


def _train(
    folder: Path,
    model: nn.Module,
    splits: Splits,
    recipe: Recipe,
    team: Team,
    *,
    device: torch.device,
    tick: Callable[[float], None] | None,
    second: FaceSet | None,
    teachers: Sequence[nn.Module],
    export: bool,
    say: Callable[[Report], None] | None,
) -> Generator[Epoch, None, None]:
    leads = team.rank == 0
    if leads:
        begin(folder, splits, recipe, second)
    team.wait()
    finished = (folder / CARD).exists()
    state = load_state(folder / STATE) if not finished and (folder / STATE).exists() else None
    team.agree(-1 if finished else state["fit"]["epoch"] if state else 0, "epochs in the run folder")
    if finished:
        return
    if leads and not (folder / ENVIRONMENT).exists():
        atomic_write(folder / ENVIRONMENT, json.dumps(environment() | computed(recipe, device), indent=2))
    started = state["started"] if state else init_of(recipe)
    sums = [Card.read(name).checksums[WEIGHTS] for name in recipe.teachers]
    if state and state["teachers"] != sums:
        raise CheckpointError(
            f"{folder}: this run was begun with other weights of its teachers ({', '.join(recipe.teachers)}) than are "
            "there now. Put those back, or choose another folder."
        )
    if state:
        before = state["before"]
    else:
        with enough_memory(device, recipe, splits["train"]):
            model.to(device)
            if has_new_head(recipe, splits.classes):
                earlier = None if recipe.init == TIMM else load_run(recipe.init)[0]
                fit_head_(model, splits["train"], recipe, batch=at_once(recipe, team.size), earlier=earlier)
            first = evaluate(model, splits["val"], split="val", batch=at_once(recipe, team.size))
        before = first.as_json()
        if say:
            say(first)
    rows: list[dict[str, float]] = state["history"] if state else []
    if leads and state:
        with suppress(PermissionError):  # see `_Keeper.save`
            write_history(folder, rows)  # it lags behind where the process was killed just after saving the state
    keeper = _Keeper(folder, {"before": before, "options": model.options, "started": started, "teachers": sums})
    try:
        for epoch in fit(
            model, splits["train"], splits["val"], recipe,
            device=device, state=state and state["fit"], tick=tick, second=second, teachers=teachers,
        ):  # fmt: skip
            rows.append({name: getattr(epoch, name) for name in COLUMNS})
            if leads:
                keeper.take(epoch, rows)
            yield epoch
    finally:
        keeper.save()
    if not leads:
        return
    try:
        write_history(folder, rows)  # once more, for it may have failed above
    except PermissionError as error:
        raise CheckpointError(
            f"{folder / HISTORY}: can't be written ({error.strerror}); another program may hold it. All epochs are "
            "saved: close it, and go on with --resume."
        ) from None
    _finish(folder, model, splits, recipe, team.size, started, sums, before, rows, export)


def at_once(recipe: Recipe, processes: int = 1) -> int:
    """How many faces at a time its network is judged by before and after its training: at most those of a part of one
    process's step, for what has room with gradients has it without them, too."""
    return min(-(-recipe.batch // (processes * recipe.accumulate)), EVALUATED)


class _Keeper:
    """Saves a training after each epoch, or less often where that would take too much of the time (see `SAVING`)."""

    def __init__(self, folder: Path, known: dict[str, Any]) -> None:
        self.folder, self.known = folder, known
        self.held: dict[str, Any] = {}  # the state, while it isn't saved
        self.better, self.due = False, time.monotonic()

    def take(self, epoch: Epoch, rows: list[dict[str, float]]) -> None:
        """Hold the state after an epoch, and save it if it is time, or the last one."""
        self.held = {"fit": epoch.state, "history": [*rows], **self.known}
        self.better |= epoch.best
        if time.monotonic() >= self.due or epoch.epoch == epoch.epochs:
            self.save()

    def save(self) -> None:
        """Save what isn't saved yet, if anything is."""
        if not self.held:
            return
        began = time.monotonic()
        if self.better:
            save_weights(self.held["fit"]["best"], self.folder / WEIGHTS)
        save_state(self.held, self.folder / STATE)
        with suppress(PermissionError):  # on Windows, while Excel has it open; the state holds the same rows
            write_history(self.folder, self.held["history"])
        self.held, self.better = {}, False
        now = time.monotonic()
        self.due = now + SAVING * (now - began)


def computed(recipe: Recipe, device: str | torch.device | None = None) -> dict[str, str]:
    """On which device a training by this recipe runs, and in which precision."""
    where = pick_device(device)
    name = f"{where} ({torch.cuda.get_device_name(where)})" if where.type == "cuda" else str(where)
    return {"device": name, "precision": str(number_kind(recipe, where)).removeprefix("torch.")}


def _finish(
    folder: Path,
    model: nn.Module,
    splits: Splits,
    recipe: Recipe,
    processes: int,
    started: str,
    taught_with: Sequence[str],
    before: dict[str, Any],
    rows: list[dict[str, float]],
    export: bool,
) -> None:
    # the file may have an epoch's that was lost in a kill, and done again with another outcome
    save_weights(model.state_dict(), folder / WEIGHTS)
    with enough_memory(next(model.parameters()).device, recipe, splits["train"]):  # where it was trained
        report = evaluate(model, splits["val"], split="val", batch=at_once(recipe, processes))
    model.cpu()
    best = max(rows, key=lambda row: (row["val_accuracy"], -row["val_loss"]))
    cost, teachers = summarise(model), [Path(name).name for name in recipe.teachers]
    # with a piece of their checksums, for many a run's folder is called `best`
    known = [f"{name} {weights[:8]}" for name, weights in zip(teachers, taught_with, strict=True)]
    options: Any = model.options
    card = Card(
        model=recipe.model,
        options=options,
        classes=splits.classes,
        input_shape=(options["channels"], options["size"], options["size"]),
        preset=recipe.preset,
        recipe=recipe.model_dump() | {"init": Path(recipe.init).name, "teachers": known},
        init=started,
        parameters=cost.parameters,
        macs=cost.macs,
        data=TrainedOn(
            source=named(splits),
            checksums=read_note(folder / DATA)["checksums"],  # of what it was begun on
        ),
        scores={"before": {"val": before}, "after": {"val": report.as_json()}},
        epoch=int(best["epoch"]),
        prior=learned_prior(splits["train"], recipe),
        notes="The best epoch by validation accuracy. The test split was not looked at."
        + taught_by(recipe.distil, teachers, boxed=set(recipe.teachers) <= set(shipped())),
    )
    if export:
        export_onnx(model, folder / MODEL, card)
        _draw(folder, rows, report)
    sums = {name: checksum(folder / name) for name in ((WEIGHTS, MODEL) if export else (WEIGHTS,))}
    card.model_copy(update={"checksums": sums}).write(folder / CARD)


def learned_prior(faces: FaceSet, recipe: Recipe) -> tuple[float, ...]:
    """The share of each class in what a training by this recipe takes from these faces."""
    labels = faces.labels[known := faces.labels != UNLABELLED]
    weights = np.ones(len(labels))
    if recipe.sampling == "balanced":  # by the largest share of soft targets, whose other shares come with it
        weights /= np.bincount(labels)[labels]
    totals = weights @ faces.targets[known] if faces.soft else np.bincount(labels, weights, len(faces.classes))
    if recipe.class_weights == "balanced":
        totals = (totals > 0).astype(np.float64)
    return tuple((totals / totals.sum()).round(6).tolist())


def named(splits: Splits) -> str:
    """Where faces came from, as names of files without their folders, which would tell of the machine."""
    origin = splits.origin
    files = [os.path.basename(os.path.normpath(path)) for path in (origin.path, origin.votes) if path] if origin else []
    drawn = re.search(rf" \([^()]*{DRAWN} \d+\)", splits.source)
    return " + ".join(files) + (drawn[0] if drawn else "") if files else os.path.basename(splits.source)


def _draw(folder: Path, rows: list[dict[str, float]], report: Report) -> None:
    try:
        from mien.evaluation.figures import confusion_matrix, curves
    except MissingExtra:
        return  # figures are an extra; the numbers are all there
    atomic_write(folder / FIGURES / "curves.svg", curves(rows))
    atomic_write(folder / FIGURES / "confusion.svg", confusion_matrix(report.confusion, report.classes))

"""The staged training of the networks in the box: teachers, students that learn from them, and what is shipped.

Each stage stops and saves itself when its minutes are over, and goes on from there in the next call. A teacher leaves
its probabilities for the training faces, not its weights; a student learns from the labels and from the mean of the
teachers. docs/RELEASE.md says how the stages are run.
"""

import json
import math
import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mien.budgets import Plan
from mien.cards import CARD, STATE, TrainedOn, checksum
from mien.checkpoint import load_run, save_weights
from mien.data.faces import UNLABELLED, FaceSet
from mien.data.splits import Splits
from mien.errors import CheckpointError, MienError
from mien.evaluation.scores import evaluate
from mien.experiment import learned_prior, train
from mien.export import export_onnx
from mien.files import atomic_write
from mien.models import create_model, summarise
from mien.net import MODEL, WEIGHTS
from mien.runs import LOCK, RELEASE
from mien.shipping import ship
from mien.teachers import PROBABILITIES, check_same, homes, leave_probabilities, name_teachers, taught
from mien.training.device import pick_device
from mien.training.fit import Epoch
from mien.training.recipe import Recipe, read_recipe

STAGES = ("teachers", "students", "ship")
SHIPPED = "box"
"""Where in the folder the shipped networks lie, ready to be copied into `src/mien/weights`."""


@dataclass(frozen=True)
class Step:
    """An epoch of one of the plan's networks. `name` is its folder, such as "teacher-2" or "small"."""

    name: str
    epoch: Epoch


class OutOfTime(Exception):
    """The minutes are over; everything is saved."""


def release(
    plan: Plan,
    splits: Splits,
    folder: Path,
    *,
    stage: str = "all",
    votes: Splits | None = None,
    minutes: float = math.inf,
    device: str | None = None,
    tick: Callable[[float], None] | None = None,
    look: Callable[[str, float], None] | None = None,
) -> Generator[Step, None, None]:
    """Train whatever of `plan` isn't done yet in `folder`, and yield a Step after every epoch.

    It can be stopped as `mien.train` can; when the minutes are over, everything is saved.

    Args:
        stage: "teachers", "students", "ship" (calibration, half-size weights, ONNX files, cards), or "all" in turn.
        votes: the same faces with a second labelling, such as FER+'s votes. Every network learns it with a second head,
            and beside each student stands another, "NAME-ferplus", that answers with that head.
        minutes: how long it may take; training stops after the last epoch that fits in.
        device, tick: as `mien.train` has them.
        look: called while a teacher answers for the faces, with its name and the share of a split that is done:
            training, then validation.

    Raises:
        MienError: an unknown stage, votes for other faces, or a folder with other networks' teachers.
        CheckpointError: students are asked for before their teachers are done, or shipping before the students are; or
            the folder was begun on other data or votes.
        OutOfTime: the minutes were over first.
    """
    if stage not in (*STAGES, "all"):
        raise MienError(f"There is no stage {stage!r}; the stages are {', '.join(STAGES)}, all.")
    taught_in = homes(plan, folder)
    for home, teacher in zip(taught_in, plan.teachers, strict=True):
        check_same(home, teacher)
    _check_ready(plan, folder, stage)
    clock, second = _Clock(minutes), _second(splits, votes) if votes else None
    clock.check(0)
    _begin(plan, folder, splits, votes)
    # marks are for judging; all labelled training faces are learned from
    splits = replace(splits, train=splits.train.labelled.replaced(marks=None))
    how: dict[str, Any] = {"device": device, "tick": tick, "resume": True, "second": second}
    if stage in ("teachers", "all"):
        for home, chosen in zip(taught_in, plan.teachers, strict=True):
            if (home / PROBABILITIES).exists():
                continue
            yield from _train(home, splits, chosen, clock, {**how, "export": False})
            leave_probabilities(home, splits, device, partial(_look, clock, look, home.name))
            clock.finished()
    if stage in ("students", "all"):
        lessons = taught(splits, taught_in, plan.distil)
        for name, chosen in plan.students.items():
            yield from _train(folder / name, lessons, chosen, clock, how)
            name_teachers(folder / name, plan)
            if votes and not (folder / f"{name}-ferplus" / CARD).exists():
                _other_head(folder / name, folder / f"{name}-ferplus", votes, device)
            clock.finished()
    if stage in ("ship", "all"):
        for name in plan.students:
            _ship(folder, name, splits, clock)
            if (folder / f"{name}-ferplus" / CARD).exists() and votes:
                _ship(folder, f"{name}-ferplus", votes, clock)


def _check_ready(plan: Plan, folder: Path, stage: str) -> None:
    """Raise CheckpointError when the stage before this one isn't done."""
    missing = [home.name for home in homes(plan, folder) if not (home / PROBABILITIES).exists()]
    if stage == "students" and missing:
        raise CheckpointError(f"{folder}: not done yet: {', '.join(missing)}; run the stage teachers first.")
    missing = [name for name in plan.students if not (folder / name / CARD).exists()]
    if stage == "ship" and missing:
        raise CheckpointError(f"{folder}: not done yet: {', '.join(missing)}; run the stage students first.")


def _begin(plan: Plan, folder: Path, splits: Splits, votes: Splits | None) -> None:
    """Note which faces and votes this release is made from, so that no later call goes on with others.

    Raises:
        CheckpointError: it was begun with others.
    """
    given = {"data": splits, **({"votes": votes} if votes else {})}
    noted = {kind: of.checksums for kind, of in given.items()}
    path = folder / RELEASE
    try:
        was = dict(json.loads(path.read_bytes())) if path.exists() else noted
    except (ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path}: damaged ({error}). Take another folder for --out.") from None
    changed = {kind for kind in ("data", "votes") if was.get(kind) != noted.get(kind)}
    if changed:
        raise CheckpointError(
            f"{folder}: this release was begun on other {' and '.join(sorted(changed))}. Give it the --data and "
            "--votes that it was begun with, or take another folder for --out."
        )
    if not path.exists():
        atomic_write(path, json.dumps(noted, indent=2))


def spare(folder: Path) -> set[Path]:
    """Files in a release's folder that needn't be packed: the next call reads none of them."""
    under_way = [path for path in folder.glob(f"*/{STATE}") if not path.with_name(CARD).exists()]
    weights = (path.with_name(WEIGHTS) for path in under_way)  # a state holds the best ones itself
    locks = folder.glob(f"*/{LOCK}")  # which Windows lets nobody read while they are held
    return {path for path in (*weights, *locks, *folder.glob(f"*/{MODEL}")) if path.exists()}


class _Clock:
    """Says when to stop. Finishing a network, its last epoch included, is expected to take as long as it last did."""

    def __init__(self, minutes: float) -> None:
        self.end = time.monotonic() + 60 * minutes
        self.finishing = min(6 * minutes, 60.0)
        self.began: float | None = None

    def check(self, seconds: float, *, last: bool = False) -> None:
        """Raise OutOfTime unless there is time for an epoch that takes half as long again as `seconds`, as faces grow.

        `last`: and for finishing a network.
        """
        if time.monotonic() + 1.5 * seconds + last * self.finishing > self.end:
            raise OutOfTime

    def mark(self) -> None:
        """The finishing begins here, if no other epoch follows."""
        self.began = time.monotonic()

    def finished(self) -> None:
        """A network is finished: note how long the finishing took."""
        if self.began is not None:
            self.finishing, self.began = time.monotonic() - self.began, None


def _train(home: Path, splits: Splits, recipe: Recipe, clock: _Clock, how: dict[str, Any]) -> Iterator[Step]:
    """Train one network into its run folder, or go on with it; a finished one yields nothing."""
    clock.check(0)
    began, longest = time.monotonic(), 0.0
    with closing(train(home, splits, recipe, **how)) as epochs:  # which saves what isn't saved yet
        for epoch in epochs:
            longest = max(longest, time.monotonic() - began)  # without what the caller does; some have a save in them
            yield Step(home.name, epoch)
            if left := epoch.epochs - epoch.epoch:
                clock.check(longest, last=left == 1)
            began = time.monotonic()
            clock.mark()
    (home / STATE).unlink(missing_ok=True)  # nothing goes on from a finished run


def _ship(folder: Path, name: str, splits: Splits, clock: _Clock) -> None:
    if not (folder / SHIPPED / name / CARD).exists():
        clock.check(0, last=True)
        clock.mark()
        ship(folder / name, name, splits, box=folder / SHIPPED)
        clock.finished()


def _look(clock: _Clock, look: Callable[[str, float], None] | None, name: str, share: float) -> None:
    """Report how far a teacher's answers are. When time runs out it stops, and the next call begins them anew."""
    clock.check(0)
    if look:
        look(name, share)


def _second(splits: Splits, votes: Splits) -> FaceSet:
    """The labelled training faces with their second labelling."""
    if not np.array_equal(splits.train.images, votes.train.images):
        raise MienError(f"{votes.source} doesn't hold the training faces of {splits.source}, row by row.")
    known: FaceSet = votes.train[splits.train.labels != UNLABELLED]
    return known


def _other_head(home: Path, out: Path, votes: Splits, device: str | None) -> None:
    """The network that answers with the second head of the one in `home`, as a run folder of its own."""
    model, card = load_run(home)
    options = {**card.options, "classes": len(votes.classes), "second": 0}
    twin = create_model(card.model, **options)
    weights = model.state_dict()
    own = {name: value for name, value in weights.items() if not name.startswith(("linear.", "second."))}
    heads = {name: weights[name.replace("linear.", "second.")] for name in ("linear.weight", "linear.bias")}
    twin.load_state_dict({**own, **heads})
    report = evaluate(twin.to(pick_device(device)), votes["val"], split="val")
    twin.cpu()
    other = card.model_copy(
        update={
            "options": options,
            "classes": votes.classes,
            "data": TrainedOn(
                source=os.path.basename(votes.source),
                checksums=votes.checksums,
            ),
            "scores": {"after": {"val": report.as_json()}},
            "parameters": summarise(twin).parameters,
            "checksums": {},
            "prior": learned_prior(votes["train"], read_recipe(card.recipe)),
            "notes": f"The trunk and the second head of {home.name}. {card.notes}",
        }
    )
    save_weights(twin.state_dict(), out / WEIGHTS)
    export_onnx(twin, out / MODEL, other)
    sums = {name: checksum(out / name) for name in (WEIGHTS, MODEL)}
    other.model_copy(update={"checksums": sums}).write(out / CARD)

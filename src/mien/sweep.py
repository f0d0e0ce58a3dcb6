"""Many trainings in search of a recipe: optuna proposes the fields' values, each trial is a run folder of its own.

What was tried is noted in `sweep.db`, what the sweep was begun with in `sweep.json`. Trials are judged by validation
accuracy alone; the test split isn't looked at. What a trial proposes follows from the seed and the trials before it,
so a sweep that was stopped and gone on with is the sweep that was never stopped.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from mien.data.faces import Splits
from mien.errors import CheckpointError, Diverged, RecipeError
from mien.experiment import train
from mien.files import atomic_write, holding
from mien.runs import DRAWN, HISTORY, DataPath, history
from mien.training.fit import Epoch
from mien.training.recipe import Recipe, read_recipe

PLAN, DATABASE, LOCK = "sweep.json", "sweep.db", "sweep.lock"

SPARED = 5
"""Trials that run to their end before others are measured by them."""

FIELDS = tuple(name for name in Recipe.model_fields if name not in ("model", "preset", "options", "init"))
"""The fields that can be swept."""

Space = dict[str, BaseDistribution]


@dataclass(frozen=True)
class Trial:
    """One recipe that is tried: its `values` of the swept fields, and how it did on validation.

    `status` is "running" (or stopped on the way), "finished", "pruned" or "diverged". `accuracy` is that of its best
    epoch so far, None before the first. `epochs` are those done.
    """

    number: int
    values: dict[str, Any]
    recipe: Recipe
    folder: Path
    status: str
    accuracy: float | None
    best_epoch: int
    epochs: int

    def as_json(self) -> dict[str, Any]:
        """As plain data, without the recipe, which stands in the run folder."""
        return {
            "trial": self.number,
            "run": str(self.folder),
            "status": self.status,
            "values": self.values,
            "val_accuracy": self.accuracy,
            "best_epoch": self.best_epoch,
            "epochs": self.epochs,
        }


def read_space(texts: Sequence[str], recipe: Recipe) -> Space:
    """What is tried for each field, from texts such as `lr=0.01..0.3:log`, `erase=0..0.6`, `batch=64,128`.

    Raises:
        RecipeError: no such field, a range of what isn't a number, an end or a choice that a recipe can't have.
    """
    space: Space = {}
    for text in texts:
        name, _, values = (part.strip() for part in text.partition("="))
        name = name.replace("-", "_")
        if not values:
            raise RecipeError(f"{text!r} isn't FIELD=LOW..HIGH, FIELD=LOW..HIGH:log or FIELD=ONE,ANOTHER.")
        if name not in FIELDS:
            raise RecipeError(f"There is no field {name!r} to sweep; there are {', '.join(FIELDS)}.")
        if name in space:
            raise RecipeError(f"The field {name} is given twice.")
        space[name] = (_range if ".." in values else _choices)(name, values, recipe)
    if not space:
        raise RecipeError("Name at least one field to sweep, such as lr=0.01..0.3:log.")
    return space


def _range(name: str, text: str, recipe: Recipe) -> BaseDistribution:
    kind = Recipe.model_fields[name].annotation
    if kind not in (int, float):
        raise RecipeError(f"{name} isn't a number and has no range {text!r}; name its values, {name}=ONE,ANOTHER.")
    ends, _, scale = text.partition(":")
    if scale not in ("", "log"):
        raise RecipeError(f"{name}={text}: a range ends with nothing or with :log, not with {':' + scale!r}.")
    low, high = (_value(name, end, recipe) for end in ends.split("..", 1))
    if low >= high:
        raise RecipeError(f"{name}={text}: a range goes from the lower to the higher number.")
    if scale and low <= 0:
        raise RecipeError(f"{name}={text}: a logarithmic range begins above 0.")
    return (IntDistribution if kind is int else FloatDistribution)(low, high, log=bool(scale))


def _choices(name: str, text: str, recipe: Recipe) -> BaseDistribution:
    choices = [_value(name, choice, recipe) for choice in text.split(",")]
    if len(set(choices)) < max(2, len(choices)):
        raise RecipeError(f"{name}={text}: name two values or more, each once, or a range LOW..HIGH.")
    return CategoricalDistribution(choices)


def _value(name: str, text: str, recipe: Recipe) -> Any:
    """The text as that field's value. Raises RecipeError for one that a recipe can't have."""
    return getattr(read_recipe({**recipe.model_dump(), name: text.strip()}), name)


class Sweep:
    """A search in a folder, begun or gone on with.

    `for trial in sweep.trials(20): for epoch in sweep.run(trial): ...` does the work; `ranked()` says what came of it.
    One process at a time: a second one is refused.

    Args:
        folder: for `sweep.json`, `sweep.db` and a run folder `trial-000`, ... for each trial; made when it isn't there.
        recipe: what the fields that aren't swept are; its seed is the search's, too.
        space: as `read_space` gives it.
        data, device: as in `mien.train`.
        spared: trials that run to their end before any is pruned. After those a trial is stopped once it has done a
            third of its epochs and its best accuracy is below the median of the others' at that epoch.

    Raises:
        CheckpointError: the folder holds a sweep of another recipe, of other fields or on other data.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        splits: Splits,
        recipe: Recipe,
        space: Space,
        *,
        data: DataPath = DRAWN,
        device: str | None = None,
        spared: int = SPARED,
    ) -> None:
        self.folder, self.splits, self.recipe, self.space = Path(folder), splits, recipe, space
        self.data, self.device = data, device
        splits["val"]  # there is something to judge by
        self._begin()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path = self.folder / DATABASE
        try:
            self._storage = optuna.storages.RDBStorage(  # a creator, for a path may hold what an address can't
                "sqlite:///sweep.db", engine_kwargs={"creator": lambda: sqlite3.connect(path)}
            )
            self._study = optuna.create_study(
                storage=self._storage,
                study_name="mien",
                direction="maximize",
                load_if_exists=True,
                pruner=optuna.pruners.MedianPruner(spared, n_warmup_steps=-(-recipe.epochs // 3)),
            )
        except (SQLAlchemyError, optuna.exceptions.OptunaError) as error:
            raise CheckpointError(f"{path}: can't go on with this sweep ({error}).") from None

    def _begin(self) -> None:
        plan = {
            "recipe": self.recipe.model_dump(mode="json"),
            "fields": {name: json.loads(distribution_to_json(tried)) for name, tried in self.space.items()},
            "data": {name: faces.checksum for name, faces in self.splits if len(faces)},
        }
        path = self.folder / PLAN
        if not path.exists():
            atomic_write(path, json.dumps(plan, indent=2))
            return
        try:
            was = json.loads(path.read_bytes())
            changed = [name for name in plan if was[name] != plan[name]]
        except (ValueError, LookupError, TypeError) as error:
            raise CheckpointError(f"{path}: can't go on with this sweep ({error}).") from None
        if changed:
            raise CheckpointError(
                f"{self.folder}: the sweep in this folder was begun with other {' and '.join(changed)}. "
                "Choose another folder."
            )

    def trials(self, count: int) -> Iterator[Trial]:
        """Each trial that is still to run until `count` are done; first the one that was stopped on its way.

        Raises:
            CheckpointError: another process is at work on this sweep.
        """
        taken = f"{self.folder}: another process is at work on this sweep. Wait for it, or choose another folder."
        with holding(self.folder / LOCK, CheckpointError(taken)):
            while len(self._done()) < count:
                yield self._trial(self._stopped() or self._asked())

    def _done(self) -> list[FrozenTrial]:
        return self._study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))

    def _stopped(self) -> FrozenTrial | None:
        for trial in self._study.get_trials(states=(TrialState.RUNNING,)):
            if trial.params.keys() == self.space.keys():
                return trial
            self._study.tell(trial.number, state=TrialState.FAIL)  # killed before it had all of its values
        return None

    def _asked(self) -> FrozenTrial:
        seed = (self.recipe.seed * 100_003 + len(self._done())) % 2**32
        self._study.sampler = optuna.samplers.TPESampler(seed=seed)
        number = self._study.ask(self.space).number
        return self._study.get_trials()[number]

    def run(self, trial: Trial, tick: Callable[[float], None] | None = None) -> Iterator[Epoch]:
        """Train a trial, or go on with it, and yield each Epoch once it is saved; `tick` as in `mien.train`."""
        study_id = self._storage.get_study_id_from_name(self._study.study_name)
        key = self._storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
        live = optuna.trial.Trial(self._study, key)
        noted = self._study.get_trials()[trial.number].intermediate_values
        for row in self._history(trial.folder):
            if (epoch := int(row["epoch"])) not in noted:  # saved, then killed
                live.report(row["val_accuracy"], epoch)
        at, recipe = len(self._history(trial.folder)), trial.recipe
        steps = train(trial.folder, self.splits, recipe, data=self.data, device=self.device, resume=True, tick=tick)
        try:
            while at == recipe.epochs or not live.should_prune():
                if (now := next(steps, None)) is None:
                    best = max(row["val_accuracy"] for row in self._history(trial.folder))
                    self._study.tell(trial.number, best)
                    return
                live.report(now.val_accuracy, at := now.epoch)
                yield now
        except Diverged as error:
            live.set_user_attr("diverged", str(error))
        self._study.tell(trial.number, state=TrialState.PRUNED)

    def ranked(self) -> tuple[Trial, ...]:
        """All trials, the finished ones first, from the best by validation accuracy to the worst."""
        found = (self._trial(one) for one in self._study.get_trials() if one.state != TrialState.FAIL)
        return tuple(sorted(found, key=lambda one: (one.status != "finished", -(one.accuracy or 0), one.number)))

    def _trial(self, found: FrozenTrial) -> Trial:
        names = {TrialState.RUNNING: "running", TrialState.COMPLETE: "finished", TrialState.PRUNED: "pruned"}
        status = "diverged" if "diverged" in found.user_attrs else names[found.state]
        values = {name: found.params[name] for name in self.space if name in found.params}
        accuracies = found.intermediate_values
        best = max(accuracies, key=lambda epoch: (accuracies[epoch], -epoch), default=0)
        return Trial(
            found.number,
            values,
            read_recipe({**self.recipe.model_dump(), **values}),
            self.folder / f"trial-{found.number:03d}",
            status,
            accuracies.get(best),
            best,
            max(accuracies, default=0),
        )

    @staticmethod
    def _history(folder: Path) -> tuple[dict[str, float], ...]:
        return history(folder) if (folder / HISTORY).exists() else ()

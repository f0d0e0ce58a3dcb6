"""The search for a recipe by many trainings: optuna proposes values of its fields, each trial has its own run folder.

`sweep.db` has the trials, `sweep.json` what the sweep was begun with. Trials are judged by validation accuracy alone;
the test split isn't looked at. What is proposed follows from the seed and the earlier trials, so a sweep that is
stopped and resumed finds what it would have found without the stop.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from mien.data.splits import Splits
from mien.errors import CheckpointError, Diverged, RecipeError, TooLittleMemory, first_line
from mien.experiment import train
from mien.files import atomic_write, read_small
from mien.locks import holding
from mien.runs import check_own, history
from mien.space import Space
from mien.training.fit import Epoch
from mien.training.recipe import Recipe, read_recipe

PLAN, DATABASE, LOCK = "sweep.json", "sweep.db", "sweep.lock"

SPARED = 5
"""Trials that run to their end before any is pruned."""

WAIT = 60.0
"""Seconds to wait for another program that reads or writes the database, such as a backup."""

PROPOSALS = 1000
"""After so many proposals of recipes that were tried already, the space counts as exhausted."""


@dataclass(frozen=True)
class Trial:
    """One recipe that is tried: its `values` of the swept fields, and how it did on validation.

    `status` is "running" (or interrupted), "finished", "pruned", "diverged", or "failed" where the network, the faces
    or the memory don't allow its recipe; `why` is the reason for the last two. `accuracy` is that of its best epoch so
    far, None before the first. `epochs` counts those that are done.
    """

    number: int
    values: dict[str, Any]
    recipe: Recipe
    folder: Path
    status: str
    accuracy: float | None
    best_epoch: int
    epochs: int
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """As plain data, without the recipe, which is in the run folder."""
        return {
            "trial": self.number,
            "run": str(self.folder),
            "status": self.status,
            "values": self.values,
            "val_accuracy": self.accuracy,
            "best_epoch": self.best_epoch,
            "epochs": self.epochs,
            "why": self.why,
        }


class Sweep:
    """A search in a folder, begun or gone on with.

    `for trial in sweep.trials(20): for epoch in sweep.run(trial): ...` does the work; `ranked()` says what came of it.
    Only one process at a time may work on it.

    Args:
        folder: for `sweep.json`, `sweep.db` and the trials' run folders `trial-000`, ...; made when it isn't there.
        recipe: gives the fields that aren't swept; its seed is also the search's.
        space: as `read_space` gives it.
        device: as in `mien.train`.
        spared: trials that run to their end before any is pruned. After those a trial is stopped once it has done a
            third of its own epochs and its best accuracy is below the median of the finished ones' at the same share of
            theirs, so that half of a long training isn't compared with all of a short one.

    Raises:
        CheckpointError: the folder holds a sweep of another recipe, of other fields or on other data; or, here and in
            every method, its database can't be read or written.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        splits: Splits,
        recipe: Recipe,
        space: Space,
        *,
        device: str | None = None,
        spared: int = SPARED,
    ) -> None:
        self.folder, self.splits, self.recipe, self.space = Path(folder), splits, recipe, space
        self.device, self.spared = device, spared
        splits["val"]  # there is something to judge by
        self._begin()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path = self.folder / DATABASE
        with _going_on(path, RuntimeError):  # which optuna raises of another version's database
            self._storage = optuna.storages.RDBStorage(  # a creator, as some paths can't be part of an address
                "sqlite:///sweep.db", engine_kwargs={"creator": lambda: sqlite3.connect(path, timeout=WAIT)}
            )
            self._study = optuna.create_study(
                storage=self._storage,
                study_name="mien",
                direction="maximize",
                load_if_exists=True,
                pruner=optuna.pruners.NopPruner(),  # optuna's own compare at the same epoch; see _behind
            )

    def _begin(self) -> None:
        plan = {
            "recipe": self.recipe.model_dump(mode="json"),
            "fields": {name: json.loads(distribution_to_json(tried)) for name, tried in self.space.items()},
            "data": self.splits.checksums,
        }
        path = self.folder / PLAN
        if not path.exists():
            atomic_write(path, json.dumps(plan, indent=2))
            return
        with _going_on(path, OSError, ValueError, LookupError, TypeError, RecursionError):
            was = json.loads(read_small(path))
            was["recipe"] = read_recipe(was["recipe"]).model_dump(mode="json")  # older ones lack fields
            changed = [name for name in plan if was[name] != plan[name]]
        if changed:
            raise CheckpointError(
                f"{self.folder}: the sweep in this folder was begun with other {' and '.join(changed)}. "
                "Choose another folder."
            )

    def trials(self, count: int) -> Iterator[Trial]:
        """Each trial that is still to run until `count` are done, or the space is exhausted; no recipe comes twice.

        One that was interrupted comes first.

        Raises:
            CheckpointError: another process is at work on this sweep.
        """
        taken = f"{self.folder}: another process is at work on this sweep. Wait for it, or choose another folder."
        with holding(self.folder / LOCK, CheckpointError(taken)), _going_on(self.folder / DATABASE):
            while len(self._done()) < count and (found := self._stopped() or self._asked()):
                yield self._trial(found)

    def _done(self) -> list[FrozenTrial]:
        return self._study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))

    def _stopped(self) -> FrozenTrial | None:
        return next(iter(self._study.get_trials(states=(TrialState.RUNNING,))), None)

    def _asked(self) -> FrozenTrial | None:
        """A trial of a recipe that wasn't tried yet, None when there is none left."""
        done = self._done()
        tried = [trial.params for trial in done]
        seed = (self.recipe.seed * 100_003 + len(done)) % 2**32
        beside = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        beside.add_trials(done)
        random = optuna.samplers.RandomSampler(seed=seed)
        for _ in range(PROPOSALS):
            values = beside.ask(self.space).params
            if values not in tried:
                self._study.add_trial(
                    optuna.trial.create_trial(state=TrialState.RUNNING, params=values, distributions=self.space)
                )
                return self._study.get_trials()[-1]
            beside.sampler = random  # the first sampler would propose the good ones again and again
        return None

    def run(self, trial: Trial, tick: Callable[[float], None] | None = None) -> Generator[Epoch, None, None]:
        """Train a trial, or go on with it, and yield each Epoch; `tick` as in `mien.train`."""
        check_own(trial.folder)
        with _going_on(self.folder / DATABASE):
            study_id = self._storage.get_study_id_from_name(self._study.study_name)
            key = self._storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
            live = optuna.trial.Trial(self._study, key)
            self._report(live, trial)
            at, recipe = len(history(trial.folder, missing_ok=True)), trial.recipe
            noted = self._study.get_trials()[trial.number].intermediate_values  # maybe more than its run folder has
            try:
                with closing(
                    train(trial.folder, self.splits, recipe, device=self.device, resume=True, tick=tick)
                ) as steps:  # which saves what isn't saved yet
                    while at == recipe.epochs or 3 * at < recipe.epochs or not self._behind(trial, at):
                        if (now := next(steps, None)) is None:
                            self._report(live, trial)
                            best = max(row["val_accuracy"] for row in history(trial.folder, missing_ok=True))
                            self._study.tell(trial.number, best)
                            return
                        if (at := now.epoch) not in noted:
                            live.report(now.val_accuracy, at)
                        yield now
            except (Diverged, RecipeError) as error:
                if isinstance(error, TooLittleMemory) and not {"batch", "accumulate"} & set(self.space):
                    raise  # another program may use the memory now: the trial goes on later
                live.set_user_attr("diverged" if isinstance(error, Diverged) else "failed", str(error))
            self._study.tell(trial.number, state=TrialState.PRUNED)

    def _behind(self, trial: Trial, at: int) -> bool:
        """Whether a trial is to be stopped after epoch `at`: see `spared`."""
        finished = self._study.get_trials(states=(TrialState.COMPLETE,))
        if len(finished) < max(self.spared, 1):
            return False
        there = []
        for one in finished:
            reached = at * one.params.get("epochs", self.recipe.epochs) // trial.recipe.epochs
            known = one.intermediate_values  # one that stopped early lacks its last epochs
            there.append(known[max((epoch for epoch in known if epoch <= max(reached, 1)), default=min(known))])
        own = self._study.get_trials()[trial.number].intermediate_values
        return max(own.values()) < median(there)

    def _report(self, live: optuna.trial.Trial, trial: Trial) -> None:
        """Report epochs that are in the run folder, but not in the database: the process was killed between them."""
        noted = self._study.get_trials()[trial.number].intermediate_values
        for row in history(trial.folder, missing_ok=True):
            if (epoch := int(row["epoch"])) not in noted:
                live.report(row["val_accuracy"], epoch)

    def ranked(self) -> tuple[Trial, ...]:
        """All trials, the finished ones first, from the best by validation accuracy to the worst."""
        with _going_on(self.folder / DATABASE):
            found = [self._trial(one) for one in self._study.get_trials()]
        return tuple(sorted(found, key=lambda one: (one.status != "finished", -(one.accuracy or 0), one.number)))

    def _trial(self, found: FrozenTrial) -> Trial:
        names = {TrialState.RUNNING: "running", TrialState.COMPLETE: "finished", TrialState.PRUNED: "pruned"}
        status = next((name for name in ("diverged", "failed") if name in found.user_attrs), names[found.state])
        values = {name: found.params[name] for name in self.space}
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
            found.user_attrs.get(status, ""),
        )


@contextmanager
def _going_on(path: Path, *kinds: type[Exception]) -> Iterator[None]:
    """Turn errors of the database, and of these kinds, into a CheckpointError that names the root cause."""
    known: tuple[type[Exception], ...] = (SQLAlchemyError, optuna.exceptions.OptunaError, *kinds)
    try:
        yield
    except known as error:
        while isinstance(error.__cause__, Exception):  # optuna calls every cause invalid data
            error = error.__cause__
        raise CheckpointError(f"{path}: can't go on with this sweep ({first_line(error)}).") from None

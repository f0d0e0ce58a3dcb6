"""Runs ranked by validation, the seeds of one recipe in one row. No test score is read, so none can rank them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from mien.cards import NUMBERS, TAUGHT, Card
from mien.errors import DataError
from mien.evaluation.ladder import amount
from mien.evaluation.metrics import wilson
from mien.evaluation.recipes import recipe_key, recipe_titles
from mien.files import read_small
from mien.tables import markdown_table

ENOUGH = 3
"""With fewer seeds a row is shown, but claims nothing."""

COLUMNS = (
    *("network", "seeds", "accuracy", "95 % over seeds", "without leaks", "balanced", "macro-F1", "ECE"),
    *("parameters", "multiply-adds"),
)
"""Of the table, in the terminal and in Markdown."""

_T = (0, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Two-sided 95 % points of Student's t by degrees of freedom; beyond, 2.228 errs on the wide side."""


@dataclass(frozen=True)
class Row:
    """One recipe: `seeds` runs of it, and their means on validation (fractions 0..1).

    `interval` is the 95 % t-interval of the mean accuracy over seeds on these very faces, None with fewer than two;
    `leak_free` is the mean accuracy without the validation faces that are also in training, None unless it was
    measured for every seed; `ece` is as trained, before any temperature; `votes` says that FER+'s votes were learned,
    too: more labels than others use; `helped` that it went on from other weights or was taught by other networks.
    """

    name: str
    seeds: tuple[int, ...]
    accuracy: float
    interval: tuple[float, float] | None
    leak_free: float | None
    balanced_accuracy: float
    macro_f1: float
    ece: float
    parameters: int
    macs: int
    votes: bool
    runs: tuple[str, ...]
    helped: bool = False


@dataclass(frozen=True)
class Leaderboard:
    """The rows, best first, and the validation faces they were judged on: how many, and their checksum (SHA-256)."""

    rows: tuple[Row, ...]
    n: int
    checksum: str

    @classmethod
    def of(cls, cards: Mapping[str, Card], leak_free: Mapping[str, float] | None = None) -> "Leaderboard":
        """The board of these runs, by name.

        Args:
            leak_free: the accuracy of each run without leaked faces, where it was measured.

        Raises:
            DataError: a run that wasn't judged on validation, or on faces that nobody knows; two that were judged on
                different faces; or the same seed of the same recipe twice.
        """
        judged = {name: card.scores.get("after", {}).get("val", {}) for name, card in cards.items()}
        for name, scores in judged.items():
            check_judged(name, cards[name], scores)
        sums = {name: card.data.checksums.get("val", "") for name, card in cards.items()}
        if unknown := [name for name, known in sums.items() if not known]:
            raise DataError(
                f"{unknown[0]}: its card has no checksum of its validation faces, so nobody knows whether others were "
                "judged on the same. Train it again."
            )
        asked = {name: (sums[name], judged[name]["n"]) for name in cards}
        first, *others = asked
        if unlike := [name for name in others if asked[name] != asked[first]]:
            raise DataError(
                f"{first} and {unlike[0]} were judged on different validation faces: they can't stand on one board."
            )
        groups: dict[str, list[str]] = {}
        for name, card in cards.items():
            groups.setdefault(recipe_key(card), []).append(name)
        titles = recipe_titles([cards[names[0]] for names in groups.values()])
        rows = [
            _row(title, names, cards, judged, leak_free or {})
            for title, names in zip(titles, groups.values(), strict=True)
        ]
        rows.sort(key=lambda row: -row.accuracy)
        return cls(tuple(rows), judged[first]["n"], sums[first])

    @classmethod
    def read(cls, path: Path) -> "Leaderboard":
        """The board whose `as_json` was written to a file. Raises DataError when it isn't one."""
        try:
            return TypeAdapter(cls).validate_json(read_small(path))
        except OSError as error:
            raise DataError(f"{path}: can't be read ({error.strerror or error}).") from None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            found = ": ".join((".".join(map(str, first["loc"])), first["msg"])).removeprefix(": ")
            raise DataError(f"{path}: not what `mien leaderboard --json` prints ({found}).") from None

    def beside(self, other: "Leaderboard") -> "Leaderboard":
        """The rows of both boards, such as of runs on different machines.

        Seeds of one recipe share a row only where their runs are ranked together.

        Raises:
            DataError: they were judged on different faces, or the same run stands on both.
        """
        if (other.checksum, other.n) != (self.checksum, self.n):
            raise DataError("The boards were judged on different validation faces: they can't become one.")
        runs = {os.path.abspath(run) for row in self.rows for run in row.runs}  # ./runs/a is runs/a
        if both := sorted(run for row in other.rows for run in row.runs if os.path.abspath(run) in runs):
            raise DataError(
                f"{both[0]} stands on both boards: it would count twice. If it is two runs, move one to another folder "
                "and rank that again."
            )
        rows = sorted((*self.rows, *other.rows), key=lambda row: -row.accuracy)
        return Leaderboard(tuple(rows), self.n, self.checksum)

    @property
    def interval_note(self) -> str:
        """What the intervals say, and what they leave out, in a sentence or two; "" where there are none."""
        several = [row for row in self.rows if row.interval]
        if not several:
            return ""
        best = several[0].accuracy
        low, high = wilson(best, self.n)
        return (
            "The interval is that of the mean over seeds on these very faces (Student's t). It leaves out the choice "
            f"of the faces: for that alone {best:.4f} of {self.n:,} has {low:.4f} to {high:.4f} (Wilson)."
        )

    def as_json(self) -> dict[str, Any]:
        """This board as plain data."""
        return asdict(self)

    def as_markdown(self) -> str:
        """A Markdown table with what it rests on below."""
        lines = markdown_table(COLUMNS, map(cells, self.rows))
        notes = [
            f"Means over seeds on the {self.n:,} validation faces (SHA-256 {self.checksum[:12]}); the ECE is as "
            "trained, without a temperature.",
            *filter(None, [self.interval_note]),
        ]
        if any(len(row.seeds) < ENOUGH for row in self.rows):
            notes.append(f"Rows in brackets have fewer than {ENOUGH} seeds and claim nothing.")
        if any(row.votes for row in self.rows):
            notes.append("† learned FER+'s votes, too: more labels than the others.")
        if any(row.helped for row in self.rows):
            notes.append("‡ went on from other weights or was taught by other networks, and has what those learned.")
        return "\n".join([*lines, "", " ".join(notes), ""])


def cells(row: Row) -> Sequence[str]:
    """The cells of a row's line in a table."""
    name = row.name + (" †" if row.votes else "") + (" ‡" if row.helped else "")
    return (
        name if len(row.seeds) >= ENOUGH else f"({name})",
        str(len(row.seeds)),
        f"{row.accuracy:.4f}",
        f"{row.interval[0]:.4f} to {row.interval[1]:.4f}" if row.interval else "",
        "" if row.leak_free is None else f"{row.leak_free:.4f}",
        *(f"{value:.4f}" for value in (row.balanced_accuracy, row.macro_f1)),
        f"{row.ece:.3f}",
        amount(row.parameters),
        amount(row.macs),
    )


def check_judged(name: str, card: Card, scores: Mapping[str, Any], *more: str) -> None:
    """Raises DataError where a card lacks what a row is made of, or one of `more` among its scores."""
    if not scores:
        raise DataError(f"{name}: its card has no scores on validation.")
    if lacking := sorted({*NUMBERS, *more} - {"loss"} - scores.keys()):
        raise DataError(f"{name}: its card has no {lacking[0]} among the scores on validation. Train it again.")
    if not isinstance(card.calibration.get("ece", 0.0), (int, float)):
        raise DataError(f"{name}: the ece of the calibration in its card is no number. Calibrate it again.")
    if not isinstance(card.recipe.get("seed", 0), int):
        raise DataError(f"{name}: the seed of the recipe in its card is no whole number.")


def error_as_trained(card: Card) -> float:
    """The calibration error on validation before any temperature. The scores of a network in the box, which alone has
    some of int8, are with a temperature that was fitted on the same faces."""
    error: float = card.scores["after"]["val"]["ece"]
    return card.calibration.get("ece", error) if "int8" in card.scores else error


def _row(
    title: str,
    names: Sequence[str],
    cards: Mapping[str, Card],
    judged: Mapping[str, Any],
    leak_free: Mapping[str, float],
) -> Row:
    seeds = tuple(int(cards[name].recipe.get("seed", 0)) for name in names)
    for place, seed in enumerate(seeds):
        if seed in seeds[:place]:
            raise DataError(f"{names[seeds.index(seed)]} and {names[place]} are the same recipe with the same seed.")
    accuracies = np.array([judged[name]["accuracy"] for name in names])
    mean, interval = float(accuracies.mean()), None
    if len(names) > 1:
        half = _T[min(len(names), len(_T)) - 1] * float(accuracies.std(ddof=1)) / len(names) ** 0.5
        interval = (max(0.0, mean - half), min(1.0, mean + half))
    free = [leak_free[name] for name in names if name in leak_free]
    card = cards[names[0]]
    others = {key: float(np.mean([judged[name][key] for name in names])) for key in ("balanced_accuracy", "macro_f1")}
    return Row(
        name=title,
        seeds=seeds,
        accuracy=mean,
        interval=interval,
        leak_free=float(np.mean(free)) if len(free) == len(names) else None,
        **others,
        ece=float(np.mean([error_as_trained(cards[name]) for name in names])),
        parameters=card.parameters,
        macs=card.macs,
        votes=bool(card.options.get("second")),
        runs=tuple(names),
        helped=bool(card.recipe.get("init")) or TAUGHT in card.notes,
    )

"""Ladder: several networks, each a rung, trained and judged on the same faces; and what each step bought."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.evaluation.gallery import Shown
from mien.evaluation.metrics import holm, mcnemar
from mien.evaluation.report import Report
from mien.tables import markdown_table


@dataclass(frozen=True, eq=False)
class Rung:
    """One network: what it costs, how it did before and after training, and how it got there.

    `before` and `after` have a Report for each split that was looked at; `history` has a row for each epoch, with
    the columns of `history.csv`. `right` has a mask `(n,)` of each split after training: the faces it was right on.
    """

    model: str
    preset: str
    parameters: int
    macs: int
    train_seconds: float
    faces_per_second: float
    before: Mapping[str, Report]
    after: Mapping[str, Report]
    history: tuple[Mapping[str, float], ...]
    gallery: tuple[Shown, ...]
    right: Mapping[str, NDArray[np.bool_]]

    def as_json(self) -> dict[str, Any]:
        """This rung as plain data, without its history, its gallery, and which faces it was right on."""
        plain = ("model", "preset", "parameters", "macs", "train_seconds", "faces_per_second")
        return {name: getattr(self, name) for name in plain} | {
            "before": {split: report.as_json() for split, report in self.before.items()},
            "after": {split: report.as_json() for split, report in self.after.items()},
        }


@dataclass(frozen=True)
class Step:
    """What a rung bought over the one below: the change of its accuracy, and of each class's recall, as fractions.

    `times` is how many times the multiply-adds it takes; `alone` counts the faces that only the rung below was right
    on, and only the one above. These tell apart two networks judged on the same faces, whose intervals may well
    overlap: `p` is McNemar's p-value of them, by Holm for all of the ladder's steps.
    """

    below: str
    above: str
    accuracy: tuple[float, float]
    recalls: Mapping[str, float]
    times: float
    alone: tuple[int, int]
    p: float

    @property
    def apart(self) -> bool:
        """Whether chance makes so large a difference in fewer than 5 of 100 ladders."""
        return self.p < 0.05

    def __str__(self) -> str:
        """Two or three sentences."""
        before, after = self.accuracy
        ranked = sorted(self.recalls.items(), key=lambda item: -item[1])
        gained = [f"{name} {_points(change)}" for name, change in ranked[:3] if change >= 0.005]
        lost = [f"{name} {_points(change)}" for name, change in ranked[:-3:-1] if change <= -0.005]
        classes = [f"Gained most recall: {', '.join(gained)}."] if gained else []
        classes += [f"Lost: {', '.join(lost)}."] if lost else []
        return " ".join(
            [
                f"{_points(after - before)} points of accuracy ({before:.3f} to {after:.3f}) "
                f"for {self.times:.1f} times the multiply-adds.",
                *classes,
                *self._doubt(),
            ]
        )

    def _doubt(self) -> list[str]:
        below, above = self.alone
        faces = f"{above:,} faces only {self.above} was right on, {below:,} only {self.below}"
        return [] if self.apart else [f"It may be chance: {faces}."]


@dataclass(frozen=True, eq=False)
class Ladder:
    """The rungs from the plainest network up, the data they share, and where they were trained.

    `counts` has `FaceSet.counts` of each split and `checksums` its checksum; `environment` is what the run folder's
    `environment.json` holds (versions, device, threads, commit), but for the command.
    """

    rungs: tuple[Rung, ...]
    source: str
    classes: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    checksums: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)

    @property
    def judged(self) -> str:
        """The split that the rungs are compared on: "test" where every rung was judged on it, otherwise "val"."""
        return "test" if all("test" in rung.after for rung in self.rungs) else "val"

    @property
    def reports(self) -> tuple[Report, ...]:
        """Each rung's report on that split."""
        return tuple(rung.after[self.judged] for rung in self.rungs)

    @property
    def baseline(self) -> float:
        """The accuracy of always answering the class that is the most common in the split they are judged on."""
        first = self.reports[0]
        return max(map(sum, first.confusion)) / first.n

    @property
    def steps(self) -> tuple[Step, ...]:
        """What each rung bought over the one below."""
        found = []
        for (low, below), (high, above) in pairwise(zip(self.rungs, self.reports, strict=True)):
            before = {score.name: score.recall for score in below.per_class if score.n}
            recalls = {score.name: score.recall - before[score.name] for score in above.per_class if score.n}
            times = high.macs / max(low.macs, 1)
            one, other = low.right[self.judged], high.right[self.judged]
            alone = int((one & ~other).sum()), int((other & ~one).sum())
            accuracies = (below.accuracy, above.accuracy)
            found.append(Step(low.model, high.model, accuracies, recalls, times, alone, mcnemar(*alone)))
        chances = holm([step.p for step in found])
        return tuple(replace(step, p=p) for step, p in zip(found, chances, strict=True))

    def as_json(self) -> dict[str, Any]:
        """This ladder as plain data: what `ladder.json` holds."""
        data: dict[str, Any] = {"source": self.source, "classes": list(self.classes), "judged": self.judged}
        data |= {"counts": {split: dict(found) for split, found in self.counts.items()}}
        return {
            "rungs": [rung.as_json() for rung in self.rungs],
            "data": data | {"checksums": dict(self.checksums)},
            "environment": dict(self.environment),
        }

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """The comparison as text: the names of the columns, and a row for each rung."""
        tested = self.judged == "test"
        columns: tuple[str, ...] = (
            *("rung", "preset", "parameters", "multiply-adds", "training", "faces/s", "val before", "val after"),
            *(("test after",) if tested else ()),
            *("95 % interval", "balanced accuracy", "macro-F1"),
        )
        rows: list[tuple[str, ...]] = []
        for rung, judged in zip(self.rungs, self.reports, strict=True):
            low, high = judged.interval
            rows.append(
                (
                    *(rung.model, rung.preset, amount(rung.parameters), amount(rung.macs)),
                    *(duration(rung.train_seconds), f"{rung.faces_per_second:,.0f}"),
                    *(f"{reports['val'].accuracy:.3f}" for reports in (rung.before, rung.after)),
                    *((f"{judged.accuracy:.3f}",) if tested else ()),
                    *(f"{low:.3f} to {high:.3f}", f"{judged.balanced_accuracy:.3f}", f"{judged.macro_f1:.3f}"),
                )
            )
        return columns, rows

    def as_markdown(self) -> str:
        """The comparison as a Markdown table, with what each step bought below it."""
        columns, rows = self.table()
        lines = markdown_table(columns, rows, left=2)
        which = f"{self.judged} ({self.reports[0].n:,} faces)"
        lines.append(f"\nAccuracies are fractions. The last three columns are of {which}.")
        lines += [f"- **{step.below} to {step.above}**: {step}" for step in self.steps]
        return "\n".join(lines) + "\n"


def amount(n: float) -> str:
    """A count that is easy to read.

    >>> amount(950), amount(16_135), amount(999_960), amount(2_100_000_000)
    ('950', '16.1 k', '1.0 M', '2.1 G')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if round(n / size * 1000, 1) >= 1000:  # not 1000.0 k
            return f"{n / size:.1f} {letter}"
    return f"{n:.0f}"


def duration(seconds: float) -> str:
    """A time that is easy to read.

    >>> duration(4.21), duration(59.97), duration(75), duration(7380)
    ('4.2 s', '1 min 0 s', '1 min 15 s', '2 h 3 min')
    """
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _points(change: float) -> str:
    """A change of a fraction, in points of a hundred, with a sign."""
    return f"{100 * change:+.1f}".replace("-", "\N{MINUS SIGN}")

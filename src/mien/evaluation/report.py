"""Report: how well a network does on a split, as one record that becomes JSON or Markdown."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mien.evaluation import metrics
from mien.tables import markdown_table, text_table

if TYPE_CHECKING:
    from mien.evaluation.scores import Scores

_Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


@dataclass(frozen=True)
class ClassScore:
    """One class of a report: its name, how many faces it has, and its precision, recall and F1 (0..1)."""

    name: str
    n: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Report:
    """The scores of a network on `n` labelled faces. All are fractions 0..1, but `loss`, which is in nats.

    `interval` is the 95 % interval of the accuracy (Wilson's); `macro_f1` and `balanced_accuracy` count every class
    the same; `ece` is the expected calibration error; `confusion[true][predicted]` counts faces; `views` is how many
    views of a face were averaged (1 plain, 2 with its mirror image); `left_out` faces were unlabelled or in doubt;
    `distance` is the mean total variation between the probabilities and the annotators' votes (0 the same, 1 apart),
    where there are votes.

    `print(report)` shows its tables; `as_markdown` and `as_json` are for passing them on.
    """

    accuracy: float
    interval: tuple[float, float]
    balanced_accuracy: float
    macro_f1: float
    ece: float
    loss: float
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    n: int
    split: str = ""
    views: int = 1
    left_out: int = 0
    distance: float | None = None

    @classmethod
    def of(cls, scores: "Scores") -> "Report":
        """Judge the answers of a network: every metric of `mien.evaluation.metrics`."""
        labels, given = scores.labels, scores.probabilities
        counts = metrics.confusion(labels, scores.predicted, len(scores.classes))
        columns = (counts.sum(1), metrics.precisions(counts), metrics.recalls(counts), metrics.f1s(counts))
        return cls(
            accuracy=metrics.accuracy(counts),
            interval=metrics.wilson(float(scores.correct.mean()), len(scores.correct)),
            balanced_accuracy=metrics.balanced_accuracy(counts),
            macro_f1=metrics.macro_f1(counts),
            ece=metrics.calibration_error(labels, given),
            loss=metrics.log_loss(labels, given),
            per_class=tuple(
                ClassScore(name, int(n), float(precision), float(recall), float(f1))
                for name, n, precision, recall, f1 in zip(scores.classes, *columns, strict=True)
            ),
            confusion=tuple(tuple(row) for row in counts.tolist()),
            n=len(labels),
            split=scores.split,
            views=scores.views,
            left_out=scores.left_out,
            distance=None if scores.shares is None else metrics.total_variation(scores.shares, given),
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of the confusion matrix."""
        return tuple(score.name for score in self.per_class)

    def as_json(self) -> dict[str, Any]:
        """This report as plain data, as `mien evaluate --json` prints it and a card keeps it."""
        lists = {"interval": list(self.interval), "per_class": [asdict(score) for score in self.per_class]}
        return asdict(self) | lists | {"confusion": [list(row) for row in self.confusion]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Report":
        """The report that `as_json` made `data` of."""
        low, high = data["interval"]
        per_class = tuple(ClassScore(**score) for score in data["per_class"])
        counts = tuple(tuple(row) for row in data["confusion"])
        return cls(**data | {"interval": (low, high), "per_class": per_class, "confusion": counts})

    def as_markdown(self) -> str:
        """Two Markdown tables: the scores of the whole, and of each class."""
        scores, classes = self._tables()
        lines = [self._title(), "", *markdown_table(*scores, left=6), "", *markdown_table(*classes, left=5)]
        return "\n".join(lines) + "\n"

    _repr_markdown_ = as_markdown  # what a notebook shows

    def __str__(self) -> str:
        scores, classes = self._tables()
        return "\n".join([self._title(), "", *text_table(*scores, left=0), "", *text_table(*classes)])

    def __repr__(self) -> str:
        low, high = self.interval
        return f"Report(accuracy {self.accuracy:.3f}, {low:.3f} to {high:.3f}, {self._title()})"

    def _title(self) -> str:
        views = "" if self.views == 1 else f", {self.views} views"
        return f"{self.n:,} faces{f' of {self.split}' if self.split else ''}{views}"

    def _tables(self) -> tuple[_Table, _Table]:
        """(columns, rows) of the whole, and of each class."""
        low, high = self.interval
        others = (self.balanced_accuracy, self.macro_f1, self.ece, self.loss)
        return (
            ("accuracy", "95 % interval", "balanced accuracy", "macro-F1", "calibration error", "loss"),
            [(f"{self.accuracy:.3f}", f"{low:.3f} to {high:.3f}", *(f"{value:.3f}" for value in others))],
        ), (
            ("class", "faces", "precision", "recall", "F1"),
            [(s.name, f"{s.n:,}", f"{s.precision:.3f}", f"{s.recall:.3f}", f"{s.f1:.3f}") for s in self.per_class],
        )

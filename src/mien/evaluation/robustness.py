"""How a network's accuracy falls as faces get worse: one accuracy for every level of every corruption."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from mien.data.faces import FaceSet
from mien.evaluation.corruptions import CORRUPTIONS, corrupted
from mien.evaluation.scores import evaluate
from mien.tables import markdown_table


@dataclass(frozen=True)
class Level:
    """Accuracy (0..1) and its 95 % interval on faces corrupted in one way."""

    kind: str
    unit: str
    level: float
    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Robustness:
    """The accuracy on `n` faces as they are (`clean`), on each level of each corruption, and the mean over these."""

    clean: float
    mean: float
    levels: tuple[Level, ...]
    n: int
    seed: int

    def as_json(self) -> dict[str, Any]:
        """This record as plain data."""
        return asdict(self)

    def of(self, kind: str) -> tuple[Level, ...]:
        """The levels of one kind, from mild to severe."""
        return tuple(level for level in self.levels if level.kind == kind)


def robustness(
    model: Any,
    faces: FaceSet,
    *,
    seed: int = 0,
    tick: Callable[[], None] | None = None,
) -> Robustness:
    """Judge a network on faces as they are and on each level of each corruption.

    Args:
        model: as `mien.evaluate` takes it.
        seed: decides what is random in the corruptions.
        tick: called after each level, for progress bars.

    Raises:
        DataError: as `mien.evaluate` does.
    """
    faces = faces.judged
    clean = evaluate(model, faces)
    levels = []
    for corruption in CORRUPTIONS:
        for level in corruption.levels:
            report = evaluate(model, corrupted(faces, corruption, level, seed=seed))
            levels.append(Level(corruption.name, corruption.unit, level, report.accuracy, report.interval))
            if tick:
                tick()
    mean = sum(level.accuracy for level in levels) / len(levels)
    return Robustness(clean.accuracy, mean, tuple(levels), clean.n, seed)


def table(found: dict[str, Robustness]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Several networks beside each other as text: the names of the columns, and a row for each level."""
    networks = list(found.values())
    rows = [("none", "", *(f"{one.clean:.3f}" for one in networks))]
    for place, level in enumerate(networks[0].levels):
        values = (f"{one.levels[place].accuracy:.3f}" for one in networks)
        rows.append((f"{level.kind} ({level.unit})", f"{level.level:g}", *values))
    rows.append(("mean of all corruptions", "", *(f"{one.mean:.3f}" for one in networks)))
    return ("corruption", "level", *found), rows


def as_markdown(found: dict[str, Robustness]) -> str:
    """One table of several networks: a line for each level, a column for each network."""
    return "\n".join(markdown_table(*table(found))) + "\n"

"""How a network's accuracy falls as faces get worse: one accuracy for every level of every corruption."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from mien.data.faces import FaceSet
from mien.evaluation.corruptions import CORRUPTIONS, Corruption, corrupted
from mien.evaluation.scores import evaluate


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
    corruptions: tuple[Corruption, ...] = CORRUPTIONS,
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
    for corruption in corruptions:
        for level in corruption.levels:
            report = evaluate(model, corrupted(faces, corruption, level, seed=seed))
            levels.append(Level(corruption.name, corruption.unit, level, report.accuracy, report.interval))
            if tick:
                tick()
    mean = sum(level.accuracy for level in levels) / len(levels)
    return Robustness(clean.accuracy, mean, tuple(levels), clean.n, seed)


def as_markdown(found: dict[str, Robustness]) -> str:
    """One table of several networks: a line for each level, a column for each network."""
    first = next(iter(found.values()))
    lines = [
        "| corruption | level | " + " | ".join(found) + " |",
        "|---|---:|" + "---:|" * len(found),
        "| none | | " + " | ".join(f"{one.clean:.3f}" for one in found.values()) + " |",
    ]
    for place, level in enumerate(first.levels):
        values = " | ".join(f"{one.levels[place].accuracy:.3f}" for one in found.values())
        lines.append(f"| {level.kind} ({level.unit}) | {level.level:g} | {values} |")
    lines.append("| mean of all corruptions | | " + " | ".join(f"{one.mean:.3f}" for one in found.values()) + " |")
    return "\n".join(lines) + "\n"

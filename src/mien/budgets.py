"""The budgets of `mien release`: the teachers and the students of each, as recipes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mien.errors import MienError
from mien.training.recipe import Recipe, recipe

SHARE = 0.7
"""The share of a taught network's targets that comes from its teachers; the labels are the rest."""

_AGAIN: dict[str, Any] = {
    "lr": 0.03, "warmup": 0.1, "ema": 0.998, "start_size": 0, "smoothing": 0.0,
    "blur": 0.025, "noise": 0.06, "clear": 0.15, "plain": 0.15,
    "teachers": ["flagship", "small"], "distil": 0.9,
}  # fmt: skip
"""How training goes on from a network in the box: gently, so that it doesn't forget. Poor cameras blur by up to 1.2
pixels, and their noise has a deviation of up to 15."""


@dataclass(frozen=True)
class Plan:
    """What a release trains.

    `teachers` are the recipes of the networks whose answers for the training faces teach the students; `students` the
    recipes of the networks that are shipped, by their names in the box; `distil` the share (0..1) of the students'
    targets that comes from these teachers. A recipe may also name teachers that are trained already.
    """

    teachers: tuple[Recipe, ...]
    students: dict[str, Recipe]
    distil: float = 0.0


def plan(budget: str, *, second: int = 0, teachers: Sequence[str] = (), init: str = "", seed: int = 0) -> Plan:
    """The plan of a budget.

    Args:
        budget: one of `BUDGETS`.
        second: number of classes of the second labelling, for which each network gets a head; 0 for none.
        teachers: trained networks that teach in place of the budget's own, by folder or name in the box.
        init: what the students start from in place of the network in the box, likewise.
        seed: times the number of the budget's networks, it is added to the seed of each. The budget's own seeds count
            from 0, so no two releases train the same network.

    Raises:
        MienError: for another budget, `init` for one whose students start from nothing, or a seed that is too large.
    """
    if budget not in BUDGETS:
        raise MienError(f"There is no budget {budget!r}; the budgets are {', '.join(BUDGETS)}.")
    chosen = BUDGETS[budget]({"second": second} if second else {})
    seed *= len(chosen.teachers) + len(chosen.students)
    own = tuple(each.model_copy(update={"seed": each.seed + seed}) for each in chosen.teachers)
    chosen = replace(chosen, teachers=own)
    changes: dict[str, Any] = {}
    if teachers:
        changes |= {"smoothing": 0.0, "teachers": list(teachers)}
        chosen = replace(chosen, teachers=(), distil=0.0)
    if init:
        if not all(student.init for student in chosen.students.values()):
            raise MienError(f"The budget {budget!r} starts from nothing, not from {init}; the again budgets go on.")
        changes["init"] = init
    students = {
        name: student.model_copy(update={"seed": student.seed + seed, **changes})
        for name, student in chosen.students.items()
    }
    return replace(chosen, students=students)


def _cpu(head: dict[str, int]) -> Plan:
    """One network, one seed, from nothing: a flagship of a size that a CPU trains in an hour or two."""
    return Plan((), {"flagship": _flagship_for_cpu(head, epochs=64)})


def _again(head: dict[str, int]) -> Plan:
    """The `small` in the box, trained further by both in it, with a poor camera's blur and noise until near the end."""
    return Plan((), {"small": recipe("flagship_small", epochs=64, options=head, init="small", **_AGAIN)})


def _again_flagship(head: dict[str, int]) -> Plan:
    """The `flagship` in the box, trained further likewise."""
    return Plan((), {"flagship": _flagship_for_cpu(head, epochs=20, init="flagship", **_AGAIN)})


def _gpu(head: dict[str, int]) -> Plan:
    """Three flagships of different shapes, as seeds of one shape err on the same faces; a flagship and a `small` that
    they teach.

    Those that enlarge the face don't begin with smaller ones, which would be enlarged as well and save no time. None
    has more than 3.7 M parameters, so that the state of a training, four times the weights, can be carried.
    """
    own: dict[str, Any] = {"batch": 512, "lr": 0.3, "ema": 0.998}

    def flagship(options: dict[str, Any], **fields: Any) -> Recipe:
        return recipe("flagship", start_size=0, options=options | head, **(own | fields))

    wide, deep = {"widths": [128, 192, 224], "enlarge": 80}, {"depths": [3, 2, 2], "enlarge": 72}
    teachers = (
        flagship({"enlarge": 96}, epochs=100, seed=0),
        flagship(wide, epochs=100, seed=1),
        flagship(deep, epochs=100, seed=2, mixup=0.0, cutmix=0.0),
    )
    students = {
        "flagship": flagship({"enlarge": 72}, epochs=160, seed=3, smoothing=0.0),
        "small": recipe("flagship_small", epochs=200, smoothing=0.0, erase=0.5, options=head, **own),
    }
    return Plan(teachers, students, SHARE)


def _toy(head: dict[str, int]) -> Plan:
    """A dry run, in seconds, of what "gpu" does: two kinds of networks, enlarged and mixed faces, left-out blocks."""
    size: dict[str, Any] = {"stem": 4, "widths": [4, 8], "depths": [1, 1], "squeeze": True}
    tiny = recipe("flagship_small", epochs=2, options=size | head)
    larger = size | {"enlarge": 56, "drop": 0.1} | head
    flagship = recipe("flagship", epochs=2, start_size=0, mixup=0.2, cutmix=1.0, options=larger)
    return Plan((flagship, tiny.model_copy(update={"seed": 1})), {"small": tiny}, SHARE)


def _flagship_for_cpu(head: dict[str, int], **fields: Any) -> Recipe:
    size: dict[str, Any] = {"stem": 32, "widths": [64, 128, 256], "depths": [1, 2, 2], "drop": 0.05}
    unmixed: dict[str, Any] = {"mixup": 0.0, "cutmix": 0.0}  # too short to learn from blends
    own: dict[str, Any] = {"batch": 128, "lr": 0.1, "erase": 0.4, "start_size": 24, "options": size | head}
    return recipe("flagship", **(own | unmixed | fields))


# Taught networks have no label smoothing: what teachers answer is smooth, and twice gives rare classes too much.
BUDGETS = {
    "cpu": _cpu,
    "again": _again,
    "again-flagship": _again_flagship,
    "gpu": _gpu,
    "toy": _toy,
}
"""The budgets by name."""

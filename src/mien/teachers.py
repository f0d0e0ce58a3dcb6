"""Who teaches in a release: what a network leaves of itself for the students, and the targets made of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mien.budgets import Plan
from mien.cards import CARD, TAUGHT, Card
from mien.checkpoint import load_run
from mien.data.arrays import load_arrays, save_arrays
from mien.data.faces import FaceSet, Splits
from mien.errors import CheckpointError, MienError
from mien.evaluation.report import Report
from mien.evaluation.scores import Scores, score
from mien.files import atomic_write
from mien.net import WEIGHTS
from mien.shipped import shipped
from mien.training.device import layout, pick_device
from mien.training.learner import bfloat16
from mien.training.recipe import Recipe, read_recipe

PROBABILITIES = "probabilities.npz"
TEACHER = "teacher.txt"
"""Which network, trained elsewhere, these probabilities are of."""
VIEWS = 10
"""How many views of a face a teacher answers for: the mean of many is nearer to the truth than one."""


def leave_probabilities(
    teacher: Path | str, home: Path, splits: Splits, device: str | None, tick: Callable[[float], None]
) -> None:
    """What `teacher` thinks of the training and validation faces, as fp16 `(N, K)`; then weights in `home` go.

    All training faces have a row, for students learn from all of them; of validation only those that are judged.

    Raises:
        MienError: it doesn't know all of the faces' classes.
    """
    model, card = load_run(teacher)
    if not set(card.classes) >= set(splits.classes):
        raise MienError(
            f"{teacher} can't teach these faces: it tells apart {', '.join(card.classes)}; they are "
            f"{', '.join(splits.classes)}. Choose a --teacher that knows all of these."
        )
    where = pick_device(device)
    model.to(where, memory_format=layout(where))  # type: ignore[call-overload]
    with torch.autocast(where.type, torch.bfloat16, enabled=bfloat16(read_recipe(card.recipe), where)):
        asked = {"train": _certain(splits["train"]), "val": splits["val"]}
        answers = {name: score(model, faces, views=VIEWS, tick=tick) for name, faces in asked.items()}
    known = {name: answer.probabilities.astype(np.float16) for name, answer in answers.items()}
    if not isinstance(teacher, Path):
        atomic_write(home / TEACHER, teacher)
    save_arrays(home / PROBABILITIES, known)
    (home / WEIGHTS).unlink(missing_ok=True)


def _certain(faces: FaceSet) -> FaceSet:
    """The same images with some class each: whoever is asked about faces leaves out those whose label is in doubt."""
    return FaceSet(faces.images, np.zeros(len(faces), np.int64), classes=faces.classes, source=faces.source)


def check_same(home: Path, chosen: Recipe | str) -> None:
    """Raise MienError when in an earlier call another network left its probabilities in `home`."""
    if not (home / PROBABILITIES).exists():
        return
    note = home / TEACHER
    was = note.read_text(encoding="utf-8") if note.exists() else read_recipe(Card.read(home).recipe)
    if isinstance(was, str) or isinstance(chosen, str):
        same, differing = was == chosen, ""
    else:
        before, now = was.model_dump(mode="json"), chosen.model_dump(mode="json")
        fields = [name for name in now if before[name] != now[name]]
        same, differing = not fields, f" (other {', '.join(fields)})"
    if not same:
        raise MienError(
            f"{home} holds the answers of {_called(was)}, but {_called(chosen)} is asked for{differing}: take another "
            "folder for --out."
        )


def _called(teacher: Recipe | str) -> str:
    return teacher if isinstance(teacher, str) else f"the {teacher.model} of seed {teacher.seed} that was trained there"


def ensemble(plan: Plan, folder: Path, splits: Splits) -> Report | None:
    """How the teachers' mean answer does on validation; None where there are no teachers, or not all are done."""
    paths = [folder / f"teacher-{number}" / PROBABILITIES for number in range(len(plan.teachers))]
    if not paths or not all(path.exists() for path in paths):
        return None
    mean: NDArray[np.float32] = np.mean([load_arrays(path)["val"] for path in paths], 0, np.float32)
    faces = splits["val"].judged
    return Report.of(Scores(mean, faces.labels, faces.classes, np.arange(len(faces)), "val", VIEWS))


def taught(splits: Splits, homes: list[Path], share: float) -> Splits:
    """`splits` with the training targets `(1 - share) * label + share * mean of the teachers`.

    Cross-entropy is linear in its targets, so this is the usual sum of two losses at temperature 1 (Hinton et al.,
    2015), without a second forward pass.

    Raises:
        CheckpointError: a teacher answered for another number of faces.
    """
    if not (homes and share):
        return splits
    faces = splits.train
    answers = [load_arrays(home / PROBABILITIES)["train"] for home in homes]
    for home, answer in zip(homes, answers, strict=True):
        if len(answer) != len(faces):
            raise CheckpointError(
                f"{home / PROBABILITIES}: answers for {len(answer):,} training faces, where there are {len(faces):,}. "
                f"Delete {home} and run the stage teachers again."
            )
    shares: NDArray[np.float32] = np.mean(answers, 0, np.float32)
    own = faces.targets if faces.soft else np.eye(len(faces.classes), dtype=np.float32)[faces.targets]
    targets = (1 - share) * own + share * shares / shares.sum(1, keepdims=True)
    soft = FaceSet(
        faces.images, targets, classes=faces.classes, rows=faces.rows, marks=faces.marks, source=faces.source
    )
    return replace(splits, train=soft)


def name_teachers(home: Path, plan: Plan) -> None:
    """Say in a student's card who taught it."""
    if not plan.teachers:
        return
    names = [each if isinstance(each, str) else f"{each.model}, seed {each.seed}" for each in plan.teachers]
    said = f" {plan.distil:g} {TAUGHT} {len(names)}: {'; '.join(names)}"
    said += "; as they were in the box before it." if all(each in shipped() for each in plan.teachers) else "."
    card = Card.read(home)
    if said not in card.notes:
        card.model_copy(update={"notes": card.notes + said}).write(home / CARD)

"""The teachers of a release: the probabilities that each leaves for the students, and the targets made from them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mien.budgets import Plan
from mien.cards import CARD, Card, taught_by
from mien.checkpoint import load_run
from mien.data.arrays import load_arrays, save_arrays
from mien.data.faces import FaceSet
from mien.data.splits import Splits
from mien.errors import CheckpointError, MienError
from mien.evaluation.report import Report
from mien.evaluation.scores import Scores, score
from mien.net import WEIGHTS
from mien.training.device import layout, pick_device
from mien.training.precision import number_kind
from mien.training.recipe import Recipe, read_recipe

PROBABILITIES = "probabilities.npz"
VIEWS = 10
"""How many views of a face a teacher answers for: the mean of many is nearer to the truth than one."""


def leave_probabilities(home: Path, splits: Splits, device: str | None, tick: Callable[[float], None]) -> None:
    """Write the probabilities of the network in `home` for training and validation faces, fp16 `(N, K)`, and delete its
    weights.

    All training faces have a row, since students learn from all of them; of validation only those that are judged.
    """
    model, card = load_run(home)
    where = pick_device(device)
    model.to(where, memory_format=layout(where))  # type: ignore[call-overload]
    kind = number_kind(read_recipe(card.recipe), where)
    with torch.autocast(where.type, kind, enabled=kind != torch.float32):
        asked = {"train": _certain(splits["train"]), "val": splits["val"]}
        answers = {name: score(model, faces, views=VIEWS, tick=tick) for name, faces in asked.items()}
    known = {name: answer.probabilities.astype(np.float16) for name, answer in answers.items()}
    save_arrays(home / PROBABILITIES, known)
    (home / WEIGHTS).unlink(missing_ok=True)


def _certain(faces: FaceSet) -> FaceSet:
    """The same images, all labelled and none in doubt: `score` would leave out the others."""
    return faces.replaced(targets=np.zeros(len(faces), np.int64), marks=None)


def homes(plan: Plan, folder: Path) -> list[Path]:
    """The run folders of a plan's teachers, in their order."""
    return [folder / f"teacher-{number}" for number in range(len(plan.teachers))]


def check_same(home: Path, chosen: Recipe) -> None:
    """Raise MienError when `home` has the probabilities of another network, from an earlier call."""
    if not (home / PROBABILITIES).exists():
        return
    was, now = (each.model_dump(mode="json") for each in (read_recipe(Card.read(home).recipe), chosen))
    if fields := [name for name in now if was[name] != now[name]]:
        raise MienError(
            f"{home} holds the answers of the {was['model']} of seed {was['seed']}, but the {now['model']} of seed "
            f"{now['seed']} is asked for (other {', '.join(fields)}): take another folder for --out."
        )


def ensemble(plan: Plan, folder: Path, splits: Splits) -> Report | None:
    """The report on the teachers' mean answer for validation; None without teachers, or before all are done."""
    paths = [home / PROBABILITIES for home in homes(plan, folder)]
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
    return replace(splits, train=faces.replaced(targets=targets))


def name_teachers(home: Path, plan: Plan) -> None:
    """Say in a student's card who taught it."""
    said = taught_by(plan.distil, [f"{each.model}, seed {each.seed}" for each in plan.teachers])
    card = Card.read(home)
    if said not in card.notes:
        card.model_copy(update={"notes": card.notes + said}).write(home / CARD)

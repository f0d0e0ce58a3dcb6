"""The main job: train the rungs one after another on the same faces, then compare them on one page."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mien.cards import CARD
from mien.checkpoint import load_run
from mien.data.faces import Splits
from mien.environment import environment
from mien.errors import MissingExtra
from mien.evaluation.gallery import choose
from mien.evaluation.ladder import Ladder, Rung
from mien.evaluation.report import Report
from mien.evaluation.scores import score
from mien.experiment import named, train
from mien.files import atomic_write
from mien.models import LADDER
from mien.runs import history
from mien.training.fit import Epoch
from mien.training.recipe import Recipe, recipe

REPORT = "report.html"


def climb(
    folder: str | os.PathLike[str],
    splits: Splits,
    preset: str = "tuned",
    *,
    models: Sequence[str] = LADDER,
    device: str | None = None,
    tick: Callable[[float], None] | None = None,
    **fields: Any,
) -> Iterator[tuple[Recipe, Epoch]]:
    """Train each rung into its own run folder under `folder`, and yield every (recipe, Epoch) as it is done.

    Called again after it was stopped, it goes on where it was: finished rungs aren't trained again.

    Args:
        preset: the preset that each rung is trained by.
        models: the rungs, from the plainest up.
        fields: recipe fields in place of the presets', the same for every rung.
        device, tick: as in `mien.train`.

    Raises:
        RecipeError, UnknownModel, DataError: before anything is trained.
        CheckpointError: the folder holds rungs of another recipe or of other data.
    """
    recipes = [recipe(model, preset, **fields) for model in models]
    for each in recipes:
        steps = train(Path(folder, each.model), splits, each, device=device, resume=True, tick=tick)
        for epoch in steps:
            yield each, epoch


def compare_rungs(
    folder: str | os.PathLike[str], splits: Splits, models: Sequence[str] = LADDER, device: str | None = None
) -> Ladder:
    """Judge the trained rungs under `folder` on validation and, where there is one, on test; write the comparison.

    Writes `ladder.json`, `ladder.md`, and with the extra `figures` `report.html`, a page that stands alone.

    Raises:
        CheckpointError: a rung isn't finished, or its files were changed.
    """
    folder = Path(folder)
    ladder = Ladder(
        rungs=tuple(_rung(folder / model, splits, device) for model in models),
        source=named(splits),
        classes=splits.classes,
        counts=splits.counts,
        checksums=splits.checksums,
        # without the command, whose paths are the machine's own: the page and the table are what people pass on
        environment={name: value for name, value in environment().items() if name != "command"},
    )
    atomic_write(folder / "ladder.json", json.dumps(ladder.as_json(), indent=2))
    atomic_write(folder / "ladder.md", ladder.as_markdown())
    try:
        from mien.evaluation.page import ladder_page

        atomic_write(folder / REPORT, ladder_page(ladder))
    except MissingExtra:
        (folder / REPORT).unlink(missing_ok=True)  # an older page would show other numbers than ladder.json
    return ladder


def finished(folder: str | os.PathLike[str], models: Sequence[str] = LADDER) -> list[str]:
    """Which of the rungs are trained already."""
    return [model for model in models if Path(folder, model, CARD).exists()]


def _rung(folder: Path, splits: Splits, device: str | None) -> Rung:
    model, card = load_run(folder)
    if device:
        model.to(device)
    judged = {name: score(model, faces, split=name) for name, faces in splits if name != "train" and faces.sure.any()}
    rows = history(folder)
    seconds = sum(row["seconds"] for row in rows)
    shown = "test" if "test" in judged else "val"
    return Rung(
        model=card.model,
        preset=card.preset,
        parameters=card.parameters,
        macs=card.macs,
        train_seconds=seconds,
        faces_per_second=sum(row["faces_per_second"] * row["seconds"] for row in rows) / max(seconds, 1e-9),
        before={name: Report.from_json(report) for name, report in card.scores.get("before", {}).items()},
        after={name: Report.of(scores) for name, scores in judged.items()},
        history=rows,
        gallery=tuple(replace(face, file=splits.file(face.row)) for face in choose(judged[shown], splits[shown])),
        right={name: scores.correct for name, scores in judged.items()},
    )

"""The main job: the four rungs, trained on the same faces, compared on one page."""

import json
import os
from dataclasses import replace
from pathlib import Path

from mien.checkpoint import load_run
from mien.data.splits import Splits
from mien.environment import environment
from mien.errors import MissingExtra
from mien.evaluation.gallery import choose
from mien.evaluation.ladder import Ladder, Rung
from mien.evaluation.report import Report
from mien.evaluation.scores import score
from mien.experiment import at_once, named
from mien.files import atomic_write
from mien.models import LADDER
from mien.runs import history, read_setup
from mien.training.checks import enough_memory
from mien.training.device import pick_device

REPORT = "report.html"


def compare_rungs(folder: str | os.PathLike[str], splits: Splits, device: str | None = None) -> Ladder:
    """Judge the trained rungs under `folder` on validation and, where there is one, on test; write the comparison.

    They are run on `device`; None picks, as in their training. Writes `ladder.json`, `ladder.md`, and with the extra
    `figures` `report.html`, a page that needs no other file.

    Raises:
        CheckpointError: a rung isn't finished, or its files were changed.
    """
    folder = Path(folder)
    ladder = Ladder(
        rungs=tuple(_rung(folder / model, splits, device) for model in LADDER),
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


def _rung(folder: Path, splits: Splits, device: str | None) -> Rung:
    model, card = load_run(folder)
    recipe, where = read_setup(folder)[0], pick_device(device)
    with enough_memory(where, recipe, splits["train"]):
        model.to(where)
        judged = {
            name: score(model, faces, split=name, batch=at_once(recipe))
            for name, faces in splits
            if name != "train" and faces.sure.any()
        }
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

"""What TensorBoard shows of a run: its history as an event file in the run folder. Only when asked for.

The history is the truth: an event file begins with the epochs that are done and takes an earlier one's place, so a run
that was stopped and gone on with has each epoch once.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tensorboard.summary import Writer

from mien.runs import COLUMNS, EVENTS, history

TAGS = {name: name.replace("_", "/", 1) if name.startswith(("train_", "val_")) else name for name in COLUMNS[1:]}
"""The scalar that each column of the history becomes: `val_accuracy` is `val/accuracy`; the step is the epoch."""


@contextmanager
def events(run: Path) -> Iterator[Callable[[], None]]:
    """Yields what writes the epochs of the run's history that aren't written yet; they are on disk when it returns."""
    writer: Any = None
    done = 0

    def update() -> None:
        nonlocal writer, done
        if writer is None:  # not before there is a run
            for earlier in (run / EVENTS).glob("events.out.tfevents.*"):
                earlier.unlink()
            writer = Writer(str(run / EVENTS))
        rows = history(run)[done:]
        at = time.time() - sum(row["seconds"] for row in rows)  # as if they had been trained without a pause
        for row in rows:
            at += row["seconds"]
            for name, tag in TAGS.items():
                writer.add_scalar(tag, row[name], int(row["epoch"]), wall_time=at)
        writer.flush()
        done += len(rows)

    try:
        yield update
    finally:
        if writer is not None:
            try:
                update()  # a run that is stopped saves its last epochs as it ends
            finally:
                writer.close()

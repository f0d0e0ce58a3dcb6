"""`mien train --tensorboard`: the event files, read back as TensorBoard reads them."""

import csv
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np

TAGS = {
    "train/loss": "train_loss",
    "train/accuracy": "train_accuracy",
    "val/loss": "val_loss",
    "val/accuracy": "val_accuracy",
    "lr": "lr",
    "seconds": "seconds",
    "faces_per_second": "faces_per_second",
}

WITHOUT = """
import sys
sys.modules["tensorboard"] = None
from mien.cli import main
sys.exit(main())
"""


def check(run: Path, epochs: int) -> None:
    """One event file, which holds each epoch of the history once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    assert len(list((run / "tensorboard").iterdir())) == 1
    found = EventAccumulator(str(run / "tensorboard")).Reload()
    with (run / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == epochs
    assert set(found.Tags()["tensors"]) == set(TAGS)
    for tag, column in TAGS.items():
        events = found.Tensors(tag)
        assert [event.step for event in events] == [int(row["epoch"]) for row in rows]
        assert [event.tensor_proto.float_val[0] for event in events] == [np.float32(row[column]) for row in rows]
        times = [event.wall_time for event in events]
        assert times == sorted(times)


def test_each_epoch_stands_in_the_events_once_however_the_run_was_stopped(mien, faces_file, tmp_path: Path) -> None:
    line = ("train", "logistic", "--preset", "demo", "--epochs", "4", "--data", faces_file, "--out", "run")
    done = mien(tmp_path, *line, "--tensorboard", stop=("epoch   2/4", signal.SIGKILL))
    assert done.returncode == -signal.SIGKILL
    done = mien(tmp_path, "train", "--resume", "run", "--tensorboard")
    assert done.returncode == 0, done.stderr
    assert "epoch   1/4" not in done.stderr
    check(tmp_path / "run", 4)


def test_a_finished_run_gets_them_from_its_history_and_only_when_asked(mien, finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    assert not (run / "tensorboard").exists()
    for _ in range(2):
        done = mien(tmp_path, "train", "--resume", "run", "--tensorboard")
        assert done.returncode == 0, done.stderr
        check(run, 3)


def test_without_the_extra_it_is_said_before_anything_is_made(faces_file: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", WITHOUT, "train", "logistic", "--data", str(faces_file), "--tensorboard"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == 'error: This needs tensorboard. Install it with: pip install "mien[tensorboard]"\n'
    assert not list(tmp_path.iterdir())

"""`torchrun -m mien train`: two processes on one training do what one does, and one of them speaks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8", "CUDA_VISIBLE_DEVICES": ""}

LINE = ("--preset", "demo", "--epochs", "2", "--batch", "32", "--seed", "3", "--json")


def torchrun(folder: Path, *words: str | Path) -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "mien"]
    return subprocess.run(
        [*line, *map(str, words)],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_two_processes_train_as_one_does(mien, faces_file: Path, tmp_path: Path) -> None:
    plain = ("--option", "hidden=[32]", "--option", "batch_norm=false", "--option", "dropout=0.0")
    line = ("train", "feedforward", "--data", faces_file, *LINE, *plain)
    one, two = mien(tmp_path, *line, "--out", "one"), torchrun(tmp_path, *line, "--out", "two")
    assert one.returncode == two.returncode == 0, two.stderr
    alone, together = json.loads(one.stdout), json.loads(two.stdout)  # one document: one process speaks
    assert together["epochs"] == alone["epochs"] == 2
    assert together["after"]["val"]["accuracy"] == pytest.approx(alone["after"]["val"]["accuracy"], abs=0.02)
    first, second = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    assert max(float(abs(first[name] - second[name]).max()) for name in first) < 1e-3
    resumed = torchrun(tmp_path, "train", "--resume", "two", "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["epochs"] == 2


def test_batch_norm_sees_a_share_and_still_learns(faces_file: Path, tmp_path: Path) -> None:
    done = torchrun(tmp_path, "train", "flagship_small", "--data", faces_file, *LINE, "--ema", "0.5", "--out", "run")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["after"]["val"]["loss"] < told["before"]["val"]["loss"] + 0.5
    assert (tmp_path / "run" / "card.json").exists()


def test_a_batch_that_cannot_be_shared_is_refused(faces_file: Path, tmp_path: Path) -> None:
    done = torchrun(tmp_path, "train", "logistic", "--data", faces_file, *LINE, "--batch", "33", "--out", "run")
    assert done.returncode != 0
    assert "multiple of 2" in done.stderr

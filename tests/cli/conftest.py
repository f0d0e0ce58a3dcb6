"""What the command line is tried on: a small file of faces, and a run that learned them."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mien.data.drawn import drawn_faces
from mien.data.origin import DataPath

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def faces_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An .npz of 420 drawn faces: 294 to train on, 63 in val, 63 in test."""
    path = tmp_path_factory.mktemp("faces") / "faces.npz"
    drawn_faces(420).save(path)
    return path


@pytest.fixture
def few_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --data this process draws 420 faces, and not 6,000, which takes it ten seconds."""
    monkeypatch.setattr("mien.data.load.drawn_faces", lambda **how: replace(drawn_faces(420, **how), origin=DataPath()))


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `trained` ran in."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def trained(mien: Run, faces_file: Path, home: Path) -> "subprocess.CompletedProcess[str]":
    """`mien train` of three epochs, as it ended."""
    line = ("train", "logistic", "--preset", "demo", "--epochs", "3", "--lr", "0.02", "--data", faces_file, "--json")
    done = mien(home, *line)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="session")
def finished(trained: "subprocess.CompletedProcess[str]", home: Path) -> Path:
    """The run folder of that training."""
    return home / "runs" / "logistic"

"""SIGTERM ends a training of the command line as Ctrl-C does: what is finished is saved."""

import os
import signal
from pathlib import Path

import pytest

from mien.cli import main
from mien.cli.progress import Lines
from mien.runs import history


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process at once")
def test_no_finished_epoch_is_lost(
    faces_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mien.experiment.SAVING", 1_000_000)  # so nothing is saved by itself after the first epoch
    monkeypatch.setattr(Lines, "epoch", lambda lines, epoch: epoch.epoch == 3 and os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    line = ["train", "logistic", "--data", str(faces_file), "--epochs", "8", "--out", str(tmp_path / "run")]
    assert main(line) == 130
    assert "every finished epoch is saved" in capsys.readouterr().err
    assert len(history(tmp_path / "run")) == 3
    assert signal.getsignal(signal.SIGTERM) == before

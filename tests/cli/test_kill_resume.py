"""Real trainings, stopped by real signals: what goes on afterwards ends as what was never stopped."""

import csv
import json
import shlex
import signal
import sys
from pathlib import Path

import pytest

import mien as library
from mien.cli import main
from mien.data.splits import Splits
from mien.runs import held

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")

TRAINING = (
    *("train", "cnn", "--preset", "demo", "--epochs", "10", "--batch", "32", "--option", "widths=[8,16,16]"),
    *("--ema", "0.9", "--mixup", "0.2", "--shift", "0.1", "--device", "cpu"),
)


def scores(run: Path) -> list[dict[str, str]]:
    """The history of a run without what a clock measured."""
    with (run / "history.csv").open(newline="") as file:
        return [
            {name: value for name, value in row.items() if name not in ("seconds", "faces_per_second")}
            for row in csv.DictReader(file)
        ]


def test_interrupted_killed_and_resumed_is_never_stopped(mien, faces_file: Path, tmp_path: Path) -> None:
    line = (*TRAINING, "--data", faces_file)
    done = mien(tmp_path, *line, "--out", "whole", "--json")
    assert done.returncode == 0, done.stderr

    halted = mien(tmp_path, *line, "--out", "parts", stop=("epoch   1/10", signal.SIGINT))
    assert halted.returncode == 130
    assert "Traceback" not in halted.stderr
    assert halted.stderr.endswith("Go on with: mien train --resume parts --device cpu\n")
    first = len(scores(tmp_path / "parts"))
    assert 1 <= first < 10

    halted = mien(tmp_path, "train", "--resume", "parts", stop=(f"epoch {first + 1:3d}/10", signal.SIGKILL))
    assert halted.returncode == -signal.SIGKILL
    assert "epoch   1/10" not in halted.stderr
    assert not (tmp_path / "parts" / "card.json").exists()
    second = len(scores(tmp_path / "parts"))
    assert first < second < 10

    (tmp_path / "elsewhere").mkdir()
    again = mien(tmp_path / "elsewhere", "train", "--resume", "../parts", "--json")
    assert again.returncode == 0, again.stderr
    assert f"epoch {second + 1:3d}/10" in again.stderr
    assert f"epoch {second:3d}/10" not in again.stderr

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert (parts / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()
    assert scores(parts) == scores(whole)
    first_document, second_document = json.loads(done.stdout), json.loads(again.stdout)
    assert first_document["after"] == second_document["after"]
    assert first_document["before"] == second_document["before"]
    assert not list(parts.rglob(".*")), "half-written files were left"


def test_a_killed_ladder_goes_on_where_it_was(mien, faces_file: Path, tmp_path: Path) -> None:
    line = ("ladder", "--data", faces_file, "--preset", "demo", "--epochs", "2", "--out", "ladder")
    halted = mien(tmp_path, *line, stop=("feedforward  epoch   1/2", signal.SIGKILL))
    assert halted.returncode == -signal.SIGKILL
    assert "logistic     epoch   2/2" in halted.stderr
    before = (tmp_path / "ladder" / "logistic" / "card.json").read_bytes()
    assert not (tmp_path / "ladder" / "ladder.json").exists()

    done = mien(tmp_path, *line, "--json")
    assert done.returncode == 0, done.stderr
    assert "Trained already: logistic." in done.stderr
    trained = [text.split()[0] for text in done.stderr.splitlines() if " epoch " in text]
    assert "logistic" not in trained
    assert trained[-4:] == ["cnn", "cnn", "resnet", "resnet"]
    assert (tmp_path / "ladder" / "logistic" / "card.json").read_bytes() == before

    document = json.loads(done.stdout)
    assert [rung["model"] for rung in document["rungs"]] == ["logistic", "feedforward", "cnn", "resnet"]
    for rung in document["rungs"]:
        assert set(rung) == {
            *("model", "preset", "parameters", "macs", "train_seconds", "faces_per_second", "before", "after")
        }
        assert set(rung["after"]) == {"val", "test"}
        assert set(rung["before"]) == {"val"}
    assert json.loads((tmp_path / "ladder" / "ladder.json").read_text())["rungs"] == document["rungs"]
    assert (tmp_path / "ladder" / "ladder.md").exists()
    page = (tmp_path / document["report"]).read_text(encoding="utf-8")
    assert "resnet" in page
    assert f"Open {document['report']}" in done.stderr


def test_a_stopped_sweep_ends_as_one_that_was_never_stopped(
    mien, faces_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ("sweep", "logistic", "--field", "lr=0.001..0.1:log", "--field", "batch=16,32", "--field", "flip=true,false")
    line = (*line, "--data", faces_file, "--preset", "demo", "--epochs", "4")
    done = mien(tmp_path, *line, "--trials", "2", "--out", "whole", "--json")
    assert done.returncode == 0, done.stderr

    line = (*line, "--out", "parts")
    halted = mien(tmp_path, *line, stop=("trial 0      epoch   2/4", signal.SIGINT))
    assert halted.returncode == 130
    assert halted.stderr.endswith("every finished epoch is saved. The same command goes on where it was.\n")
    halted = mien(tmp_path, *line, stop=("trial 1      epoch   1/4", signal.SIGKILL))
    assert halted.returncode == -signal.SIGKILL
    assert "trial 0      epoch   1/4" not in halted.stderr
    again = mien(tmp_path, *line, "--trials", "2", "--json")
    assert again.returncode == 0, again.stderr
    assert "trial 0 " not in again.stderr
    assert "trial 1      epoch   1/4" not in again.stderr

    whole, parts = json.loads(done.stdout), json.loads(again.stdout)
    assert len(whole["trials"]) == 2
    assert len({json.dumps(trial["values"]) for trial in whole["trials"]}) == 2
    for name in ("trials", "best"):
        assert json.dumps(whole[name]).replace("whole", "parts") == json.dumps(parts[name])
    assert whole["best"]["val_accuracy"] == max(trial["val_accuracy"] for trial in whole["trials"])
    assert parts["command"] in again.stderr

    repeated = mien(tmp_path, *shlex.split(parts["command"])[1:])
    assert repeated.returncode == 0, repeated.stderr
    weights = [tmp_path / run / "weights.safetensors" for run in (parts["best"]["run"], "parts/best")]
    assert weights[0].read_bytes() == weights[1].read_bytes()

    monkeypatch.chdir(tmp_path)
    for words, code, text in (
        ((*line, "--seed", "1"), 1, "begun with other recipe"),
        ((*line, "--lr", "0.1"), 2, "lr: swept, and given a value, too"),
        ((*line, "--field", "depth=1..2"), 2, "There is no field 'depth' to sweep"),
    ):
        assert main([*map(str, words)]) == code
        assert text in capsys.readouterr().err


def test_two_commands_dont_train_in_one_folder(mien, faces_file: Path, tmp_path: Path) -> None:
    """This process trains there, and is at an epoch's end for as long as the other one tries."""
    chosen = library.recipe("logistic", "demo", epochs=3)
    first = library.train(tmp_path / "run", Splits.load(faces_file), chosen, device="cpu")
    assert next(first).epoch == 1
    second = mien(tmp_path, "train", "--resume", "run")
    first.close()
    assert second.returncode == 1
    assert second.stderr.endswith(
        "error: run: another training is under way in this folder. Wait until it is done, or choose another folder; in "
        "Python, one that was left lets go of it by .close().\n"
    )
    assert len(scores(tmp_path / "run")) == 1
    with held(tmp_path / "run"):  # whoever comes now may
        pass

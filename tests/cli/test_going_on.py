"""`mien train --resume`: faces and votes that were moved, and the line that Ctrl-C names."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mien.cli import main
from mien.data.drawn import drawn_faces
from mien.data.load import load_faces
from mien.data.origin import DataPath
from mien.labels import FERPLUS
from mien.runs import begin, read_setup
from mien.training.recipe import recipe

USAGES = {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """FER2013's CSV of drawn faces, its last row a bad one, and FER+'s votes for them."""
    rows, votes = ["emotion,pixels,Usage"], ["Usage,Image name," + ",".join((*FERPLUS, "unknown", "NF"))]
    for name, part in drawn_faces(70):
        for image, label in zip(part.images, part.labels, strict=True):
            rows.append(f"{label},{' '.join(map(str, image.ravel()))},{USAGES[name]}")
            shares = ",".join("8" if place == label else "1" for place in range(8))
            votes.append(f"{USAGES[name]},,{shares},0,1")
    rows.append("9,0 0 0,PrivateTest")
    votes.append("PrivateTest,,8,1,0,0,0,0,0,0,0,1")
    (tmp_path / "faces.csv").write_text("\n".join(rows))
    (tmp_path / "votes.csv").write_text("\n".join(votes))
    return tmp_path / "faces.csv", tmp_path / "votes.csv"


@pytest.fixture(autouse=True)
def _stopped_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes once the faces are read."""

    def stop(*words: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mien.starting.fresh", stop)


def test_stopped_before_it_began(files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(["train", "logistic", "--data", str(files[0]), "--skip-bad-rows", "--out", str(run)]) == 130
    assert capsys.readouterr().err.endswith("interrupted: nothing was begun yet.\n")
    assert not run.exists()


@pytest.mark.parametrize("moved", [("--data",), ("--votes",), ("--data", "--votes")])
def test_what_was_moved_is_said_and_the_rest_is_known(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], moved: tuple[str, ...]
) -> None:
    run, source = tmp_path / "run", DataPath(str(files[0]), str(files[1]), skip_bad_rows=True)
    begin(run, load_faces(**vars(source)), recipe("logistic", "demo"))
    words = ["mien", "train", "--resume", str(run)]
    for name, path in zip(("--data", "--votes"), files, strict=True):
        if name in moved:
            words += [name, str(path.rename(tmp_path / f"moved {path.name}"))]
    words += ["--device", "cpu"]
    assert main(words[1:]) == 130
    assert capsys.readouterr().err.endswith(f"every finished epoch is saved. Go on with: {shlex.join(words)}\n")


def test_where_it_was_moved_to_is_noted(files: tuple[Path, Path], tmp_path: Path) -> None:
    run, source = tmp_path / "run", DataPath(str(files[0]), str(files[1]), skip_bad_rows=True)
    begin(run, load_faces(**vars(source)), recipe("logistic", "demo"))
    here = replace(source, path=str(files[0].rename(tmp_path / "elsewhere.csv")))
    begin(run, found := load_faces(**vars(here)), recipe("logistic", "demo"))
    assert read_setup(run)[1] == here
    begin(run, replace(found, origin=None), recipe("logistic", "demo"))  # a program has the same faces
    assert read_setup(run)[1] == here


@pytest.mark.parametrize("moved", ["--data", "--votes"])
def test_what_was_moved_and_not_said_is_asked_for(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], moved: str
) -> None:
    run, source = tmp_path / "run", DataPath(str(files[0]), str(files[1]), skip_bad_rows=True)
    begin(run, load_faces(**vars(source)), recipe("logistic", "demo"))
    gone = files[moved == "--votes"]
    gone.rename(tmp_path / "elsewhere.csv")
    assert main(["train", "--resume", str(run)]) == 1
    said = f"error: {run}: it was begun with {gone}, which isn't there. Say where it is with {moved}.\n"
    assert capsys.readouterr().err == said

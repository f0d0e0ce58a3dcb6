"""A training begun from Python is gone on with from the command line: its folder knows where the faces were."""

from pathlib import Path

import pytest

import mien
from mien.cli import main
from mien.data.drawn import draw, drawn_faces
from mien.data.origin import DataPath
from mien.runs import read_setup


def _stopped(folder: Path, splits: mien.Splits) -> None:
    for epoch in mien.train(folder, splits, mien.recipe("logistic", "demo", epochs=2)):
        assert epoch.epoch == 1
        break


@pytest.mark.parametrize("name", ["faces.npz", "folder"])
def test_what_was_begun_in_python(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if name == "folder":
        from PIL import Image

        for at, image in enumerate(drawn_faces(40).train.images):
            path = Path(name, ("glad", "sad")[at % 2], f"{at}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
        splits = mien.load_folder(name)
    else:
        drawn_faces(100).save(name)
        splits = mien.Splits.load(name)
    _stopped(Path("run"), splits)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["train", "--resume", "../run", "--device", "cpu"]) == 0
    assert (tmp_path / "run" / "card.json").exists()


def test_faces_that_only_a_program_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faces = drawn_faces(100)
    _stopped(tmp_path / "run", faces)
    assert read_setup(tmp_path / "run")[1] is None
    assert main(["train", "--resume", str(tmp_path / "run")]) == 1
    assert "made by a program" in capsys.readouterr().err
    faces.save(tmp_path / "faces.npz")
    words = ["train", "--resume", str(tmp_path / "run"), "--data", str(tmp_path / "faces.npz"), "--device", "cpu"]
    assert main(words) == 0


def test_the_drawn_faces_need_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    few = draw(14)
    monkeypatch.setattr("mien.data.drawn.draw", lambda *_, **__: few[:])  # drawing 6,000 takes ten seconds
    assert drawn_faces(6000).origin == DataPath()

"""A folder of one's own photos, from pictures to predictions, by the commands that a person would give."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mien.cards import Card
from mien.cli import main
from mien.cli.faces import read_faces
from mien.cli.recipes import asked
from mien.data.drawn import draw
from mien.data.load import load_faces
from mien.data.origin import DataPath

NAMES = {0: "grumpy", 3: "cheerful", 5: "wow"}
TINY = ("--option", "widths=[8,8]", "--option", "depths=[1,1]", "--epochs", "1", "--batch", "32")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`my photos/CLASS/N.jpg`: drawn faces of three kinds, in colour, 90 × 120 pixels; `who.csv`: eight people."""
    root = tmp_path_factory.mktemp("own")
    drawn = draw(280, seed=5)
    lines = ["file,subject"]
    for number, (image, label) in enumerate(zip(drawn.images, drawn.labels, strict=True)):
        if int(label) in NAMES:
            path = root / "my photos" / NAMES[int(label)] / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            face = np.asarray(Image.fromarray(image).resize((90, 90)), np.float32)
            photo = np.full((120, 90, 3), 128, np.uint8)
            photo[15:105] = (face[..., None] * [1.0, 0.8, 0.6]).astype(np.uint8)
            Image.fromarray(photo).save(path, quality=95)
            lines.append(f"{path.relative_to(root / 'my photos').as_posix()},person {number % 8}")
    (root / "who.csv").write_text("\n".join(lines) + "\n")
    return root


def ask(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[Any, str]:
    """A line of the command line: its document, and what it said."""
    capsys.readouterr()
    code = main([*map(str, words), "--json"])
    said = capsys.readouterr()
    assert code == 0, said.err
    return json.loads(said.out), said.err


def test_from_a_folder_of_photos_to_predictions(photos: Path, tmp_path: Path, capsys) -> None:
    data, who, run = photos / "my photos", photos / "who.csv", tmp_path / "run"
    line = ("train", "--init", "small", "--data", data, "--groups", who, "--rgb", "--size", "40", "--epochs", "5")
    told, said = ask(capsys, *line, "--sampling", "balanced", "--out", run)
    assert "--batch 16 rather than the preset's 64, so that" in said  # of so few faces
    assert "knows nothing yet" not in said
    assert told["preset"] == "finetune"
    assert told["before"]["val"]["accuracy"] > 0.8  # the new head was fitted to what the network in the box sees
    assert told["after"]["val"]["accuracy"] > 0.8

    card = Card.read(run)
    assert (card.classes, card.input_shape) == (("cheerful", "grumpy", "wow"), (3, 40, 40))
    assert (card.recipe["sampling"], card.options["second"]) == ("balanced", 0)
    again, _ = ask(capsys, "evaluate", run, "--data", data, "--groups", who)
    assert again["confusion"] == told["after"]["val"]["confusion"]  # the same faces, read as the network takes them
    resumed, _ = ask(capsys, "train", "--resume", run)  # finds size, colours and subjects again
    assert resumed["after"] == told["after"]

    exported, _ = ask(capsys, "export", run, tmp_path / "own.onnx", "--data", data, "--groups", who)
    assert exported["compared"][str(data)] == told["after"]["val"]["n"]
    found = {}
    for model in (run, tmp_path / "own.onnx"):
        rows = tmp_path / "rows.jsonl"
        ask(capsys, "predict", data / "wow", "--no-detect", "--model", model, "--out", rows, "--overwrite")
        found[model] = [json.loads(text) for text in rows.read_text().splitlines()]
        assert {row["label"] for row in found[model]} <= {"cheerful", "grumpy", "wow"}
    first, second = found.values()
    assert [row["label"] for row in first] == [row["label"] for row in second]


def test_the_page_names_the_files(photos: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    data = ("--data", photos / "my photos", "--groups", photos / "who.csv")
    monkeypatch.setattr(sys, "argv", ["mien", "ladder", *map(str, data)])
    _, said = ask(capsys, "ladder", *data, "--preset", "demo", "--epochs", "1", "--out", tmp_path / "o")
    assert f"--groups {photos / 'who.csv'} --views 2" in said  # else it would be asked about faces it learned from
    page = (tmp_path / "o" / "report.html").read_text()
    named = set(re.findall(r"<br>(\w+/\d+\.jpg)<", page))
    assert len(named) > 5
    assert all((photos / "my photos" / name).is_file() for name in named)
    for passed_on in (page, (tmp_path / "o" / "ladder.json").read_text()):
        assert str(photos) not in passed_on
    assert str(photos) in (tmp_path / "o" / "cnn" / "environment.json").read_text()


def test_a_run_in_the_shape_of_the_one_it_starts_from(photos: Path, few_drawn: None, tmp_path: Path, capsys) -> None:
    data, first = photos / "my photos", tmp_path / "first"
    wanted = ("--rgb", "--size", "32", "--class-weights", "balanced")
    _, said = ask(capsys, "train", "cnn", "--data", data, *wanted, *TINY, "--out", first)
    assert "a cnn that knows nothing yet: with so few, --init small" in said
    ask(capsys, "train", "--init", first, "--data", data, *TINY[-4:], "--out", tmp_path / "on")
    assert Card.read(tmp_path / "on").input_shape == (3, 32, 32)
    ask(capsys, "show", tmp_path / "on", "--data", data)
    for verb in ("show", "evaluate"):
        assert main([verb, str(tmp_path / "on")]) == 1
        said = capsys.readouterr().err
        assert "without --data the faces are drawn" in said
        assert f"--data '{data}'" in said  # a name with a space in it
    ask(capsys, "train", "--init", first, *TINY[-4:], "--out", tmp_path / "drawn")
    assert Card.read(tmp_path / "drawn").input_shape == (1, 48, 48)  # drawn faces are what they are
    noted = json.loads((first / "data.json").read_text())
    (first / "data.json").write_text(json.dumps(noted | {"path": str(tmp_path / "gone")}))  # as of another machine
    assert main(["calibrate", str(first)]) == 1
    assert f"{tmp_path / 'gone'}, which isn't there. Say where it is with --data." in capsys.readouterr().err
    sums = noted["checksums"]
    (first / "data.json").write_text(json.dumps({"checksums": sums}))  # as of faces that a program made
    told, _ = ask(capsys, "calibrate", first, "--data", data)
    assert told["n"] == ask(capsys, "evaluate", first, "--data", data)[0]["n"] > 0


def test_what_other_data_cannot_be_asked_for(faces_file: Path, photos: Path, tmp_path: Path, capsys) -> None:
    out = ["--out", str(tmp_path / "run")]
    assert main(["train", "cnn", "--data", str(faces_file), "--size", "64", *out]) == 1
    assert "these faces are gray of 48 pixels and stay so" in capsys.readouterr().err
    assert main(["train", "cnn", "--groups", str(photos / "who.csv"), *out]) == 1
    assert "drawn faces have no subjects" in capsys.readouterr().err
    assert main(["train", "--resume", str(tmp_path), "--rgb"]) == 2
    assert "leave out --rgb" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_converted_faces_are_taken_as_they_are(photos: Path, tmp_path: Path, capsys) -> None:
    """They have the size that they were converted in, whatever the network would ask image files for."""
    faces = tmp_path / "own.faces"
    ask(capsys, "data", "convert", photos / "my photos", faces, "--size", "32")
    _, source = asked(None, None, DataPath(faces), None, {"init": "small"}, ())
    assert load_faces(**vars(source)).train.pixels.shape[1:] == (1, 32, 32)
    assert read_faces(str(faces), None, False, shape=(1, 48, 48)).train.pixels.shape[1:] == (1, 32, 32)


def test_no_name_is_no_folder(photos: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos / "my photos")
    assert main(["data", "convert", "", str(tmp_path / "own.faces")]) == 1
    assert "The name of the data is empty" in capsys.readouterr().err


def test_one_class_alone_is_refused_before_anything_is_written(photos: Path, tmp_path: Path, capsys) -> None:
    alone = tmp_path / "faces" / "wow"
    alone.mkdir(parents=True)
    for path in sorted((photos / "my photos" / "wow").iterdir())[:9]:
        (alone / path.name).write_bytes(path.read_bytes())
    for words in (("train", "cnn"), ("ladder",)):
        assert main([*words, "--data", str(alone.parent), "--epochs", "1", "--out", str(tmp_path / "run")]) == 1
        assert "are 'wow'; it takes two classes or more to tell apart" in capsys.readouterr().err
        assert not (tmp_path / "run").exists()

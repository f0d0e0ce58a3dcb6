"""Errors that say what to do instead."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from mien.cards import CARD, Card, TrainedOn
from mien.cli import main
from mien.data.drawn import drawn_faces
from mien.data.load import load_faces
from mien.shipped import find


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train small", "small is a trained network in the box. To train on from it: --init small"),
        ("models small", "To train on from it: mien train --init small"),
        ("evaluate small, flagship", "names are separated by spaces, without commas"),
        (
            "explain photo.jpg --model small:int8",
            "heatmaps need PyTorch's weights, which an ONNX file hasn't; name small.",
        ),
        ("evaluate small --data fer2013.csv", "fer2013.csv: no such file. `mien data get` says where it is."),
        ("evaluate small --data FER2013.csv.xz", "`mien data get` says where it is."),
        ("evaluate small --data icml_face_data.csv", "`mien data get` says where it is."),
        ("evaluate small --data mine.csv", "mine.csv: no such file.\n"),
    ],
)
def test_the_error_says_what_to_do(
    line: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (60, 60)).save("photo.jpg")
    assert main(line.split()) in (1, 2)
    assert said in capsys.readouterr().err


@pytest.fixture(scope="module")
def voted(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Drawn faces as a CSV file of FER2013, and FER+'s votes for them, which agree."""
    folder = tmp_path_factory.mktemp("voted")
    faces, votes = folder / "fer2013.csv", folder / "fer2013new.csv"
    rows, names = ["emotion,pixels,Usage"], "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    counts = [f"Usage,Image name,{names}"]
    for usage, (_, part) in zip(("Training", "PublicTest", "PrivateTest"), drawn_faces(70), strict=True):
        rows += [f"{label},{' '.join(map(str, face.ravel()))},{usage}" for face, label in part]
        shares = [
            ",".join(str(10 * (place == (4, 5, 6, 1, 3, 2, 0)[label])) for place in range(10)) for _, label in part
        ]
        counts += [f"{usage},fer{number:07}.png,{share}" for number, share in enumerate(shares)]
    faces.write_text("\n".join(rows) + "\n")
    votes.write_text("\n".join(counts) + "\n")
    return str(faces), str(votes)


def test_votes_for_a_network_without_contempt(voted: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    line = ["evaluate", "small", "--data", voted[0]]
    assert main(line) == 0
    assert main([*line, "--votes", voted[1]]) == 1
    said = capsys.readouterr().err
    assert "small doesn't know contempt, of FER+'s classes: it tells apart angry" in said
    assert "Judge it without --votes." in said


def test_votes_are_joined_where_networks_are_measured(
    voted: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a network that doesn't know contempt, which is quicker than training one that does."""
    run, data, votes = tmp_path / "run", ("--data", voted[0]), ("--votes", voted[1])
    shutil.copytree(find("small"), run)
    judged = TrainedOn(checksums={"val": load_faces(*voted).val.checksum})
    Card.read(run).model_copy(update={"data": judged}).write(run / CARD)
    for line, said in (
        (["leaderboard", str(run), *data], "Say --votes and --groups as they were trained with."),
        (["leaderboard", str(run), *data, *votes], "faces of the 8 classes"),
        (
            ["robustness", str(run), *data, *votes],
            "sad, surprise, neutral. Give contempt the network's names, or train",
        ),
    ):
        assert main(line) == 1
        assert said in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # daft's
def test_whose_rows_failed_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "damaged.jpg").write_bytes(b"no picture")
    assert main(["score", str(tmp_path / "photos"), "--out", str(tmp_path / "scores"), "--workers", "1"]) == 1
    said = capsys.readouterr().err
    assert said.count("failed") == 1
    assert "error: 1 of 1 couldn't be read; their rows have the status failed, and the error." in said


@pytest.mark.parametrize(
    "line",
    [
        "predict a.jpg --out", "predict a.jpg --annotate", "predict a.jpg --sheet", "predict a.mp4 --timeline",
        "explain a.jpg --out", "score photos --out", "sweep cnn --out", "leaderboard runs/a --into",
    ],
)  # fmt: skip
def test_a_variable_that_isnt_set_is_no_folder(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*line.split(), ""]) == 2
    said = capsys.readouterr().err
    assert line.split()[-1] in said
    assert "the path is empty" in said
    assert list(tmp_path.iterdir()) == []

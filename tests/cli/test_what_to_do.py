"""Errors that say what to do instead."""

from pathlib import Path

import pytest
from PIL import Image

from mien.cli import main
from mien.data.drawn import drawn_faces


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


def test_votes_for_a_network_without_contempt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faces, votes = tmp_path / "fer2013.csv", tmp_path / "fer2013new.csv"
    rows, names = ["emotion,pixels,Usage"], "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    counts = [f"Usage,Image name,{names}"]
    for usage, (_, part) in zip(("Training", "PublicTest", "PrivateTest"), drawn_faces(70), strict=True):
        rows += [f"{label},{' '.join(map(str, face.ravel()))},{usage}" for face, label in part]
        counts += [f"{usage},fer{number:07}.png,0,10,0,0,0,0,0,0,0,0" for number in range(len(part))]
    faces.write_text("\n".join(rows) + "\n")
    votes.write_text("\n".join(counts) + "\n")
    line = ["evaluate", "small", "--data", str(faces)]
    assert main(line) == 0
    assert main([*line, "--votes", str(votes)]) == 1
    said = capsys.readouterr().err
    assert "small doesn't know contempt, of FER+'s classes: it tells apart angry" in said
    assert "Judge it without --votes." in said


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # daft's
def test_whose_rows_failed_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "damaged.jpg").write_bytes(b"no picture")
    assert main(["score", str(tmp_path / "photos"), "--out", str(tmp_path / "scores"), "--workers", "1"]) == 1
    said = capsys.readouterr().err
    assert said.count("failed") == 1
    assert "error: 1 of 1 couldn't be read; their rows have the status failed, and the error." in said

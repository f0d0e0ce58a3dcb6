"""Outputs that can't be made are told of before the first picture; one that fails at the end costs no table."""

import os
from pathlib import Path

import pytest

from mien.cli import main
from mien.recognition.figures import Sheet

Said = pytest.CaptureFixture[str]


@pytest.mark.parametrize("option", ["--out", "--annotate", "--timeline", "--sheet"])
def test_where_nothing_can_be_written_nothing_is_read(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said, option: str
) -> None:
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "called.svg").mkdir()
    monkeypatch.setattr("mien.recognition.recognizer.Recognizer.stream", None)
    ending = {"--out": ".csv", "--annotate": ".webm"}.get(option, ".svg")
    places = [f"file/a{ending}", "file/in"] if option == "--annotate" else [f"file/a{ending}"]
    places += ["/proc/a" + ending] if os.path.isdir("/proc/self") else []
    for place in places + (["called.svg"] if ending == ".svg" else []):
        assert main(["predict", str(film), option, str(tmp_path / place)]) == 1
        said = capsys.readouterr().err
        assert f"{tmp_path / place}: it can't be written there" in said
        assert "part.jsonl" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["called.svg", "file"]


def test_an_error_at_the_end_comes_after_the_table(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    def full(*_: object) -> bytes:
        raise OSError(28, "No space left on device", "faces.png")

    monkeypatch.setattr(Sheet, "picture", full)
    assert main(["predict", str(photo), "--sheet", str(tmp_path / "faces.png")]) == 1
    told = capsys.readouterr()
    assert "happy" in told.out
    assert "No space left" in told.err


def test_one_video_is_drawn_from_one(film: Path, photo: Path, tmp_path: Path, capsys: Said) -> None:
    read = tmp_path / "in"
    read.mkdir()
    for name in ("a.mp4", "b.mp4"):
        (read / name).write_bytes(film.read_bytes())
    line = ["--out", str(tmp_path / "rows.csv"), "--timeline", str(tmp_path / "time.svg")]
    one = ["--annotate", str(tmp_path / "one.webm")]
    for names, options, why in (
        ([read], one, "from one video"),
        ([read / "a.mp4", photo], one, "from a video"),
        ([photo], [], "a timeline is drawn of a video"),
    ):
        assert main(["predict", *map(str, names), *line, *options]) == 1
        assert why in capsys.readouterr().err
        assert [path.name for path in tmp_path.iterdir()] == ["in"]

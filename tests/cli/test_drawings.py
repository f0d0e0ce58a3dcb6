"""Where drawings go: as their sources lie, and over no file that isn't an earlier drawing of the same source."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mien.cli import main


def gray(path: Path, value: int) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((200, 200, 3), value, np.uint8)).save(path)
    return path.read_bytes()


def drawings(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["crops", "crops/*/*.jpg", "."])
def test_a_drawing_lies_as_its_photo_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for place in ("a", "b"):
        gray(tmp_path / "crops" / place / "0.jpg", 90)
    monkeypatch.chdir(tmp_path)
    assert main(["predict", name, "--annotate", "drawn"]) == 0
    top = "crops/" if name == "." else ""
    assert set(drawings(tmp_path / "drawn")) == {f"{top}a/0.jpg", f"{top}b/0.jpg"}


def test_no_other_files_place_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = gray(tmp_path / "drawn" / "mine.jpg", 10)
    for day, value in (("monday", 50), ("tuesday", 200)):
        gray(tmp_path / day / "in" / "clip.jpg", value)
        gray(tmp_path / day / "mine.jpg", value)
    seen: dict[str, bytes] = {}
    for day in ("monday", "tuesday", "tuesday", "monday"):  # the same again gets no more of them
        monkeypatch.chdir(tmp_path / day)
        assert main(["predict", ".", "--annotate", "../drawn"]) == 0
        now = drawings(tmp_path / "drawn")
        assert {name: now[name] for name in seen} == seen
        seen = now
    assert set(seen) == {"mine.jpg", "mine-2.jpg", "mine-3.jpg", "in/clip.jpg", "in/clip-2.jpg"}
    assert seen["mine.jpg"] == mine


def test_going_on_draws_what_was_done_without_drawings(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    gray(tmp_path / "in" / "a.jpg", 50)
    gray(tmp_path / "in" / "b.jpg", 90)
    other = gray(tmp_path / "drawn" / "b.jpg", 10)
    Path("in/film.mp4").write_bytes(film.read_bytes())
    line = ["predict", "in", "--no-detect", "--every", "10", "--out", "rows.jsonl", "--resume"]
    assert main(line) == 0
    rows = Path("rows.jsonl").read_bytes()
    for _ in range(2):
        assert main([*line, "--annotate", "drawn"]) == 0
        assert set(drawings(tmp_path / "drawn")) == {"a.jpg", "b.jpg", "b-2.jpg", "film.webm"}
        assert (tmp_path / "drawn" / "b.jpg").read_bytes() == other
        assert Path("rows.jsonl").read_bytes() == rows
        (tmp_path / "drawn" / "a.jpg").unlink()


def test_long_names_are_drawn_as_far_as_they_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File systems take 255 bytes."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    names = ("a" * 251, "\N{LATIN SMALL LETTER E WITH ACUTE}" * 125, "b" * 245)
    try:
        for name in names:
            Image.fromarray(np.zeros((48, 48, 3), np.uint8)).save(f"in/{name}.png")
    except OSError:
        pytest.skip("this file system takes no such names")
    for _ in range(2):
        assert main(["predict", "in", "--no-detect", "--annotate", "drawn"]) == 0
        assert {path.name for path in Path("drawn").iterdir()} == {
            f"{name}.jpg" for name in ("a" * 245, names[1][:122], names[2])
        }


def test_a_videos_drawing_is_known_again(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in ("monday", "tuesday"):
        (tmp_path / day).mkdir()
        (tmp_path / day / "f.mp4").write_bytes(film.read_bytes())
        monkeypatch.chdir(tmp_path / day)
        for _ in range(2):
            assert main(["predict", "f.mp4", "--every", "10", "--annotate", "../drawn"]) == 0
    assert set(drawings(tmp_path / "drawn")) == {"f.webm", "f-2.webm"}
    assert cv2.VideoCapture(str(tmp_path / "drawn" / "f-2.webm")).get(cv2.CAP_PROP_FRAME_COUNT) > 0

"""What `mien predict` draws: when it is in place."""

from contextlib import ExitStack
from pathlib import Path

import cv2
import pytest

from mien.cli.sinks import annotator
from mien.recognition.records import Reading
from mien.recognition.sources import Sources


def test_each_drawing_is_in_place_when_its_video_ends(film: Path, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "in" / name).write_bytes(film.read_bytes())
    (tmp_path / "in" / "c.jpg").write_bytes(photo.read_bytes())
    drawn, there = tmp_path / "drawn", {}
    with ExitStack() as stack:
        draw = annotator(drawn, stack)
        for frame in Sources([tmp_path / "in"]):
            draw(frame, Reading(frame.source))
            there[Path(frame.source).name] = sorted(path.name for path in drawn.glob("[abc]*"))
    assert there == {"a.mp4": [], "b.mp4": ["a.webm"], "c.jpg": ["a.webm", "b.webm", "c.jpg"]}
    for name in ("a", "b"):
        assert cv2.VideoCapture(str(drawn / f"{name}.webm")).get(cv2.CAP_PROP_FRAME_COUNT) == 30


def test_names_that_no_font_here_can_write_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as stack:
        annotator(tmp_path, stack, classes=["happy", "\U00013000", "\U00013001"])  # hieroglyphs
        assert "letters of \U00013000, \U00013001: they are drawn as boxes" in capsys.readouterr().err
        annotator(tmp_path, stack, classes=["happy", "sad"])
        assert capsys.readouterr().err == ""

"""What is shown at the end of `mien predict`, and when it says that not all is."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mien.cli import main
from mien.cli.tally import FOLLOWED, Tally
from mien.recognition.records import Face, Reading

FACE = Face("happy", 0.9, False, {"sad": 0.1, "happy": 0.9}, (1.0, 2.0, 30.0, 40.0))
CLIP = [Reading("a.mp4", number, number / 25, 64, 48, (replace(FACE, id=1),)) for number in range(60)]
CROWD = [Reading("b.mp4", number, number / 25, 64, 48, (replace(FACE, id=number + 1),)) for number in range(300)]


@pytest.mark.parametrize(
    ("readings", "hidden"),
    [
        ([Reading(f"{number}.jpg", faces=(FACE,)) for number in range(40)], False),
        ([Reading(f"{number}.jpg", faces=(FACE,) * 3) for number in range(20)], True),
        ([Reading(f"{number}.jpg", faces=(FACE,)) for number in range(41)], True),
        ([Reading("a.jpg", faces=(FACE,) * 40)], False),
        ([Reading("a.jpg", faces=(FACE,) * 41)], True),
        ([Reading("a.jpg", faces=(FACE,) * 6), Reading("b.jpg")], True),
        ([Reading("a.jpg", faces=(FACE,)), *CLIP], False),
        (CROWD, True),
    ],
)
@pytest.mark.parametrize("kept", [False, True])
def test_it_says_that_not_all_is_shown_when_that_is_so(
    readings: list[Reading], hidden: bool, kept: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = Tally("cpu", kept=kept)
    for reading in readings:
        tally.add(reading)
    tally.print()
    said = capsys.readouterr()
    assert ("Not everything is shown" in said.out + said.err) == (hidden and not kept)


def test_who_keeps_all_rows_isnt_told_how_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(41):
        (tmp_path / f"{number}.pgm").write_bytes(b"P5 8 8 255 " + bytes(64))
    line = ["predict", str(tmp_path), "--no-detect"]
    for out, told in (([], True), (["--out", str(tmp_path / "a.csv")], False)):
        assert main([*line, *out]) == 0
        assert ("Not everything is shown" in capsys.readouterr().err) == told


def test_of_what_is_too_large_it_says_which_option_takes_it_and_no_speed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.pgm").write_bytes(b"P5 8 8 255 " + bytes(64))
    line = ["predict", str(tmp_path / "a.pgm"), "--no-detect", "--max-pixels"]
    assert main([*line, "63"]) == 1
    said = capsys.readouterr()
    assert said.err.endswith("a.pgm: 8 × 8 pixels; the limit is 63.\n--max-pixels N reads larger ones.\n")
    assert "1 failed.\n" in said.out
    assert main([*line, "64"]) == 0
    assert " a second on cpu.\n" in capsys.readouterr().out


def test_a_photo_of_a_phone_has_one_table_in_an_ordinary_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("COLUMNS", "80"), ("TERM", "xterm"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    face = Face("surprise", 0.5, True, {"neutral": 0.3, "surprise": 0.5}, (2098.0, 1493.0, 1709.0, 1868.0))
    tally = Tally("cpu")
    tally.add(Reading("holiday/IMG_20260131_175959.jpg", faces=(face,)))
    tally.add(Reading("holiday/IMG_20260131_180000.jpg", error="empty, 0 bytes."))
    tally.print()
    said = capsys.readouterr().out
    assert said.count("source") == 1
    assert "surprise 0.50 ?" in said
    assert "neutral 0.30" in said


def test_a_picture_of_many_hides_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally("cpu")
    for name, faces in (("school.jpg", 50), ("a.jpg", 6), ("b.jpg", 5), ("c.jpg", 0)):
        tally.add(Reading(name, faces=(FACE,) * faces))
    tally.print()
    said = [line.split("  ")[0].strip() for line in capsys.readouterr().out.splitlines()]
    assert [said.count(name) for name in ("school.jpg", "a.jpg", "b.jpg", "c.jpg")] == [6, 6, 5, 1]
    tally.print()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=1)[1].strip() for line in lines if " and " in line] == [
        "and 45 more faces",
        "and 1 more face",
    ]


@pytest.mark.parametrize(
    ("readings", "hint"),
    [
        ([Reading("a.jpg")], True),
        ([Reading("a.mp4", 0, 0.0)], True),
        ([Reading("a.jpg"), Reading("b.jpg", faces=(FACE,))], False),
        ([Reading("a.jpg", error="damaged")], False),
        ([], False),
    ],
)
def test_who_finds_no_face_at_all_learns_what_may_help(
    readings: list[Reading], hint: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = Tally("cpu")
    for reading in readings:
        tally.add(reading)
    tally.print()
    said = capsys.readouterr().err
    assert [word in said for word in ("--certain 0.4", "--no-detect")] == [hint] * 2


def test_of_a_crowd_those_seen_longest_stay() -> None:
    tally = Tally("cpu")
    for reading in (*CLIP, *CROWD):
        tally.add(reading)
    assert len(tally._seen) == FOLLOWED
    assert ("a.mp4", 1) in tally._seen


def test_one_is_one_and_nothing_is_less_than_none(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally("cpu")
    tally.others = 1
    tally.add(Reading("a.jpg", faces=(replace(FACE, box=(-0.3, 66.7, 67.5, 108.0)),)))
    tally.print()
    said = capsys.readouterr()
    assert "1 other file, neither" in said.err
    assert " 0, 67, 68 × 108" in said.out
    assert "-0" not in said.out


def test_a_films_face_is_one_face_and_its_frames_are_no_photos(capsys: pytest.CaptureFixture[str]) -> None:
    sad = replace(FACE, label="sad", uncertain=True)
    tally = Tally("cpu")
    for reading in (
        *(Reading(f"{number}.jpg", faces=(sad,)) for number in range(2)),
        *CLIP,
        *(replace(reading, faces=(replace(sad, id=2),)) for reading in CLIP[:9]),
        Reading("a.mp4", 60, 2.4, error="cut off"),
        Reading("b.jpg", error="damaged"),
    ):
        tally.add(reading)
    tally.print()
    said = capsys.readouterr().out
    assert "2 photos, 69 frames of 1 video, 4 faces (3 uncertain), 0 without a face, 2 failed" in said
    assert [line.split() for line in said.splitlines() if line.rstrip().endswith("%")][-2:] == [
        ["sad", "3", "75.0%"], ["happy", "1", "25.0%"],
    ]  # fmt: skip
    assert tally.as_json()["expressions"] == {"happy": 60, "sad": 11}


def test_of_a_crowd_each_face_is_counted_once(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally("cpu", calibrated=False)
    for reading in CROWD:
        tally.add(reading)
    tally.print()
    assert "300 frames of 1 video, 300 faces, 0 without" in capsys.readouterr().out


def test_without_detection_a_films_frames_are_of_one_face(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally("cpu")
    for reading in CLIP:
        tally.add(replace(reading, faces=(replace(FACE, box=None),)))
    tally.print()
    assert "60 frames of 1 video, 1 face (" in capsys.readouterr().out

"""Rows in files: none is lost, none stands there twice."""

import csv
import json
import os
import shutil
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet
import pytest

from mien.errors import DataError, MissingExtra
from mien.recognition.annotate import annotate
from mien.recognition.flat import columns_of
from mien.recognition.records import Face, Reading
from mien.recognition.video import VideoWriter
from mien.recognition.write import RowWriter

CLASSES = ("sad", "happy")
POINTS = ((1.0, 2.0), (3.0, 2.0), (2.0, 3.0), (1.0, 4.0), (3.0, 4.0))
FACE = Face("happy", 0.9, False, {"sad": 0.1, "happy": 0.9}, (1.0, 2.0, 30.0, 40.0), POINTS, 0.8, 1)
READINGS = [
    Reading("a.mp4", 0, 0.0, 64, 48, (FACE, FACE)),
    Reading("a.mp4", 1, 0.1, 64, 48),
    Reading('=odd, "name"\nü.jpg', error="damaged"),
    Reading("b.mp4", 4, 0.4, 64, 48, (FACE,)),
]


def rows(path: Path) -> list[tuple[str, int, str, str]]:
    if path.suffix == ".jsonl":
        found = [json.loads(line) for line in path.read_text().splitlines()]
    elif path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            found = list(csv.DictReader(file))
    else:
        found = pyarrow.parquet.read_table(path).to_pylist()
    return [(row["source"], int(row["frame"]), row["status"], row["label"] or "") for row in found]


EXPECTED = [
    (reading.source, reading.frame, row["status"], row["label"] or "") for reading in READINGS for row in reading.rows()
]


def write_all(path: Path) -> None:
    with RowWriter(path, classes=CLASSES) as writer:
        for reading in READINGS:
            writer.write(reading)


@pytest.mark.parametrize("kind", [".csv", ".parquet"])
def test_rows_that_another_program_keeps_from_being_written_arent_lost(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held(*_: object) -> None:
        raise PermissionError(13, "The process cannot access the file")

    path = tmp_path / f"rows{kind}"
    with monkeypatch.context() as patch:
        patch.setattr("mien.files.put_in_place", held)
        with pytest.raises(DataError, match=r"No row is lost: .* --resume"):
            write_all(path)
    with RowWriter(path, classes=CLASSES, resume=True):
        pass
    assert rows(path) == EXPECTED


@pytest.mark.parametrize("kind", [".jsonl", ".csv", ".parquet"])
def test_all_rows_come_back_and_a_stopped_run_goes_on(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"rows{kind}"
    write_all(path)
    assert rows(path) == EXPECTED
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    with pytest.raises(DataError, match="--resume"):
        RowWriter(path, classes=CLASSES)

    stopped = tmp_path / f"stopped{kind}"
    with suppress(KeyboardInterrupt), RowWriter(stopped, classes=CLASSES) as writer:
        writer.write(READINGS[0])
        writer.write(READINGS[1])
        raise KeyboardInterrupt
    assert rows(stopped) == EXPECTED[:3]
    with open(writer.lines, "ab") as file:
        file.write(b'{"source": "a.mp4", "frame": 2, "ti')  # as a power cut leaves it
    with RowWriter(stopped, classes=CLASSES, resume=True) as writer:
        assert (writer.last, writer.unfinished) == ({"a.mp4": 0}, "a.mp4")  # frame 1 is done again
        for reading in READINGS[1:]:
            writer.write(reading)
    assert rows(stopped) == EXPECTED
    with RowWriter(stopped, classes=CLASSES, resume=True) as writer:
        if kind != ".jsonl":
            assert writer.last == {"a.mp4": 1, "b.mp4": 4}  # the damaged photo is tried again where it comes again
        assert writer.unfinished == "b.mp4"
        writer.write(READINGS[3]) if kind == ".jsonl" else None
    assert sorted(rows(stopped)) == sorted(EXPECTED)
    with RowWriter(stopped, classes=CLASSES, overwrite=True) as writer:
        writer.write(READINGS[3])
    assert rows(stopped) == EXPECTED[-1:]


def test_a_films_damaged_end_is_done_and_a_damaged_photo_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    end = Reading("a.mp4", 2, 0.2, error="1 of 3 frames couldn't be decoded.")
    with RowWriter(path, classes=CLASSES) as writer:
        for reading in (*READINGS[:2], end, *READINGS[2:]):
            writer.write(reading)
    with RowWriter(path, classes=CLASSES, resume=True) as writer:
        assert writer.last == {"a.mp4": 2}


COLUMNS = columns_of(CLASSES)
HEADER = ",".join(COLUMNS).encode() + b"\n"
COMMAS = b"," * (len(COLUMNS) - 2) + b"\n"
"""The rest of a row after its source and frame."""
GOOD = b"".join(json.dumps(row).encode() + b"\n" for reading in READINGS for row in reading.rows())


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("diary.jsonl", b"Dear diary,\nnothing.", "line 1 isn't a row"),
        ("note.jsonl", b"a word", "line 1 isn't a row"),
        ("other.jsonl", b'{"a": 1}\n', "line 1 isn't a row"),
        ("noted.jsonl", GOOD + b"a hand-written line\n" + GOOD, "isn't a row"),
        ("deep.jsonl", GOOD + b"[" * 100_000 + b"\n", "isn't a row"),
        ("part.jsonl", GOOD + b'{"source": "a", "frame": 0, "probabilities": [1]}\n', "isn't a row"),
        ("other.csv", b"a,b\n1,2\n", "its rows aren't mien's"),
        ("other.parquet", b"junk", "not a Parquet file"),
        ("latin.csv", "name,größe\n".encode("latin-1"), "its rows aren't mien's"),
        ("header.csv", b"a,b\n", "its rows aren't mien's"),
        ("words.csv", HEADER + b"a.jpg,first" + COMMAS, "its rows aren't mien's"),
        ("empty.csv", HEADER + b"a.jpg," + COMMAS, "its rows aren't mien's"),
        ("perhaps.csv", HEADER + b"a.jpg,0,,face,,sad,0.5,perhaps" + COMMAS[6:], "its rows aren't mien's"),
        ("short.csv", HEADER + b"a.jpg,0,,face,,sad,0.5\n", "its rows aren't mien's"),
        ("long.csv", HEADER + b"a.jpg,0" + COMMAS[:-1] + b",,\n", "its rows aren't mien's"),
    ],
)
def test_it_doesnt_go_on_with_what_it_didnt_write(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        RowWriter(path, classes=CLASSES, resume=True)
    assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_only_parquet_files_need_pyarrow_and_say_so_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    for kind in (".jsonl", ".csv"):
        with RowWriter(tmp_path / f"rows{kind}", classes=CLASSES) as writer:
            writer.write(READINGS[0])
    with pytest.raises(MissingExtra, match=r"mien\[parquet\]"):
        RowWriter(tmp_path / "rows.parquet", classes=CLASSES)


def test_a_parquet_file_whose_rows_are_damaged_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    write_all(path)
    content = path.read_bytes()
    path.write_bytes(content[:4] + bytes(40) + content[44:])  # its end, which says what is where, is whole
    with pytest.raises(DataError, match=r"rows\.parquet: damaged"):
        RowWriter(path, classes=CLASSES, resume=True)


@pytest.mark.parametrize("kind", [".csv", ".parquet"])
@pytest.mark.parametrize("odd", [{"box": 3}, {"box": [1]}, {"landmarks": [1] * 5}])
def test_lines_that_somebody_edited_are_said(tmp_path: Path, kind: str, odd: dict[str, object]) -> None:
    lines = tmp_path / f".rows{kind}.part.jsonl"
    lines.write_bytes(GOOD + json.dumps(READINGS[0].rows()[0] | odd).encode() + b"\n")
    with pytest.raises(DataError, match="its rows aren't mien's"):
        RowWriter(tmp_path / f"rows{kind}", classes=CLASSES, resume=True).__exit__(None, None, None)
    assert lines.exists()


@pytest.mark.parametrize("kind", [".jsonl", ".csv", ".parquet"])
def test_it_doesnt_go_on_with_rows_of_other_expressions(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"rows{kind}"
    write_all(path)
    before = path.read_bytes()
    with pytest.raises(DataError, match="other expressions"):
        RowWriter(path, classes=(*CLASSES, "bored"), resume=True)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", [".jsonl", ".csv", ".parquet"])
def test_the_last_picture_stays_where_it_doesnt_come_again(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"rows{kind}"
    write_all(path)
    with RowWriter(path, classes=CLASSES, resume=True):
        pass
    assert sorted(rows(path)) == sorted(EXPECTED)


@pytest.mark.parametrize("kind", [".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize("there", [True, False])
def test_an_error_before_the_first_row_touches_nothing(tmp_path: Path, kind: str, there: bool) -> None:
    path = tmp_path / "new" / f"rows{kind}"
    if there:
        write_all(path)
    before = {entry: entry.read_bytes() for entry in tmp_path.rglob("*") if entry.is_file()}
    for options in ({"overwrite": True}, {"resume": True}):
        with suppress(DataError), RowWriter(path, classes=CLASSES, **options):
            raise DataError("the camera isn't there")
        assert {entry: entry.read_bytes() for entry in tmp_path.rglob("*") if entry.is_file()} == before
    assert path.parent.exists() == there


@pytest.mark.parametrize("kind", [".jsonl", ".csv", ".parquet"])
def test_two_at_once_dont_write_to_one_place(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "new" / f"rows{kind}"
    with RowWriter(path, classes=CLASSES) as writer:
        for options in ({}, {"resume": True}, {"overwrite": True}):
            with pytest.raises(DataError, match=rf"rows\{kind}: another command writes there"):
                RowWriter(path, classes=CLASSES, **options)
        for reading in READINGS:
            writer.write(reading)
        with pytest.raises(DataError, match="another command writes there"):
            RowWriter(path, classes=CLASSES, overwrite=True)
    assert rows(path) == EXPECTED
    assert os.listdir(path.parent) == [path.name]
    write_all(tmp_path / f"other{kind}")


def test_where_nothing_can_be_written_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    for path in (tmp_path / "taken" / "rows.jsonl", tmp_path / "new" / f"{'a' * 250}.jsonl"):
        with pytest.raises(DataError, match=r"\.jsonl: it can't be written there \("):
            RowWriter(path, classes=CLASSES)
    assert os.listdir(tmp_path) == ["taken"]


JOB = {"network": ["0a1b"], "certain": 0.6, "detect": True, "every": 1, "smooth": 0.25}


@pytest.mark.parametrize("kind", [".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize("stopped", [True, False])
def test_rows_are_gone_on_with_as_they_were_begun(tmp_path: Path, kind: str, stopped: bool) -> None:
    path = tmp_path / f"rows{kind}"
    with suppress(KeyboardInterrupt), RowWriter(path, classes=CLASSES, job=JOB) as writer:
        writer.write(READINGS[0])
        writer.write(READINGS[2])
        if stopped:
            raise KeyboardInterrupt
    before = {entry: entry.read_bytes() for entry in tmp_path.iterdir()}
    note = tmp_path / f".rows{kind}.job.json"
    assert READINGS[0].source.encode() not in before[note]
    for other, said in (
        ({"network": ["ffff"]}, "it was begun with another network. Go on"),
        ({"certain": 0.7, "detect": False}, "it was begun with --certain 0.6 and --detect. Go on"),
        ({"every": 2, "smooth": 0}, "it was begun with --every 1 and --smooth 0.25. Go on"),
        ({"prior": "even"}, "it was begun with no --prior. Go on"),
    ):
        with pytest.raises(DataError, match=said):
            RowWriter(path, classes=CLASSES, resume=True, job=JOB | other)
        assert {entry: entry.read_bytes() for entry in tmp_path.iterdir()} == before
    with RowWriter(path, classes=CLASSES, resume=True, job=JOB) as writer:
        assert not writer.unnoted
        writer.write(READINGS[3])
    with RowWriter(path, classes=CLASSES, resume=True, job=JOB | {"prior": None}) as writer:  # as one without any
        assert writer.noted == JOB | {"prior": None}
    with RowWriter(path, classes=CLASSES, overwrite=True, job=JOB | {"every": 2, "prior": {"sad": 0.25}}) as writer:
        writer.write(READINGS[0])
    assert json.loads(note.read_text())["every"] == 2
    with pytest.raises(DataError, match=r"it was begun with --prior sad=0\.25\. Go on"):
        RowWriter(path, classes=CLASSES, resume=True, job=JOB | {"every": 2, "prior": None})
    for damage in ("[" * 100_000, "3", "{", "[1]", "[]", '""'):
        note.write_text(damage)
        with pytest.raises(DataError, match=r"job\.json: damaged"):
            RowWriter(path, classes=CLASSES, resume=True, job=JOB)
    note.unlink()
    for other in ({}, {"certain": 0.7}):  # which of them it was isn't known, and stays so
        with RowWriter(path, classes=CLASSES, resume=True, job=JOB | other) as writer:
            assert writer.unnoted
    assert rows(path) == EXPECTED[:2]
    with RowWriter(path, classes=CLASSES, overwrite=True, job=JOB) as writer:
        writer.write(READINGS[0])
    with RowWriter(path, classes=CLASSES, overwrite=True) as writer:
        writer.write(READINGS[0])
    assert not note.exists()


@pytest.mark.parametrize("length", [245, 246, 250, 255])
def test_the_longest_names_are_replaced_too(length: int, tmp_path: Path) -> None:
    path = tmp_path / ("a" * (length - 6) + ".jsonl")
    for _ in range(2):
        with RowWriter(path, classes=CLASSES, overwrite=True, job=JOB) as writer:
            writer.write(READINGS[0])
        assert rows(path) == EXPECTED[:2]
    assert len(list(tmp_path.iterdir())) == 2  # the rows, and what they depend on


def test_two_names_of_one_file_are_kept_apart(tmp_path: Path) -> None:
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "rows.jsonl")
    with RowWriter(tmp_path / "rows.jsonl", classes=CLASSES) as writer:
        writer.write(READINGS[0])
        with pytest.raises(DataError, match="another command writes there"):
            RowWriter(tmp_path / "link.jsonl", classes=CLASSES, overwrite=True)


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
def test_a_link_that_another_put_there_leads_nowhere(tmp_path: Path, options: dict[str, bool]) -> None:
    victim = tmp_path / "victim"
    hidden = tmp_path / ".rows.csv.part.jsonl"
    for link, path in ((hidden, tmp_path / "rows.csv"), (tmp_path / "rows.jsonl", tmp_path / "rows.jsonl")):
        link.symlink_to(victim)
        with pytest.raises(DataError, match=rf"{link.name}: a link"):
            RowWriter(path, classes=CLASSES, **options)
    writer = RowWriter(tmp_path / "late.csv", classes=CLASSES)
    writer.lines.symlink_to(victim)  # before it is begun, which takes the link's place; and after it
    writer.write(READINGS[0])
    writer.lines.unlink()
    writer.lines.symlink_to(victim)
    with pytest.raises(DataError, match="replaced while it was written"):
        writer.__exit__(None, None, None)
    assert not victim.exists()


@pytest.mark.skipif(os.name == "nt", reason="nobody removes an open file there")
@pytest.mark.parametrize("kind", [".jsonl", ".csv"])
@pytest.mark.parametrize("how", ["the folder is removed", "another file takes its place"])
def test_rows_that_are_gone_when_they_are_written_are_told(tmp_path: Path, kind: str, how: str) -> None:
    path = tmp_path / "out" / f"rows{kind}"
    writer = RowWriter(path, classes=CLASSES)
    writer.write(READINGS[0])
    if how == "the folder is removed":
        shutil.rmtree(path.parent)
    else:
        writer.lines.rename(tmp_path / "away")
        writer.lines.write_text("")
    with pytest.raises(DataError, match=rf"out/rows{kind}: it was removed or replaced while it was written"), writer:
        writer.write(READINGS[1])


def test_one_s_own_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("")
    (tmp_path / "link.jsonl").symlink_to("rows.jsonl")
    with RowWriter(tmp_path / "link.jsonl", classes=CLASSES, overwrite=True) as writer:
        writer.write(READINGS[0])
    assert rows(tmp_path / "rows.jsonl") == EXPECTED[:2]


def test_whoever_is_killed_while_going_on_loses_no_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_all(path)

    def go_on_and_be_killed(reading: Reading) -> RowWriter:
        with RowWriter(path, classes=CLASSES, resume=True) as writer:
            writer.write(reading)
            left = path.read_bytes()
        path.write_bytes(left)
        return writer

    go_on_and_be_killed(Reading("c.jpg", 0, None, 64, 48, (FACE,)))
    new = ("c.jpg", 0, "face", "happy")
    assert rows(path) == [*EXPECTED, new]
    writer = go_on_and_be_killed(Reading(READINGS[2].source, 0, None, 64, 48, (FACE,)))  # it was mended meanwhile
    assert (writer.last, writer.unfinished) == ({"a.mp4": 1, "b.mp4": 4}, "c.jpg")
    with RowWriter(path, classes=CLASSES, resume=True):
        pass
    assert rows(path) == [*EXPECTED[:3], EXPECTED[4], new, (READINGS[2].source, 0, "face", "happy")]


def test_a_table_that_a_spreadsheet_saved_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    with RowWriter(path, classes=CLASSES) as writer:
        writer.write(READINGS[0])
        writer.write(Reading("b.jpg", 0, None, 64, 48, (replace(FACE, uncertain=True),)))
    before = path.read_text()
    saved = before.replace("True", "TRUE").replace("False", "FALSE")
    path.write_text("\ufeff" + saved, encoding="utf-8")
    with RowWriter(path, classes=CLASSES, resume=True):
        pass
    assert path.read_text() == before
    path.write_text(saved.replace(",", ";").replace("0.", "0,"), encoding="utf-8")  # as in German
    with pytest.raises(DataError, match="spreadsheet saved it with semicolons or decimal commas"):
        RowWriter(path, classes=CLASSES, resume=True)


@pytest.mark.parametrize("kind", [".jsonl", ".csv", ".parquet"])
def test_a_name_that_is_no_text_is_known_again(tmp_path: Path, kind: str) -> None:
    path, name = tmp_path / f"rows{kind}", os.fsdecode(b"caf\xe9.jpg")
    for _ in range(2):
        with RowWriter(path, classes=CLASSES, resume=True) as writer:
            if name not in (*writer.last, writer.unfinished):
                writer.write(Reading(name, 0, None, 64, 48, (FACE,)))
    assert len(rows(path)) == 1


def test_columns_hold_what_the_records_do(tmp_path: Path) -> None:
    with RowWriter(tmp_path / "rows.csv", classes=CLASSES) as writer:
        writer.write(READINGS[0])
    with (tmp_path / "rows.csv").open() as file:
        row = next(csv.DictReader(file))
    assert (row["p_happy"], row["x"], row["box_height"], row["nose_y"], row["uncertain"]) == (
        "0.9", "1.0", "40.0", "3.0", "False",
    )  # fmt: skip


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.parquet"):
        RowWriter(tmp_path / "rows.xlsx", classes=CLASSES)
    with pytest.raises(DataError, match=r"\.webm"):
        VideoWriter(tmp_path / "film.gif")


@pytest.mark.parametrize("kind", [".webm", ".mp4"])
def test_a_video_plays_back(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"film{kind}"
    with suppress(KeyboardInterrupt), VideoWriter(path) as writer:
        for number in range(12):
            writer.write(np.full((61, 95, 3), (200, 10 * number, 30), np.uint8), number / 10)
        raise KeyboardInterrupt
    video = cv2.VideoCapture(str(path))
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(10, abs=0.1)
    frames = []
    while (seen := video.read())[0]:
        frames.append(seen[1])
    assert (len(frames), frames[0].shape) == (12, (62, 96, 3))
    assert frames[11][30, 40, ::-1].tolist() == pytest.approx([200, 110, 30], abs=12)


@pytest.mark.parametrize("kind", [".webm", ".mp4"])
@pytest.mark.parametrize("start", [[0, 1.5], [0, 0.002], [0, 0.04, 0.08, 4.0]])
def test_a_video_lasts_as_long_as_its_times_say(tmp_path: Path, kind: str, start: list[float]) -> None:
    times = start + [start[-1] + number / 25 for number in range(1, 51)]
    with VideoWriter(tmp_path / f"film{kind}") as writer:
        for number, time in enumerate(times):
            writer.write(np.full((48, 64, 3), 4 * number, np.uint8), round(time, 3))
    video = cv2.VideoCapture(str(tmp_path / f"film{kind}"))
    count = 0
    while video.grab():
        count += 1
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(25, abs=0.2)
    assert count / 25 == pytest.approx(times[-1] + 1 / 25, abs=0.06)


@pytest.mark.parametrize("rate", [23.976, 29.97, 50])
def test_of_an_even_video_each_frame_is_written_once(tmp_path: Path, rate: float) -> None:
    with VideoWriter(tmp_path / "film.webm") as writer:
        for number in range(100):
            writer.write(np.full((48, 64, 3), 2 * number, np.uint8), round(number / rate, 3))
    video = cv2.VideoCapture(str(tmp_path / "film.webm"))
    count = 0
    while video.grab():
        count += 1
    assert count == 100


def test_what_is_drawn_lies_on_the_face_and_changes_nothing_else() -> None:
    pixels = np.full((480, 640, 3), 128, np.uint8)
    face = Face("happy", 0.9, True, {"sad": 0.1, "happy": 0.9}, (200.0, 150.0, 160.0, 200.0), POINTS, 0.8, 3)
    drawn = np.asarray(annotate(pixels, Reading("a", faces=(face,))))
    assert (pixels == 128).all()
    changed = np.argwhere((drawn != pixels).any(2))
    assert changed.min(0).tolist() > [100, 190]
    assert changed.max(0).tolist() < [360, 420]
    assert len(changed) > 500


def test_figures_have_what_was_gathered() -> None:
    from mien.recognition.figures import Sheet, Timeline
    from mien.recognition.records import Frame

    timeline, sheet = Timeline(), Sheet()
    pixels = np.full((48, 64, 3), 128, np.uint8)
    for number in range(3000):
        reading = Reading("a.mp4", number, number / 10 + (50 if number > 1500 else 0), 64, 48, (FACE,))
        frame = Frame("a.mp4", pixels, number, reading.time)
        timeline.add(frame, reading)
        sheet.add(frame, reading)
    assert len(timeline.courses["a.mp4", 1].times) <= 1000
    assert timeline.picture("svg").count(b"<!-- face 1 -->") == 1  # letters are paths; what they say stands beside them
    assert len(sheet.shown) == 1
    assert sheet.picture("png").startswith(b"\x89PNG")
    assert Timeline().picture("svg").count(b"<svg") == 1


def test_of_a_crowd_a_timeline_keeps_those_seen_longest_and_a_sheet_counts_each_once() -> None:
    from mien.recognition.figures import FACES, FOLLOWED, Sheet, Timeline
    from mien.recognition.records import Frame

    timeline, sheet, pixels = Timeline(), Sheet(), np.full((48, 64, 3), 128, np.uint8)
    for source in ("a.mp4", "b.mp4"):
        for number in range(300):
            passing, staying = replace(FACE, id=number + 2), replace(FACE, id=1)
            faces = (passing, staying) if number % 2 else (staying, passing)
            reading = Reading(source, number, number / 10, 64, 48, faces)
            timeline.add(Frame(source, pixels, number, reading.time), reading)
            sheet.add(Frame(source, pixels, number, reading.time), reading)
    assert len(timeline.courses) == FOLLOWED
    assert [timeline.courses[source, 1].seen for source in ("a.mp4", "b.mp4")] == [300, 300]
    assert len(timeline.courses) + timeline.dropped == 2 * 301
    assert len(sheet.shown) + sheet.left_out == 2 * 301
    assert len(sheet.shown) == FACES

"""`mien predict` and `mien export` as a person runs them."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mien.cli import main
from mien.net import Net


def test_a_photo_gives_a_table_and_a_document(mien, photo: Path, tmp_path: Path) -> None:
    done = mien(tmp_path, "predict", photo)
    assert done.returncode == 0, done.stderr
    assert "happy" in done.stdout
    assert "1 photo, 1 face (" in done.stdout
    done = mien(tmp_path, "predict", photo, "--json")
    told = json.loads(done.stdout)
    assert (told["faces"], told["failed"], told["device"]) == (1, 0, "cpu")
    assert told["rows"][0]["label"] == "happy"


def test_what_cant_be_read_is_counted_and_the_rest_goes_on(mien, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(photo.read_bytes())
    (tmp_path / "in" / "b.jpg").write_bytes(b"nothing")
    (tmp_path / "in" / "c.png").write_bytes(photo.read_bytes()[:2000])
    done = mien(tmp_path, "predict", "in", "--out", "rows.csv", "--sheet", "sheet.png", "--annotate", "drawn", "--json")
    assert done.returncode == 1
    assert "2 of 3 couldn't be read" in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["failed"] == 2
    with (tmp_path / "rows.csv").open() as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["face", "failed", "failed"]
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in (tmp_path / "drawn").iterdir()] == ["a.jpg"]
    again = mien(tmp_path, "predict", "in", "--out", "rows.csv")
    assert (again.returncode, "--resume" in again.stderr) == (1, True)


def test_a_video_to_every_kind_of_file(mien, film: Path, tmp_path: Path) -> None:
    line = ("predict", film, "--every", "2", "--out", "rows.parquet", "--timeline", "time.svg", "--annotate", "o.webm")
    done = mien(tmp_path, *line)
    assert done.returncode == 0, done.stderr
    assert "mostly" in done.stdout
    import pyarrow.parquet

    assert pyarrow.parquet.read_table(tmp_path / "rows.parquet").num_rows == 15
    assert b"<svg" in (tmp_path / "time.svg").read_bytes()
    video = cv2.VideoCapture(str(tmp_path / "o.webm"))
    count = 0
    while video.grab():
        count += 1
    assert count == 15


def test_no_output_takes_the_place_of_what_is_read(mien, photo: Path, film: Path, tmp_path: Path) -> None:
    inner = tmp_path / "in"
    inner.mkdir()
    (inner / "a.jpg").write_bytes(photo.read_bytes())
    (inner / "f.webm").write_bytes(film.read_bytes())
    (inner / "f.csv").write_bytes(photo.read_bytes())
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "a.jpg").symlink_to(inner / "a.jpg")
    before = {path: path.read_bytes() for path in inner.iterdir()}
    for words in (
        ("in/a.jpg", "--annotate", "in"),
        ("in", "--annotate", "in"),
        (".", "--annotate", "./in/."),
        ("link/a.jpg", "--annotate", "in"),
        ("in/f.webm", "--annotate", "in"),
        ("in/f.webm", "--annotate", "in/f.webm"),
        ("in/a.jpg", "in/f.csv", "--out", "in/f.csv", "--overwrite"),
    ):
        done = mien(tmp_path, "predict", *words)
        assert done.returncode == 1, words
        assert "could be overwritten" in done.stderr, (words, done.stderr)
        assert "Traceback" not in done.stderr
        assert {path: path.read_bytes() for path in inner.iterdir()} == before, words


def test_a_drawing_for_each_photo_however_they_are_called(mien, photo: Path, tmp_path: Path) -> None:
    for name in ("d1/a.jpg", "d2/a.jpg", "d3/a-2.jpg", "d4/A.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(photo.read_bytes())
    line = ("predict", "d1", "d2", "d3", "d4", "--annotate", "out", "--out", "rows.csv")
    assert mien(tmp_path, *line, "--limit", "2").returncode == 0
    assert mien(tmp_path, *line, "--resume").returncode == 0
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_a_folder_from_a_phone(mien, photo: Path, tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    with Image.open(photo) as image:
        pillow_heif.from_pillow(image.convert("RGB")).save(tmp_path / "IMG_0001.HEIC", quality=90)
        image.convert("RGB").save(tmp_path / "IMG_0002.avif", quality=90)
    done = mien(tmp_path, "predict", ".", "--out", "rows.jsonl")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(text) for text in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [(row["source"], row["status"]) for row in rows] == [("IMG_0001.HEIC", "face"), ("IMG_0002.avif", "face")]
    assert rows[0]["label"] == rows[1]["label"]


def test_here_again_reads_the_photos_and_not_what_was_drawn_of_them(
    mien, photo: Path, film: Path, tmp_path: Path
) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).write_bytes(photo.read_bytes())
    (tmp_path / "d.mp4").write_bytes(film.read_bytes())
    line = ("predict", ".", "--annotate", "drawn", "--sheet", "sheet.png", "--out", "rows.jsonl", "--json")
    assert mien(tmp_path, *line, "--limit", "2").returncode == 0
    assert (tmp_path / "drawn" / "b.jpg").exists()
    for flag in ("--resume", "--overwrite"):
        done = mien(tmp_path, *line, flag)
        assert done.returncode == 0, done.stderr
        rows = [json.loads(text) for text in (tmp_path / "rows.jsonl").read_text().splitlines()]
        assert [Path(row["source"]).name for row in rows if row["time"] is None] == ["a.jpg", "b.jpg", "c.jpg"]
        assert {Path(row["source"]).name for row in rows if row["time"] is not None} == {"d.mp4"}
        drawn = sorted(path.name for path in (tmp_path / "drawn").iterdir())
        assert drawn == ["a.jpg", "b.jpg", "c.jpg", "d.webm"]

    for mine in ("drawn/mine.jpg", "sheet.png"):  # but a photo there is refused, and so is a drawing asked for by name
        (tmp_path / mine).write_bytes(photo.read_bytes())
        refused = mien(tmp_path, *line, "--overwrite")
        assert refused.returncode == 1
        assert "could be overwritten there" in refused.stderr
        assert (tmp_path / mine).read_bytes() == photo.read_bytes()
        (tmp_path / mine).unlink()
    assert mien(tmp_path, "predict", "drawn/a.jpg", "--annotate", "drawn").returncode == 1


def test_a_pipe_gets_lines_as_they_come(mien, film: Path, tmp_path: Path) -> None:
    done = mien(tmp_path, "predict", film, "--live", "--limit", "4")
    assert [json.loads(line)["frame"] for line in done.stdout.splitlines()] == [0, 1, 2, 3]


def test_interrupted_and_resumed_gives_every_frame_once(mien, astronaut: np.ndarray, tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "long.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 30, (320, 240))
    for number in range(200):
        left = 60 + number % 30
        writer.write(np.ascontiguousarray(astronaut[20:260, left : left + 320, ::-1]))
    writer.release()
    line = [sys.executable, "-m", "mien", "predict", "long.mp4", "--out", "rows.jsonl"]
    for stop in (signal.SIGINT, signal.SIGKILL):
        words = line if stop == signal.SIGINT else [*line, "--resume"]
        run = subprocess.Popen(
            words, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
        )  # fmt: skip
        began = (tmp_path / "rows.jsonl").stat().st_size if (tmp_path / "rows.jsonl").exists() else 0
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            time.sleep(0.05)
            if (tmp_path / "rows.jsonl").exists() and (tmp_path / "rows.jsonl").stat().st_size > began + 12_000:
                break
        run.send_signal(stop)
        _, said = run.communicate(timeout=60)
        if stop == signal.SIGINT:
            assert run.returncode == 130
            assert "--resume" in said
    assert mien(tmp_path, "predict", "long.mp4", "--out", "rows.jsonl", "--resume").returncode == 0
    frames = [json.loads(text)["frame"] for text in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert frames == list(range(200))


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_resumed_video_numbers_its_faces_and_is_drawn_as_if_it_had_not_stopped(
    mien, astronaut: np.ndarray, tmp_path: Path, kind: str
) -> None:
    face = cv2.resize(astronaut[20:260, 100:340, ::-1], (200, 200))
    writer = cv2.VideoWriter(str(tmp_path / "two.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 15, (440, 200))
    for number in range(30):  # one leaves before the stop, another has come by then
        frame = np.full((200, 440, 3), 90, np.uint8)
        if number < 12:
            frame[:, :200] = face
        if number >= 8:
            frame[:, 240:] = face[:, ::-1]
        writer.write(frame)
    writer.release()
    line = ("predict", "two.mp4", "--annotate", "drawn", "--out")
    assert mien(tmp_path, *line, f"whole.{kind}").returncode == 0
    for options in (("--limit", "20"), ("--resume", "--limit", "3"), ("--resume",), ("--resume",)):
        assert mien(tmp_path, *line, f"parts.{kind}", *options).returncode == 0
    assert (tmp_path / f"parts.{kind}").read_text() == (tmp_path / f"whole.{kind}").read_text()
    if kind == "jsonl":
        rows = [json.loads(text) for text in (tmp_path / "parts.jsonl").read_text().splitlines()]
        assert {row["face"] for row in rows} == {1, 2}
    video = cv2.VideoCapture(str(tmp_path / "drawn" / "two.webm"))
    count = 0
    while video.grab():
        count += 1
    assert count == 30


def test_a_photo_that_was_mended_is_read_when_the_run_goes_on(mien, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(photo.read_bytes()[:3000])
    (tmp_path / "b.jpg").write_bytes(photo.read_bytes())
    line = ("predict", "a.jpg", "b.jpg", "--out", "rows.jsonl", "--resume")
    for _ in range(2):  # a damaged one is said each time
        assert mien(tmp_path, *line).returncode == 1
        rows = [json.loads(row) for row in (tmp_path / "rows.jsonl").read_text().splitlines()]
        assert sorted((row["source"], row["status"]) for row in rows) == [("a.jpg", "failed"), ("b.jpg", "face")]
    (tmp_path / "a.jpg").write_bytes(photo.read_bytes())
    assert mien(tmp_path, *line).returncode == 0
    rows = [json.loads(row) for row in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert sorted((row["source"], row["status"]) for row in rows) == [("a.jpg", "face"), ("b.jpg", "face")]


def test_of_a_stopped_training_it_says_how_to_finish_it(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recipe.json").write_text("{}")
    assert main(["predict", str(photo), "--model", str(tmp_path)]) == 1
    assert f"its training isn't finished. Go on with: mien train --resume {tmp_path}\n" in capsys.readouterr().err


def test_going_on_says_what_isnt_read_again(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        Path(name).write_bytes(photo.read_bytes())
    line = ["predict", "a.jpg", "b.jpg", "c.jpg", "--out", "rows.jsonl", "--resume"]
    assert main([*line, "--limit", "2"]) == 0
    assert "not read again" not in capsys.readouterr().err
    assert main(line) == 0  # the last photo's rows may be incomplete, so it is read again
    assert "rows.jsonl has the rows of 1 file already: not read again.\n" in capsys.readouterr().err


def test_going_on_with_another_network_or_other_options_is_refused(
    photo: Path, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        Path(name).write_bytes(photo.read_bytes())
    Path("film.mp4").write_bytes(film.read_bytes())
    line = ["predict", "a.jpg", "b.jpg", "c.jpg", "--out", "rows.jsonl", "--model", "small"]
    assert main([*line, "film.mp4", "--limit", "1"]) == 0
    before = Path("rows.jsonl").read_bytes()
    for words, said in (
        (("--model", "flagship"), "rows.jsonl: it was begun with another network. Go on with the same"),
        (("--certain", "0.7", "--smooth", "0"), "it was begun with --certain 0.6 and --smooth 0.25. Go on"),
        (("--no-detect", "--every", "2"), "it was begun with --detect and --every 1. Go on"),
    ):
        assert main([*line, "film.mp4", *words, "--resume"]) == 1
        assert said in capsys.readouterr().err
        assert Path("rows.jsonl").read_bytes() == before
    assert main([*line, "--smooth", "0", "--every", "2", "--limit", "1", "--resume"]) == 0  # which photos don't know
    assert "isn't noted" not in capsys.readouterr().err
    Path(".rows.jsonl.job.json").unlink()
    assert main([*line, "--resume"]) == 0
    assert "isn't noted" in capsys.readouterr().err
    assert len(Path("rows.jsonl").read_text().splitlines()) == 3


def test_two_at_once_lose_no_rows(mien, film: Path, photo: Path, tmp_path: Path) -> None:
    line = [sys.executable, "-m", "mien", "predict", str(film), "--out", "rows.jsonl", "--no-detect"]
    first = subprocess.Popen([*line, "/dev/stdin"], cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    with first:
        deadline = time.monotonic() + 60
        while not (tmp_path / "rows.jsonl").exists() and first.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        for flag in ("--overwrite", "--resume"):
            second = mien(tmp_path, "predict", photo, "--out", "rows.jsonl", flag)
            assert second.returncode == 1
            assert "rows.jsonl: another command writes there" in second.stderr
        _, said = first.communicate(photo.read_bytes(), 60)
        assert first.returncode == 0, said
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 31


def test_a_wrong_option_destroys_nothing(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("rows.csv", "time.svg"):
        (tmp_path / name).write_text("of yesterday")
    line = ["predict", str(photo), "--out", str(tmp_path / "rows.csv"), "--timeline", str(tmp_path / "time.svg")]
    for option, said in (("--sheet", "figures are .svg or .png"), ("--annotate", "a video is drawn from a video")):
        name = tmp_path / ("faces.pdf" if option == "--sheet" else "faces.webm")
        assert main([*line, "--overwrite", option, str(name)]) == (2 if option == "--sheet" else 1)
        assert said in capsys.readouterr().err
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        ("rows.csv", "time.svg"), "of yesterday"
    )
    assert main(["predict", str(photo), "--out", str(tmp_path / "new.csv"), "--annotate", str(tmp_path / "a.gif")]) == 1
    assert len(list(tmp_path.iterdir())) == 2


def test_going_on_with_other_photos_leaves_the_drawings_that_are_there(tmp_path: Path) -> None:
    for day, colour in (("monday", 50), ("tuesday", 200)):
        (tmp_path / day).mkdir()
        Image.fromarray(np.full((48, 48, 3), colour, np.uint8)).save(tmp_path / day / "clip.jpg")
    for kind in ("jsonl", "csv"):
        drawn = tmp_path / kind
        line = ["--out", str(tmp_path / f"rows.{kind}"), "--annotate", str(drawn), "--resume"]
        assert main(["predict", str(tmp_path / "monday"), *line]) == 0
        monday = (drawn / "clip.jpg").read_bytes()
        for again in ("monday", "tuesday"):  # drawn again under its own name, and another one beside it
            assert main(["predict", str(tmp_path / again), *line]) == 0
            assert (drawn / "clip.jpg").read_bytes() == monday
        assert sorted(path.name for path in drawn.iterdir()) == ["clip-2.jpg", "clip.jpg"]


def test_wrong_lines_are_answered_in_one(mien, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "zero.mp4").write_bytes(b"")
    for words, said in (
        (("nowhere.jpg",), "no such file"),
        (("97",), "no camera 97"),
        ((photo, "--model", "nothing"), "no such file"),
        ((photo, "--device", "abacus"), "no device"),
        ((photo, "--out", "rows.xlsx"), ".parquet"),
        ((photo, "--resume"), "--out"),
        ((photo, "--annotate", "a.jpg"), "go into a folder"),
        (("https://example.org/a.jpg",), "download it first"),
        (("-",), "/dev/stdin"),
        (("zero.mp4",), "empty"),
    ):
        done = mien(tmp_path, "predict", *words)
        assert done.returncode == 1, words
        assert said in done.stderr, words
        assert "Traceback" not in done.stderr
        assert "WARN" not in done.stderr, words  # of OpenCV's


def test_export(
    finished: Path, faces_file: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(finished), str(tmp_path / "net.onnx"), "--data", str(faces_file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["compared"][str(faces_file)] == 63
    faces = np.random.default_rng(0).integers(0, 256, (5, 48, 48), np.uint8)
    np.testing.assert_allclose(Net(tmp_path / "net.onnx")(faces), Net(finished)(faces), atol=1e-5)
    assert main(["predict", str(photo), "--model", str(tmp_path / "net.onnx"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 1
    assert main(["export", str(finished), str(tmp_path / "net.onnx"), "--int8"]) == 1
    assert "--data" in capsys.readouterr().err

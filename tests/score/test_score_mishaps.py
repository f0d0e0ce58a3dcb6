"""What happens to a job of many images from outside: copies, killed workers, damaged tables, pipes, little memory."""

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from mien.cli import main
from mien.errors import CheckpointError, DataError, MienError
from mien.score.engine import reason
from mien.score.job import INPUTS, NOTE, Job
from mien.score.run import score
from mien.shipped import BOX, INT8

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def gray(path: Path, side: int = 48) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(f"P5 {side} {side} 255 ".encode() + bytes(side * side))
    return path


def album(folder: Path, count: int) -> Job:
    for number in range(count):
        gray(folder / f"{number:03d}.pgm")
    return Job(str(folder), detect=False)


def rows(out: Path) -> list[dict]:
    found = [row for path in out.glob("part-*") for row in parquet.read_table(path).to_pylist()]
    return sorted(found, key=lambda row: row["row"])


def numbers(out: Path) -> list[int]:
    return [row["row"] for row in rows(out)]


def command(*words: str | Path, before: str = "") -> "subprocess.CompletedProcess[str]":
    """`mien score` in a process of its own; `before` is a shell's command for the file systems that it alone sees."""
    line = [sys.executable, "-m", "mien", "score", *map(str, words), "--no-detect", "--workers", "1"]
    if before:
        line = ["unshare", "-rm", "sh", "-c", f'{before} || exit 99; exec "$@"', "sh", *line]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode == 99 or "unshare:" in done.stderr:
        pytest.skip("no disk can be mounted here")
    assert "Traceback" not in done.stderr
    return done


def test_workers_take_no_module_from_the_folder_that_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    monkeypatch.chdir(tmp_path)
    job = album(tmp_path / "faces", 3)
    for name in ("daft", "numpy"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'taken')!r}, 'w'); raise SystemExit(3)")
    list(score(job, tmp_path / "out", workers=2))
    assert numbers(tmp_path / "out") == [0, 1, 2]
    assert not (tmp_path / "taken").exists()
    assert os.environ["PYTHONSAFEPATH"] == ""  # as it was


def test_a_copy_of_results_hides_no_missing_row(tmp_path: Path) -> None:
    job, out = album(tmp_path / "faces", 6), tmp_path / "out"
    list(score(job, out, workers=1, rows=2))
    (out / "part-000002.parquet").unlink()
    copy = shutil.copy(out / "part-000000.parquet", out / "part-000000 (1).parquet")
    with pytest.raises(DataError, match=r"'part-000000 \(1\)\.parquet': no file of results is called so; .* Move it"):
        list(score(job, out, workers=1))
    copy = copy.rename(out / "part-000007.parquet")
    with pytest.raises(DataError, match=r"part-000007\.parquet: a copy: .* Delete it"):
        list(score(job, out, workers=1))
    parquet.write_table(arrow.table({"row": [4, 4], "status": ["face"] * 2}), copy)  # twice in one file
    with pytest.raises(DataError, match=r"part-000007\.parquet: a copy: .* Delete it"):
        list(score(job, out, workers=1))
    parquet.write_table(arrow.table({"row": [6], "status": ["face"]}), copy)
    with pytest.raises(DataError, match=r"part-000007\.parquet: has rows of another job\. Move it"):
        list(score(job, out, workers=1))
    parquet.write_table(arrow.table({"row": [4]}), copy)
    with pytest.raises(DataError, match=r"part-000007\.parquet: damaged"):
        list(score(job, out, workers=1))
    copy.unlink()
    list(score(job, out, workers=1, rows=2))
    assert numbers(out) == list(range(6))


def test_results_that_are_removed_meanwhile_are_told(tmp_path: Path) -> None:
    job, out = album(tmp_path / "faces", 6), tmp_path / "out"
    going = score(job, out, workers=1, rows=2)
    while next(going).done < 2:
        pass
    (out / "part-000000.parquet").unlink()
    with pytest.raises(DataError, match=r"out: files of results were removed meanwhile; 2 rows are missing\. Give"):
        list(going)
    list(score(job, out, workers=1))
    assert numbers(out) == list(range(6))


def test_a_job_that_is_refused_leaves_nothing(tmp_path: Path) -> None:
    job = album(tmp_path / "faces", 1)
    taken = gray(tmp_path / "taken" / "a.txt").parent
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="there are other files in this folder"):
        next(score(job, taken))
    for out in (tmp_path / "new" / "out", tmp_path / "empty"):
        with pytest.raises(DataError, match="nosuch: no images there"):
            next(score(Job(str(tmp_path / "nosuch")), out))
    assert [path.name for path in taken.iterdir()] == ["a.txt"]
    assert list((tmp_path / "empty").iterdir()) == []
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs Linux's unshare")
def test_shared_memory_that_cant_be_written_is_called_so(tmp_path: Path) -> None:
    job = album(tmp_path / "faces", 2)
    done = command(job.source, "--out", tmp_path / "out", before="mount -t tmpfs -o ro tmpfs /dev/shm")
    assert done.returncode == 1
    assert "error: The job was cut short (shared memory, /dev/shm: [Errno 30] Read-only file system" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a socket's path may have other lengths")
def test_a_folder_for_temporary_files_whose_path_is_too_long_for_a_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = album(tmp_path / "faces", 2)
    (long := tmp_path / ("n" * 100)).mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    done = command(job.source, "--out", tmp_path / "out")
    said = f"(the path of temporary files is too long, {long}: set TMPDIR to another). What"
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize("there", [True, False])
def test_workers_keep_to_the_network_that_the_job_began_with(there: bool, tmp_path: Path) -> None:
    job = album(tmp_path / "faces", 2)
    model = Path(shutil.copy(BOX / "small" / INT8, tmp_path / "network.onnx"))
    going = score(Job(job.source, str(model), detect=False), tmp_path / "out", workers=1)
    next(going)  # the folder is claimed, and no worker at work yet
    if there:
        shutil.copy(BOX / "flagship" / INT8, model)
    else:
        model.unlink()
    with pytest.raises(CheckpointError, match=r"onnx: a worker finds another" if there else r"onnx: no such file"):
        list(going)
    assert numbers(tmp_path / "out") == []


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the worker in /proc")
def test_a_worker_that_is_killed_ends_the_job_in_one_sentence_and_it_goes_on(tmp_path: Path) -> None:
    job, out = album(tmp_path / "faces", 300), tmp_path / "out"
    going = score(job, out, workers=1, rows=20)
    while next(going).done < 20:
        pass
    for place in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        for child in place.read_text().split():
            if b"daft.execution.udf_worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGKILL)
    with pytest.raises(MienError, match=r"^The job was cut short \((UDF process .*|a worker was ended)\)\. What"):
        list(going)
    assert 20 <= len(numbers(out)) < 300
    list(score(job, out, workers=1))
    assert numbers(out) == list(range(300))
    gc.collect()  # here, where its warning is passed over: daft may leave its end of what led to the worker open


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_table_that_is_damaged_late_is_told_and_begins_anew_once_mended(kind: str, tmp_path: Path) -> None:
    path = gray(tmp_path / "0.pgm")
    line = json.dumps({"url": str(path)}) if kind == "jsonl" else f"{path},1"
    first = [] if kind == "jsonl" else ["url,n"]
    table, job = tmp_path / f"list.{kind}", Job(str(tmp_path / f"list.{kind}"), detect=False, column="url")
    table.write_text("\n".join([*first, *[line] * 50_000, '{"url": ' if kind == "jsonl" else "a,b,c,d", line]))
    said = r"(can't be read to its end \(.*\)\. Nothing is scored yet|no images there)\."  # daft may give a CSV no row
    with pytest.raises(DataError, match=rf"list\.{kind}: {said}"):
        next(score(job, tmp_path / "out"))
    table.write_text("\n".join([*first, line]))
    assert next(score(job, tmp_path / "out")).total == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_no_image_and_is_not_waited_for(tmp_path: Path) -> None:
    gray(tmp_path / "faces" / "a.pgm")
    os.mkfifo(tmp_path / "faces" / "b.jpg")
    (tmp_path / "c.jpg").mkdir()
    list_of = [str(tmp_path / "faces/a.pgm"), str(tmp_path / "c.jpg"), f"file://{tmp_path}/faces/b.jpg", "/dev/zero"]
    parquet.write_table(arrow.table({"where": list_of}), tmp_path / "list.parquet")
    for source, *words in (("faces",), ("list.parquet", "--column", "where")):
        out = tmp_path / f"out {source}"
        assert command(tmp_path / source, "--out", out, *words).returncode == 1
        first, *others = rows(out)
        assert first["status"] == "face"
        assert {row["error"] for row in others} == {"no file (a folder, a pipe or a device)"}


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs Linux's unshare")
def test_images_of_a_table_go_to_workers_through_as_little_memory_as_there_is(tmp_path: Path) -> None:
    """A container's /dev/shm has 64 MB; what doesn't fit there is a bus error."""
    images = [gray(tmp_path / "a.pgm", side=2000).read_bytes()] * 24  # 96 MB together
    parquet.write_table(arrow.table({"image": images}), tmp_path / "held.parquet")
    words = (tmp_path / "held.parquet", "--column", "image", "--no-detect", "--out", tmp_path / "out")
    little = "mount -t tmpfs -o size=%s tmpfs /dev/shm"
    done = command(*words, before=little % "2m")
    assert done.returncode == 1
    assert "up to 4,000,017 bytes, and /dev/shm" in done.stderr
    done = command(*words, before=little % "64m")
    assert (done.returncode, done.stderr) == (0, "")
    assert numbers(tmp_path / "out") == list(range(24))


def test_what_failed_for_a_while_is_done_again_where_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job, out = album(tmp_path / "faces", 6), tmp_path / "out"
    away = [(tmp_path / f"faces/00{number}.pgm") for number in (1, 4, 5)]
    for path in away:
        path.rename(path.with_suffix(".away"))
        path.write_bytes(b"the share isn't there")
    line = ["score", job.source, "--out", str(out), "--no-detect", "--workers", "1", "--rows", "2"]
    assert main(line) == 1
    assert "error: 3 of 6 couldn't be read;" in capsys.readouterr().err
    kept = parquet.read_table(out / "part-000000.parquet").to_pylist()[0]
    for path in away[1:]:
        path.with_suffix(".away").rename(path)
    assert main(line) == 1  # not without being asked
    assert "error: 3 of 6 couldn't be read;" in capsys.readouterr().err
    assert main([*line, "--again"]) == 1
    assert "error: 1 of 6 couldn't be read;" in capsys.readouterr().err
    assert [row["status"] for row in rows(out)] == ["face", "failed", *["face"] * 4]
    assert rows(out)[0] == kept


def test_a_note_without_end_is_damaged(tmp_path: Path) -> None:
    job, out = album(tmp_path / "faces", 1), tmp_path / "out"
    next(score(job, out))
    (out / NOTE).write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"job\.json: damaged .*\. Name another folder\."):
        next(score(job, out))


def test_a_damaged_list_is_one_sentence(tmp_path: Path) -> None:
    gray(tmp_path / "in" / "a.pgm")
    job, out = Job(str(tmp_path / "in"), detect=False), tmp_path / "out"
    next(score(job, out))
    whole = (out / INPUTS).read_bytes()
    (out / INPUTS).write_bytes(whole[:100])
    with pytest.raises(DataError, match=r"inputs\.parquet: damaged, not a Parquet file\. Name another folder\."):
        next(score(job, out))


def test_rows_that_are_no_numbers_are_damage(tmp_path: Path) -> None:
    gray(tmp_path / "in" / "a.pgm")
    job, out = Job(str(tmp_path / "in"), detect=False), tmp_path / "out"
    list(score(job, out))
    (part,) = out.glob("part-*")
    for rows in (["0"], [0.0], [None]):
        parquet.write_table(arrow.table({"row": rows, "status": ["face"]}), part)
        with pytest.raises(DataError, match=r"damaged, not a Parquet file\. Delete it; its rows are done again"):
            next(score(job, out))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "Unable to open file x:\nCaused by the following errors:\n 1: HTTP status client error (403 Forbidden)",
            "403",
        ),
        ("Unhandled Error for path: s3://b/x\nDetails:\nunhandled error (ExpiredToken)", "(ExpiredToken)"),
    ],
)
def test_the_reason_says_why_and_not_where_alone(text: str, said: str) -> None:
    assert said in reason(RuntimeError(text))
    assert "\n" not in reason(RuntimeError(text))


def test_images_that_came_too_late_are_told(tmp_path: Path) -> None:
    job, told = album(tmp_path / "faces", 3), list[str]()
    for number, source in enumerate((job.source, f"{job.source}/**/*.pgm")):
        out = tmp_path / f"out {number}"
        again = Job(source, detect=False)
        next(score(again, out, note=told.append))
        next(score(again, out, note=told.append))
        gray(tmp_path / f"faces/new {number}.pgm")
        next(score(again, out, note=told.append))
    assert told == ["1 image has come since the list was written; score it into another folder."] * 2
    gray(tmp_path / "faces/one more.pgm")
    assert next(score(again, out, note=told.append)).total == 4
    assert told[2] == "2 images have come since the list was written; score them into another folder."


def test_a_table_that_changed_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    album(tmp_path / "faces", 2)
    first, second = sorted((tmp_path / "faces").rglob("*.pgm"))[:2]
    table = tmp_path / "list.csv"
    table.write_text(f"path\n{first}\n")
    line = ["score", str(table), "--column", "path", "--out", str(tmp_path / "out"), "--no-detect", "--workers", "1"]
    for _ in range(2):
        assert main([*line, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["new"] == 0
    table.write_text(f"path\n{second}\n")  # as long as before
    for _ in range(2):
        assert main(line) == 1
        assert "list.csv: the table has changed since its list was written, or is gone. Name" in capsys.readouterr().err
        table.unlink(missing_ok=True)


def test_the_document_says_how_many_images_came_too_late(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = album(tmp_path / "faces", 2)
    line = ["score", job.source, "--out", str(tmp_path / "out"), "--no-detect", "--workers", "1", "--json"]
    for new in (0, 1):
        assert main(line) == 0
        assert json.loads(capsys.readouterr().out)["new"] == new
        gray(tmp_path / "faces/one more.pgm")


def test_files_that_are_left_out_are_counted_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = album(tmp_path / "faces", 1)
    for name in ("notes.txt", "deep/film.mp4", ".hidden.txt", "Thumbs.db", ".trash/a.txt"):
        (tmp_path / "faces" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "faces" / name).touch()
    line = ["score", job.source, "--out", str(tmp_path / "out"), "--no-detect", "--workers", "1"]
    for told in (1, 0):
        assert main(line) == 0
        assert capsys.readouterr().err.count("2 files whose names don't end in .avif, .bmp, ") == told


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_pattern_ends_where_links_go_round_in_circles(tmp_path: Path) -> None:
    for name in ("a.pgm", "sub/b.pgm", "other/c.pgm", ".hidden/d.pgm", "sub/.e.pgm", "sub/deep/f.pgm"):
        gray(tmp_path / "loop" / name)
    for place in ("sub/up", "other/up", "sub/deep/up", "other/back"):
        (tmp_path / "loop" / place).symlink_to(tmp_path / "loop")
    (tmp_path / "loop/other/chosen").symlink_to(tmp_path / "loop/sub/deep")
    (tmp_path / "loop/self").symlink_to(tmp_path / "loop/self")
    asked = {
        "loop/**/*.pgm": ["a.pgm", "other/c.pgm", "sub/b.pgm", "sub/deep/f.pgm"],
        "loop/**/**/*.pgm": ["a.pgm", "other/c.pgm", "sub/b.pgm", "sub/deep/f.pgm"],
        "loop/**": ["a.pgm", "other/c.pgm", "sub/b.pgm", "sub/deep/f.pgm"],
        "lo*/**/deep/**/f.*": ["sub/deep/f.pgm"],
        "loop/**/chosen/*.pgm": ["other/chosen/f.pgm"],
        "loop/*/*.pgm": ["other/c.pgm", "sub/b.pgm"],
        "loop/.hidden/**/*.pgm": [".hidden/d.pgm"],
        "loop/*/up/*.pgm": ["sub/up/a.pgm"],
    }
    for number, (pattern, names) in enumerate(asked.items()):
        out = tmp_path / f"out {number}"
        next(score(Job(str(tmp_path / pattern), detect=False), out))
        found = parquet.read_table(out / INPUTS)["source"].to_pylist()
        assert sorted(found) == [str(tmp_path / "loop" / name) for name in names], pattern


def test_interrupted_before_the_first_image_it_counts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*words: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mien.score.run.score", stop)
    assert main(["score", str(tmp_path), "--out", str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err == "interrupted\n"

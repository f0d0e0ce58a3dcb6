"""What happens to a job of many images from outside: copies, killed workers, damaged tables, pipes, little memory."""

import shutil
import sys
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from mien.cli import main
from mien.errors import DataError
from mien.score.job import INPUTS, NOTE, Job
from mien.score.run import score

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
    parquet.write_table(arrow.table({"row": [6], "status": ["face"]}), copy)
    with pytest.raises(DataError, match=r"part-000007\.parquet: has rows of another job\. Move it"):
        list(score(job, out, workers=1))
    parquet.write_table(arrow.table({"row": [4]}), copy)
    with pytest.raises(DataError, match=r"part-000007\.parquet: damaged"):
        list(score(job, out, workers=1))
    copy.unlink()
    list(score(job, out, workers=1, rows=2))
    assert numbers(out) == list(range(6))


def test_a_note_without_end_is_damaged(tmp_path: Path) -> None:
    job, out = album(tmp_path / "faces", 1), tmp_path / "out"
    next(score(job, out))
    (out / NOTE).write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"job\.json: damaged .*\. Name another folder\."):
        next(score(job, out))


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
    asked = {
        "loop/**/*.pgm": ["a.pgm", "other/c.pgm", "sub/b.pgm", "sub/deep/f.pgm"],
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

"""What happens to a job of many images from outside: copies, killed workers, damaged tables, pipes, little memory."""

import shutil
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from mien.errors import DataError
from mien.score.job import NOTE, Job
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

import subprocess
import sys
from pathlib import Path


def test_the_benchmark_runs_and_writes_only_where_it_is_told(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "server.py"
    line = [sys.executable, str(script), "--rounds", "1", "--seconds", "0.6", "--clients", "16", "--out", "table.txt"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["table.txt"]
    told = (tmp_path / "table.txt").read_text().splitlines()
    assert [line.split("  ")[0].split()[0] for line in told[1:]] == ["crops"] * 3 + ["photos"] * 3
    assert sum("0 errors" in line for line in told) == 4

import subprocess
import sys
from pathlib import Path


def test_the_benchmark_runs_and_writes_only_where_it_is_told(tmp_path):
    script = Path(__file__).parents[2] / "benchmarks" / "augment.py"
    command = [sys.executable, str(script), "--rounds", "1", "--out", "table.txt"]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout == (tmp_path / "table.txt").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["table.txt"]
    for word in ("256 drawn faces", "mien", "pillow", "kornia"):  # which says so when it isn't installed
        assert word in done.stdout

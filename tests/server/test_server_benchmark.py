import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.soak
def test_the_benchmark_runs_and_writes_only_where_it_is_told(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "server.py"
    line = [sys.executable, str(script), "--rounds", "1", "--seconds", "0.4", "--clients", "16"]
    line += ["--out", "table.txt", "--json", "table.json"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"table.txt", "table.json"}
    told = (tmp_path / "table.txt").read_text()
    assert told == done.stdout
    assert [line.split()[:2] for line in told.splitlines()[2:]] == (
        [["crops", "small:int8"]] * 3 + [["crops", "small"]] * 3 + [["photos", "small:int8"]] * 3
    )
    for case in json.loads((tmp_path / "table.json").read_text())["cases"]:
        [one] = case["rounds"]
        assert one["errors"] == 0
        assert one["faces_a_second"] > 0

"""What the networks in the box reach beyond what their cards say: other views, and without leaked faces.

    python benchmarks/box.py                       # 900 drawn faces: only to see that it runs
    python benchmarks/box.py --data fer2013.npz    # the real ones; into benchmarks/results/box.json, then `make pages`

It runs `mien evaluate` and logs each command. With --data it also draws docs/pictures/NAME-confidence.svg. The results
hold the checksum of the weights they belong to: once a network has other weights, docs/RESULTS.md omits them.
"""

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from mien.cards import Card
from mien.environment import environment
from mien.files import atomic_write
from mien.net import WEIGHTS
from mien.shipped import find, shipped

HOME = Path(__file__).parents[1]
RESULTS = HOME / "benchmarks" / "results" / "box.json"
WAYS = ("--views 2", "--views 10", "--without-leaks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="FER2013, as `mien evaluate --data` takes it")
    data = parser.parse_args().data
    rows = []
    for name in shipped():
        for way in WAYS:
            command = f"mien evaluate {name} {way}"
            scores = _mien(command, data)
            kept = {key: value for key, value in scores.items() if key not in ("per_class", "confusion")}
            checksum = Card.read(find(name)).checksums[WEIGHTS]
            rows.append({"network": name, "command": command, "checksum": checksum, "scores": kept})
            print(f"{command:44} {scores['n']:,} faces: accuracy {scores['accuracy']:.4f}, ECE {scores['ece']:.3f}")
        if data:
            _mien(f"mien evaluate {name} --figure {HOME / 'docs' / 'pictures' / f'{name}-confidence.svg'}", data)
    if data:
        made = {key: value for key, value in environment().items() if key != "command"}
        atomic_write(RESULTS, json.dumps({"environment": made, "rows": rows}, indent=1) + "\n")
        print(f"{RESULTS}: written; `make pages` puts it into docs/RESULTS.md")


def _mien(command: str, data: str | None) -> dict[str, Any]:
    line = [sys.executable, "-m", *shlex.split(command), *(["--data", data] if data else []), "--json"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()

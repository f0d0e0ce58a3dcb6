"""Reading FER2013's CSV: mien beside the article's way (pandas, then a split per row). Time and memory, side by side.

    python benchmarks/read_csv.py                  # makes a CSV of 32,298 random faces first, and removes it
    python benchmarks/read_csv.py fer2013.csv      # or takes yours
    python benchmarks/read_csv.py --out results/read_csv.txt

Every run is a process of its own. "beyond" is its peak memory less what it held after its imports.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROWS = 32_298
WAYS = ("article", "mien")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", nargs="?", type=Path, help="a fer2013.csv; without it one is made")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the CSV that is made")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each way; the fastest counts, without the disk")
    parser.add_argument("--out", type=Path, help="write the table there too")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        print(json.dumps(measured(given.way, given.csv)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = given.csv or made(Path(folder, "fer2013.csv"), given.rows)
        runs = [run(way, path) for _ in range(given.repeat) for way in WAYS]
        text = table(path, runs)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


def made(path: Path, rows: int) -> Path:
    """A CSV like FER2013's, with random pixels whose values have as many digits as real ones (mean about 129)."""
    words = [str(value) for value in range(256)]
    rng = np.random.default_rng(0)
    with open(path, "w") as file:
        file.write("emotion,pixels,Usage\n")
        for row in range(rows):
            pixels = np.clip(rng.normal(129, 64, 48 * 48), 0, 255).astype(int)
            usage = "Training" if row < rows * 0.8 else "PublicTest" if row < rows * 0.9 else "PrivateTest"
            file.write(f"{row % 7},{' '.join([words[value] for value in pixels.tolist()])},{usage}\n")
    return path


def run(way: str, path: Path) -> dict[str, float | str]:
    command = [sys.executable, __file__, str(path), "--way", way]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float | str] = json.loads(done.stdout)
    return found


def measured(way: str, path: Path) -> dict[str, float | str]:
    if way == "mien":
        from mien.data.fer2013 import load_fer2013
    else:
        import pandas
    before, start, cpu = peak(), time.perf_counter(), time.process_time()
    if way == "mien":
        images = [faces.images for _, faces in load_fer2013(path)]
    else:
        frame = pandas.read_csv(path)
        images = [np.stack([np.array(row.split(), dtype="uint8").reshape(48, 48) for row in frame["pixels"]])]
    seconds, cpu, beyond = time.perf_counter() - start, time.process_time() - cpu, peak() - before
    pixels = sum(part.nbytes for part in images)
    total = sum(int(part.sum(dtype=np.int64)) for part in images)
    return {"way": way, "seconds": seconds, "cpu": cpu, "beyond": beyond, "pixels": pixels, "total": total}


def peak() -> int:
    """Bytes: the most memory this process ever held."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage's figure would include the parent's from before this program was started
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource  # not on Windows

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def table(path: Path, runs: list[dict[str, float | str]]) -> str:
    if len({(found["pixels"], found["total"]) for found in runs}) != 1:
        sys.exit("The two ways read different pixels.")
    best = {way: min((r for r in runs if r["way"] == way), key=lambda r: r["seconds"]) for way in WAYS}
    faces = int(best["mien"]["pixels"]) // (48 * 48)
    lines = [
        f"{faces:,} faces, {path.stat().st_size / 1e6:.0f} MB of CSV; {platform.machine()}, Python "
        f"{platform.python_version()}, numpy {np.__version__}; fastest of {len(runs) // len(WAYS)} runs each",
        f"{'way':10}{'seconds':>10}{'CPU s':>10}{'faces/s':>12}{'beyond, MB':>12}{'x pixels':>10}",
    ]
    for way, r in best.items():
        lines.append(
            f"{way:10}{r['seconds']:10.2f}{r['cpu']:10.2f}{faces / float(r['seconds']):12,.0f}"
            f"{float(r['beyond']) / 1e6:12.0f}{float(r['beyond']) / float(r['pixels']):10.2f}"
        )
    ratio = {key: float(best["article"][key]) / float(best["mien"][key]) for key in ("seconds", "cpu", "beyond")}
    lines.append(f"{'ratio':10}{ratio['seconds']:9.1f}x{ratio['cpu']:9.1f}x{'':12}{ratio['beyond']:11.1f}x")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

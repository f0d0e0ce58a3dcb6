"""What `mien score` costs beside a plain loop: seconds, processor time, memory, as the images grow in number.

Both sides read the same drawn faces, PNG files in a temporary folder, with one worker and one thread; each run is a
process of its own, and the sides take turns. The plain loop is a Recognizer and a RowWriter, one image after the other.
What an image costs is the difference between a size and the smallest one, so that starting up doesn't count. Each
figure is the median of the rounds. First each image is taken for one face, then faces are looked for. Linux only.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

from PIL import Image

SIZES = {False: (500, 2_000, 8_000), True: (100, 500)}
"""How many images, without and with the detector, which takes ten times as long."""

SIDES = ("plain loop", "mien score")


@dataclass(frozen=True)
class Run:
    """Seconds by the clock and of processor time, and the most memory (bytes) that its processes held together."""

    clock: float
    cpu: float
    peak: int
    written: int


def build(folder: Path, count: int, side: int) -> None:
    from mien.data.drawn import draw

    for start in range(0, count, 500):
        for number, image in enumerate(draw(min(500, count - start), seed=1, first=start).images, start):
            Image.fromarray(image).resize((side, side)).save(folder / f"{number:06d}.png", compress_level=1)


def plain(folder: Path, out: Path, detect: bool) -> None:
    from mien import Recognizer
    from mien.recognition.write import RowWriter

    recognizer = Recognizer(detect=detect, threads=1)
    with RowWriter(out, classes=recognizer.classes) as writer:
        for path in sorted(folder.iterdir()):
            writer.write(recognizer(path))


def memory(pid: int) -> int:
    """Bytes that a process and its children hold now."""
    held = 0
    try:
        held = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        children = [int(n) for path in Path(f"/proc/{pid}/task").glob("*/children") for n in path.read_text().split()]
    except OSError:  # it has ended
        return held
    return held + sum(memory(child) for child in children)


def timed(line: list[str], out: Path) -> Run:
    began, peak = time.perf_counter(), 0
    process = subprocess.Popen(line, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    while True:
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        peak = max(peak, memory(process.pid))
        time.sleep(0.1)
    process.returncode = os.waitstatus_to_exitcode(status)
    clock = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError(f"{' '.join(line)} ended with {process.returncode}")
    parts = [out] if out.is_file() else list(out.glob("part-*.parquet"))
    return Run(clock, used.ru_utime + used.ru_stime, peak, sum(path.stat().st_size for path in parts))


def measure(sizes: tuple[int, ...], side: int, detect: bool, rounds: int) -> dict[int, tuple[Run, Run]]:
    """The medians of both sides for each size."""
    runs: dict[int, list[tuple[Run, Run]]] = {count: [] for count in sizes}
    with tempfile.TemporaryDirectory(prefix="mien-score-") as name:
        flags = [] if detect else ["--no-detect"]
        for count in sizes:
            Path(name, str(count)).mkdir()
            build(Path(name, str(count)), count, side)
        for turn in range(rounds):
            for count in sizes:
                folder, out = str(Path(name, str(count))), Path(name, f"out-{count}-{turn}")
                table = out.with_suffix(".parquet")
                loop = [sys.executable, __file__, "--plain", folder, "--out", str(table), *flags]
                score = [sys.executable, "-m", "mien", "score", folder, "--out", str(out), "--workers", "1", *flags]
                runs[count].append((timed(loop, table), timed(score, out)))
    return {count: tuple(middle(pair[place] for pair in pairs) for place in (0, 1)) for count, pairs in runs.items()}


def middle(runs: Iterable[Run]) -> Run:
    rows = [astuple(run) for run in runs]
    return Run(*(statistics.median(column) for column in zip(*rows, strict=True)))


def table(found: dict[int, tuple[Run, Run]]) -> str:
    lines = [f"{'images':>8}  {'':12}{'clock s':>9}{'CPU s':>9}{'CPU ms/image':>14}{'peak MB':>9}{'bytes/row':>11}"]
    least = min(found)
    for count, runs in found.items():
        each = [0.0, 0.0]
        for place, (name, run) in enumerate(zip(SIDES, runs, strict=True)):
            if count > least:
                each[place] = 1000 * (run.cpu - found[least][place].cpu) / (count - least)
            cost = f"{each[place]:14.3f}" if count > least else f"{'-':>14}"
            seconds, space = f"{run.clock:9.1f}{run.cpu:9.2f}", f"{run.peak / 1e6:9.0f}{run.written / count:11.0f}"
            lines.append(f"{count:8,}  {name:12}{seconds}{cost}{space}")
        ratio = f", without the start {each[1] / each[0]:.3f}" if count > least else ""
        lines.append(f"{'':10}ratio of processor time {runs[1].cpu / runs[0].cpu:.3f}{ratio}; "
                     f"of the clock {runs[1].clock / runs[0].clock:.3f}")  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", metavar="N", help="how many images, instead of the usual")
    parser.add_argument("--side", type=int, default=48, metavar="PIXELS", help="of the images (default 48)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="(default 3)")
    parser.add_argument("--detect", action="store_true", help="only with the detector")
    parser.add_argument("--no-detect", action="store_true", help="only without it")
    parser.add_argument("--plain", metavar="DIR", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", metavar="FILE", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.plain:
        plain(asked.plain, asked.out, not asked.no_detect)
        return
    print(f"{platform.machine()}, Python {platform.python_version()}; images of {asked.side} px, {asked.rounds} rounds")
    for detect in (False, True):
        if asked.no_detect if detect else asked.detect:
            continue
        sizes = tuple(sorted(asked.sizes or SIZES[detect]))
        print(f"{'with the detector' if detect else 'each image is one face'}:")
        print(table(measure(sizes, asked.side, detect, asked.rounds)), flush=True)


if __name__ == "__main__":
    main()

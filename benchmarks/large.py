"""What a face costs to train on, and the memory it takes: ten thousand to a million faces that stay on disk.

`cnn` is trained for one epoch at 12 pixels, so that reading is as large a part of the cost as it can be; 5,000 drawn
faces are repeated in other tones. Each size has a process of its own, since a process's peak memory never falls. Run it
without arguments: it needs 2.4 GB of disk where temporary files go (TMPDIR).
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from read_csv import peak

BASE, VAL = 5_000, 1_000
SIZES = (10_000, 100_000, 1_000_000)


class Repeated:
    """Faces `(N, 48, 48)` uint8 that exist only when asked for: the base ones again and again, in other tones."""

    dtype, ndim = np.dtype(np.uint8), 3

    def __init__(self, base: np.ndarray, count: int) -> None:
        self.base, self.shape = base, (count, *base.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: slice) -> np.ndarray:
        places = np.arange(*at.indices(len(self)))
        return self.base[places % len(self.base)] ^ (places // len(self.base)).astype(np.uint8)[:, None, None]


def build(path: Path, count: int) -> None:
    from mien.data.drawn import draw
    from mien.data.faces import FaceSet
    from mien.data.mapped import save_mapped
    from mien.data.splits import Splits

    base, val = draw(BASE, seed=1), draw(VAL, seed=2)
    images: Any = Repeated(base.images, count)
    train = FaceSet(images, base.targets[np.arange(count) % BASE], source="repeated drawn faces")
    save_mapped(Splits(train, val, val[:0]), path)


def measure(path: Path) -> None:
    """Train once, in this process, and print what it took as JSON."""
    import torch

    from mien.data.mapped import load_mapped
    from mien.models import create_model
    from mien.training import device
    from mien.training.fit import fit
    from mien.training.recipe import recipe

    device.RESIDENT = 0  # the small sets are read as the large one is
    torch.set_num_threads(1)
    splits = load_mapped(path)
    made = recipe("cnn", epochs=1, batch=500, start_size=12, ema=0.0, erase=0.0, precision="float32")
    made = made.model_copy(update={"options": {"widths": [8, 8], "depths": [1, 1]}})
    torch.manual_seed(0)
    model = create_model("cnn", **made.options)
    for _ in fit(model, splits.val, splits.val, made, device="cpu"):
        pass  # the first steps import and allocate
    before, clock, began = peak(), time.perf_counter(), time.process_time()
    (epoch,) = fit(model, splits.train, splits.val, made, device="cpu")
    found = {"faces": len(splits.train), "cpu": time.process_time() - began, "seconds": time.perf_counter() - clock}
    print(json.dumps({**found, "before": before, "peak": peak(), "accuracy": epoch.val_accuracy}))


def run(sizes: tuple[int, ...]) -> list[dict[str, float]]:
    """A measurement for each size, the set built and removed again."""
    found = []
    for count in sizes:
        with tempfile.TemporaryDirectory(prefix="mien-large-") as folder:
            path = Path(folder, "large.faces")
            build(path, count)
            line = [sys.executable, __file__, "--measure", str(path)]
            found.append(json.loads(subprocess.run(line, capture_output=True, text=True, check=True).stdout))
    return found


def table(found: list[dict[str, float]]) -> str:
    lines = [
        f"cnn, one epoch at 12 px, batches of 500 from disk; {platform.machine()}, Python {platform.python_version()}",
        f"{'faces':>10}{'on disk, MB':>13}{'CPU s':>9}{'CPU µs/face':>13}{'peak, MB':>10}{'of it data':>12}",
    ]
    for one in found:
        faces = int(one["faces"])
        lines.append(
            f"{faces:10,}{faces * 48 * 48 / 1e6:13,.0f}{one['cpu']:9.2f}{1e6 * one['cpu'] / faces:13.1f}"
            f"{one['peak'] / 1e6:10.0f}{(one['peak'] - one['before']) / 1e6:12.0f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--measure", metavar="PATH", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        measure(asked.measure)
    else:
        print(table(run(tuple(asked.sizes))))


if __name__ == "__main__":
    main()

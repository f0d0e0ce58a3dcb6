"""Draw the figures that need no data but mien's own: docs/pictures/ladder.svg, drawn.png and corruptions.png.

    python docs/make/pictures.py

The ladder's figures are those of the first table in docs/RESULTS.md. What was measured on real faces is drawn by the
commands that measure it (`mien robustness --figure`, `benchmarks/box.py`); none of these pictures shows a face.
"""

import re
import sys
from pathlib import Path

from pages import ROOT, ladder_rows

from mien.data.drawn import draw, drawn_faces
from mien.evaluation.corruptions import CORRUPTIONS
from mien.evaluation.figures import class_samples, corruption_picture, ladder_picture
from mien.files import atomic_write

PICTURES = ROOT / "docs" / "pictures"


def pictures() -> dict[Path, bytes]:
    """Each figure by its path."""
    results = (ROOT / "docs" / "RESULTS.md").read_text("utf-8")
    rows = ladder_rows(results)
    return {
        PICTURES / "ladder.svg": ladder_picture(
            [row["rung"] for row in rows],
            [float(row["accuracy"]) for row in rows],
            [_interval(row["95 % interval"]) for row in rows],
            baseline=_baseline(results),
            title="FER2013: accuracy on 3,589 validation faces, with 95 % intervals",
        ),
        PICTURES / "drawn.png": class_samples(draw(700, seed=1), 12),
        PICTURES / "corruptions.png": corruption_picture(drawn_faces().val, CORRUPTIONS, face=49),
    }


def _interval(cell: str) -> tuple[float, float]:
    low, high = map(float, cell.split(" to "))
    return low, high


def _baseline(results: str) -> float:
    """The share of the most common class, from the row that counts the faces of each."""
    found = re.search(r"^\| faces \|(.*)\|$", results, re.MULTILINE)
    if found is None:
        sys.exit("docs/RESULTS.md: there is no row that begins with | faces")
    counts = [int(cell) for cell in found.group(1).split("|")]
    return max(counts) / sum(counts)


if __name__ == "__main__":
    for path, content in pictures().items():
        if not path.exists() or path.read_bytes() != content:
            atomic_write(path, content)
            print(f"{path.relative_to(ROOT)}: written")

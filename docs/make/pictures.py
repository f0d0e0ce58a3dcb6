"""Draw the figures that need no data but mien's own: docs/pictures/ladder.svg, drawn.png and corruptions.png.

    python docs/make/pictures.py

The ladder's figures are those of its runs' cards (ladder.py). What was measured on real faces is drawn by the
commands that measure it (`mien robustness --figure`, `benchmarks/box.py`); none of these pictures shows a face.
"""

from pathlib import Path

from ladder import read
from pages import ROOT

from mien.data.drawn import draw, drawn_faces
from mien.evaluation.corruptions import CORRUPTIONS
from mien.evaluation.figures import class_samples, corruption_picture, ladder_picture
from mien.files import atomic_write

PICTURES = ROOT / "docs" / "pictures"


def pictures() -> dict[Path, bytes]:
    """Each figure by its path."""
    rows = read(ROOT, "tuned")
    scores = [row["scores"] for row in rows]
    return {
        PICTURES / "ladder.svg": ladder_picture(
            [row["rung"] for row in rows],
            [one["accuracy"] for one in scores],
            [tuple(one["interval"]) for one in scores],
            baseline=max(each["n"] for each in scores[0]["per_class"]) / scores[0]["n"],
            title="FER2013: accuracy on 3,589 validation faces, with 95 % intervals",
        ),
        PICTURES / "drawn.png": class_samples(draw(700, seed=1), 12),
        PICTURES / "corruptions.png": corruption_picture(drawn_faces().val, CORRUPTIONS, face=49),
    }


if __name__ == "__main__":
    for path, content in pictures().items():
        if not path.exists() or path.read_bytes() != content:
            atomic_write(path, content)
            print(f"{path.relative_to(ROOT)}: written")

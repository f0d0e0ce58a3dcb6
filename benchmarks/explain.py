"""Which heatmaps to believe: how fast the answer's probability falls when the patches that a method marks go first.

    python benchmarks/explain.py                                    # 42 drawn faces, in a few minutes
    python benchmarks/explain.py --data fer2013.npz --faces 200     # faces of the validation split
    python benchmarks/explain.py --data fer2013.npz --faces 200 --out results/explain.txt

For each face the likeliest class is explained by each method of `mien.explain`. Then 4×4 patches of the face are
removed in the heatmap's order (deletion: the area under the curve of the probability, low is good) or put back in it
(insertion: high is good). A removed patch is replaced by the blurred face, or, so that no method is judged only by the
blur that it was made with, by the face's mean. ± is a standard error over the faces. "passed" is the share of faces
whose heatmap is better than all of 20 random orders of the same patches, which is the check of `mien explain`; by
chance that is 1 in 21.

Below the line are what a heatmap should be better than: a random order, the middle of the face first, and the default
method's heatmap of another face.
"""

import argparse
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mien.checkpoint import load_run
from mien.data.drawn import draw
from mien.data.faces import UNLABELLED, FaceSet
from mien.data.load import load_faces
from mien.evaluation.explanation import BLUR, area, curve, order_of, random_orders, shares
from mien.evaluation.scores import Predictor, as_predictor
from mien.explain import METHOD, METHODS, heatmap

Heat = Callable[[NDArray[np.uint8], int], NDArray[np.floating]]
FILLS = {"blur": BLUR, "mean": None}


@dataclass
class Row:
    """One way of ordering patches: for each face its areas by (fill, insert) and whether it passed; seconds a face."""

    areas: dict[tuple[str, bool], list[float]] = field(
        default_factory=lambda: {(fill, insert): [] for fill in FILLS for insert in (False, True)}
    )
    passed: list[bool] = field(default_factory=list)
    seconds: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="FER2013, of which the validation split is taken; without: drawn")
    parser.add_argument("--faces", type=int, default=42, help="how many faces, spread evenly over the split")
    parser.add_argument("--model", default="small", help="a run folder or a network in the box")
    parser.add_argument("--threads", type=int, default=1, help="torch's threads")
    parser.add_argument("--out", type=Path, help="write the table there too")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    faces, what = some_faces(given.data, given.faces)
    text = table(measured(faces, given.model), f"{len(faces)} {what}, {given.model}", given.threads)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


def some_faces(data: Path | None, n: int) -> tuple[FaceSet, str]:
    """Faces to explain, and what they are."""
    if data is None:
        return draw(n, seed=3), "drawn faces"
    val = load_faces(str(data)).val
    known = np.flatnonzero(val.labels != UNLABELLED)
    return val[known[np.linspace(0, len(known) - 1, n).round().astype(int)].tolist()], "validation faces of FER2013"


def measured(faces: FaceSet, target: str) -> dict[str, Row]:
    model, card = load_run(target)
    with as_predictor(model, card.temperature) as predict:
        places = [int(predict(face[None, None])[0].argmax()) for face in faces.images]
        ways: dict[str, Heat] = {name: _by(model, card.temperature, name) for name in METHODS}
        rows = {name: Row() for name in (*METHODS, "random order", "middle first", "another face's")}
        another = ways[METHOD](faces.images[-1], places[-1])
        for number, (face, place) in enumerate(zip(faces.images, places, strict=True)):
            heats = {"middle first": _middle(face), "another face's": another}
            for name, way in ways.items():
                start = time.perf_counter()
                heats[name] = way(face, place)
                rows[name].seconds += (time.perf_counter() - start) / len(faces)
            another = heats[METHOD]
            turns = {name: order_of(heat, face) for name, heat in heats.items()}
            # 20 orders to be better than, and one that is judged as if it were a heatmap's
            *orders, turns["random order"] = random_orders(len(turns[METHOD]), 21, seed=number)
            chance = [_area(predict, face, order, place, "blur") for order in orders]
            for name, row in rows.items():
                for fill, insert in row.areas:
                    row.areas[fill, insert].append(_area(predict, face, turns[name], place, fill, insert=insert))
                row.passed.append(row.areas["blur", False][-1] < min(chance) - 1e-6)
    return rows


def _area(
    predict: Predictor,
    face: NDArray[np.uint8],
    turns: NDArray[np.int64],
    place: int,
    fill: str,
    *,
    insert: bool = False,
) -> float:
    found = curve(predict, face, turns, place, insert=insert, blur=FILLS[fill])
    return float(area(shares(len(turns)), found))


def _by(model: torch.nn.Module, temperature: float, method: str) -> Heat:
    return lambda face, place: heatmap(model, face, place, method=method, temperature=temperature)


def _middle(face: NDArray[np.uint8]) -> NDArray[np.floating]:
    down, across = (np.arange(side) - (side - 1) / 2 for side in face.shape[:2])
    return np.asarray(-np.hypot(down[:, None], across))


def table(rows: dict[str, Row], what: str, threads: int) -> str:
    lines = [
        f"{what}; CPU, {threads} thread(s), {platform.machine()}, "
        f"torch {torch.__version__}, captum {version('captum')}",
        f"{'':16}{'deletion, blur':>16}{'insertion, blur':>17}{'deletion, mean':>16}{'insertion, mean':>17}"
        f"{'passed':>9}{'ms':>7}",
    ]
    for name, row in rows.items():
        if name == "random order":
            lines.append("-" * len(lines[1]))
        cells = "".join(
            f"{np.mean(row.areas[fill, insert]):>{width}.3f} ±{_error(row.areas[fill, insert]):.3f}"
            for fill in FILLS
            for insert, width in ((False, 9), (True, 10))
        )
        spent = f"{1000 * row.seconds:7.0f}" if row.seconds else ""
        lines.append(f"{name + ' *' * (name == METHOD):16}{cells}{np.mean(row.passed):9.2f}{spent}")
    return "\n".join([*lines, "* the default"])


def _error(values: list[float]) -> float:
    return float(np.std(values, ddof=1) / len(values) ** 0.5)


if __name__ == "__main__":
    main()

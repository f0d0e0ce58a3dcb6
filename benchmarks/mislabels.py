"""How well likely mislabels are found among few faces: by heads on a network's layers, or by networks from nothing.

    python benchmarks/mislabels.py --data fer2013.npz

The faces are FER2013's validation faces, from which the networks in the box learned nothing. A tenth of their labels is
changed to another class; the doctor ranks all labels, the likeliest mislabels first. Both ways in the same run: what
`mien data doctor` takes is the one that agrees with more labels, or heads alone where those are right often enough.
"""

import argparse
import platform
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mien.data.drawn import draw
from mien.data.faces import FaceSet
from mien.data.load import load_faces
from mien.data.splits import Splits
from mien.doctor.mislabels import suspects
from mien.doctor.outside import FOLDS, of_heads, of_networks
from mien.doctor.pool import Pool
from mien.environment import environment

SIZES, DRAWS = (140, 400, 1600), 3
BLURRED = {"eyes": slice(10, 24), "mouth": slice(30, 46)}
"""Rows of a face."""


def expressions(faces: FaceSet, n: int, rng: np.random.Generator) -> FaceSet:
    """Some of the faces, with their seven labels."""
    return faces[np.sort(rng.permutation(len(faces))[:n])]


def poor(faces: FaceSet, n: int, rng: np.random.Generator) -> FaceSet:
    """The same, blurred and dark."""
    some = expressions(faces, n, rng)
    blurred = [np.asarray(Image.fromarray(face).filter(ImageFilter.GaussianBlur(1))) for face in some.images]
    return some.replaced(images=(np.stack(blurred) * 0.4).astype(np.uint8))


def blurred(faces: FaceSet, n: int, rng: np.random.Generator) -> FaceSet:
    """Classes that have nothing to do with expressions: nothing is blurred, the eyes, or the mouth."""
    images = expressions(faces, n, rng).images.copy()
    labels = rng.integers(0, 3, n)
    for image, label in zip(images, labels, strict=True):
        if label:
            rows = list(BLURRED.values())[label - 1]
            image[rows] = np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(2)))[rows]
    return FaceSet(images, labels, classes=("none", *BLURRED))


def drawn(_: FaceSet, n: int, rng: np.random.Generator) -> FaceSet:
    """Drawn faces: the names are those of expressions, the pictures are no photos."""
    return draw(n, int(rng.integers(1 << 30)))


KINDS: dict[str, Callable[[FaceSet, int, np.random.Generator], FaceSet]] = {
    "expressions": expressions, "blurred and dark": poor, "drawn": drawn, "what is blurred": blurred,
}  # fmt: skip


def planted(faces: FaceSet, rng: np.random.Generator) -> tuple[FaceSet, NDArray[np.bool_]]:
    """The faces with a tenth of the labels changed, and which those are."""
    wrong, labels = rng.permutation(len(faces)) < len(faces) // 10, faces.labels.copy()
    labels[wrong] = (labels[wrong] + rng.integers(1, len(faces.classes), wrong.sum())) % len(faces.classes)
    return FaceSet(faces.images, labels, classes=faces.classes), wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="the faces, as --data of mien takes them")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    val, given, made = load_faces(parser.parse_args().data).val, parser.parse_args(), environment()
    print(f"$ python benchmarks/mislabels.py --data ...    (commit {made['commit']}; {made['processor']})")
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads; means over {DRAWS} draws (one from 1,000 faces on)."
    )
    print("AUROC: how often a changed label stands before another one. First tenth: the share of changed labels in it.")
    print("Agree: the share of all labels, as changed, that the answers agree with. Seconds of processor time.")
    print(f"{'faces':18}{'number':>7}  {'by':9}{'AUROC':>8}{'first tenth':>13}{'agree':>8}{'seconds':>10}")
    for kind, make in KINDS.items():
        for n in given.sizes:
            rows: dict[str, list[list[float]]] = {"heads": [], "networks": []}
            for seed in range(DRAWS if n < 1000 else 1):
                rng = np.random.default_rng(seed)
                faces, wrong = planted(make(val, n, rng), rng)
                part = rng.integers(0, FOLDS, n)
                pool = Pool(Splits(faces, faces[[]], faces[[]]))
                for way, found in (("heads", of_heads), ("networks", of_networks)):
                    began = time.process_time()
                    ranked = suspects(found(pool, np.arange(n), part, 0, None, lambda _: None), pool.labels)
                    seconds = time.process_time() - began
                    place = np.empty(n)
                    place[ranked.order] = np.arange(n)
                    area = (place[~wrong].mean() - place[wrong].mean()) / n + 0.5
                    rows[way].append([area, wrong[ranked.order[: n // 10]].mean(), ranked.accuracy, seconds])
            for way, figures in rows.items():
                area, first, agree, seconds = np.mean(figures, 0)
                print(f"{kind:18}{n:7,}  {way:9}{area:8.3f}{first:13.3f}{agree:8.3f}{seconds:10.1f}", flush=True)


if __name__ == "__main__":
    main()

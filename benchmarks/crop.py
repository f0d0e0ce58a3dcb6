"""From a photo to a crop: how much accuracy finding and cutting a face costs.

Validation faces are pasted at several sizes and rolls into photographs without people, then found, cut and read as
`mien predict` does it; beside it the same network on the original crops. A face counts as found when a box has its
middle near the pasted one's.

    python benchmarks/crop.py [--data fer2013.csv] [--model small]
"""

import argparse
import time
import warnings
from pathlib import Path

import cv2
import numpy as np

import mien
from mien.recognition.align import crops
from mien.recognition.detect import Detector

SIZES, ROLLS = (48, 64, 96, 144, 224), (0, 0, -15, 15, -30, 30)
WIDTH, HEIGHT = 640, 480


def scenes() -> list[np.ndarray]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import skimage.data as photos
    kept = [getattr(photos, name)() for name in ("coffee", "rocket", "grass", "brick", "gravel")]
    kept = [photo if photo.ndim == 3 else np.repeat(photo[..., None], 3, 2) for photo in kept]
    return [cv2.resize(photo, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for photo in kept]


def paste(scene: np.ndarray, face: np.ndarray, size: int, roll: float, dice: np.random.Generator) -> tuple:
    large = cv2.cvtColor(cv2.resize(face, (size, size), interpolation=cv2.INTER_CUBIC), cv2.COLOR_GRAY2RGB)
    middle = [dice.uniform(0.75 * size, side - 0.75 * size) for side in (WIDTH, HEIGHT)]
    turn = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), roll, 1)
    turn[:, 2] += np.array(middle) - size / 2
    mask = cv2.warpAffine(np.full((size, size), 255, np.uint8), turn, (WIDTH, HEIGHT)) > 127
    moved = cv2.warpAffine(large, turn, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    return np.where(mask[..., None], moved, scene), middle


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data")
    parser.add_argument("--model", default="small")
    given = parser.parse_args()
    faces = (mien.load_faces(given.data) if given.data else mien.drawn_faces()).val.labelled
    net, finder, dice, backgrounds = mien.Net(given.model), Detector(), np.random.default_rng(0), scenes()
    on_crop = net(faces.images).argmax(1) == faces.labels
    found, right, false = np.zeros(len(faces), bool), np.zeros(len(faces), bool), 0
    sizes, rolls = dice.choice(SIZES, len(faces)), dice.choice(ROLLS, len(faces))
    began = time.perf_counter()
    for place, face in enumerate(faces.images):
        scene = backgrounds[dice.integers(len(backgrounds))]
        picture, (x, y) = paste(scene, face, int(sizes[place]), float(rolls[place]), dice)
        near = []
        for one in finder(picture):
            left, top, width, height = one.box
            hit = max(abs(left + width / 2 - x), abs(top + height / 2 - y)) < 0.4 * sizes[place]
            near += [one] if hit else []
            false += not hit
        if near:
            best = max(near, key=lambda one: one.score)
            found[place] = True
            right[place] = net(crops(picture, [best], net.card.input_shape)).argmax() == faces.labels[place]
    print(f"{given.model}, {len(faces):,} validation faces of {Path(faces.source).name}, seed 0")
    print(f"found {found.mean():.4f}; not found {(~found).sum():,}; boxes elsewhere {false} in {len(faces):,} pictures")
    cut, original = right[found].mean(), on_crop[found].mean()
    print(f"accuracy over the found ones {cut:.4f}; on their original crops {original:.4f}")
    print(f"difference {original - cut:+.4f} (goal: at most 0.02)")
    print(f"accuracy with undetected faces counted as wrong: {right.mean():.4f}")
    for name, kinds in (("size", sizes), ("roll", abs(rolls))):
        for kind in np.unique(kinds):
            some = kinds == kind
            hit = some & found
            print(
                f"  {name} {kind:3d}: found {found[some].mean():.3f}, accuracy {right[hit].mean():.4f}, "
                f"original {on_crop[hit].mean():.4f}, n {some.sum()}"
            )
    print(f"{1000 * (time.perf_counter() - began) / len(faces):.1f} ms a picture, with the pasting")


if __name__ == "__main__":
    main()

"""Augmenting a batch of faces: mien's batched warp and erase beside a pipeline face by face, and kornia where it is.

    python benchmarks/augment.py                   # on the CPU, one thread
    python benchmarks/augment.py --threads 2
    python benchmarks/augment.py --device cuda     # mien and kornia; the faces one by one stay on the CPU
    python benchmarks/augment.py --out results/augment.txt

Each way mirrors half of the faces, shifts, scales and turns every one of them within the same bounds (bilinear), and
erases a rectangle in half of them. It starts from uint8 faces in memory and ends with one float32 batch on the device.
The ways take turns, so that other work on the machine slows all of them alike; medians of the rounds count. "CPU ms" is
the processor time of all threads, which other work affects least; the ratio is of the time on the clock.
"""

import argparse
import importlib.util
import math
import platform
import random
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from mien.data.drawn import draw
from mien.training.augment import augment
from mien.training.recipe import Recipe

RECIPE = Recipe(model="resnet", flip=True, shift=0.1, scale=0.15, rotate=12, erase=0.5)
FACES = 256
Way = Callable[[], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="where the batch goes")
    parser.add_argument("--threads", type=int, default=1, help="threads of a batched operation on the CPU")
    parser.add_argument("--rounds", type=int, default=15, help="how often each way has its turn")
    parser.add_argument("--out", type=Path, help="write the table there too")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    images, device = draw(FACES).images, torch.device(given.device)
    ways = {"mien": batched(images, device), "per face": face_by_face(images, device)}
    if importlib.util.find_spec("kornia"):
        ways["kornia"] = kornias(images, device)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {given.threads} thread(s)"
    text = table(measured(ways, given.rounds, device), where, given.rounds)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


def batched(images: NDArray[np.uint8], device: torch.device) -> Way:
    """mien: the faces are on the device already, as they are in training."""
    faces = torch.from_numpy(images)[:, None].to(device)
    generator = torch.Generator(device).manual_seed(0)
    return lambda: augment(faces, RECIPE, generator)


def face_by_face(images: NDArray[np.uint8], device: torch.device) -> Way:
    """What a DataLoader's transforms do: Pillow's affine warp for each face, then a batch of all.

    Pillow leaves black what comes from outside the face; the batched ways repeat the edge, which costs more.
    """
    dice = random.Random(0)
    side = images.shape[1]

    def one(face: NDArray[np.uint8]) -> NDArray[np.float32]:
        picture = Image.fromarray(face)
        if dice.random() < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        angle = math.radians(dice.uniform(-RECIPE.rotate, RECIPE.rotate))
        zoom = 1 / (1 + dice.uniform(-RECIPE.scale, RECIPE.scale))
        across, down = (side * dice.uniform(-RECIPE.shift, RECIPE.shift) for _ in range(2))
        cos, sin, middle = math.cos(angle) * zoom, math.sin(angle) * zoom, side / 2
        x, y = middle - cos * middle + sin * middle + across, middle - sin * middle - cos * middle + down
        picture = picture.transform(
            (side, side), Image.Transform.AFFINE, (cos, -sin, x, sin, cos, y), Image.Resampling.BILINEAR
        )
        pixels = np.asarray(picture, np.float32)
        if dice.random() < RECIPE.erase:
            pixels = pixels.copy()
            height, width = (round(side * dice.uniform(0.2, 0.5)) for _ in range(2))
            top, left = dice.randrange(side - height + 1), dice.randrange(side - width + 1)
            pixels[top : top + height, left : left + width] = pixels.mean()
        return pixels

    return lambda: torch.from_numpy(np.stack([one(face) for face in images]))[:, None].to(device)


def kornias(images: NDArray[np.uint8], device: torch.device) -> Way:
    """kornia's batched operations; its erasing fills with one value for the batch, here the middle of the range."""
    import kornia.augmentation as K

    faces = torch.from_numpy(images)[:, None].to(device)
    pipeline = torch.nn.Sequential(
        K.RandomHorizontalFlip(p=0.5),
        K.RandomAffine(
            RECIPE.rotate, (RECIPE.shift,) * 2, (1 - RECIPE.scale, 1 + RECIPE.scale), padding_mode="border", p=1.0
        ),
        K.RandomErasing((0.04, 0.25), (0.4, 2.5), value=0.5, p=RECIPE.erase),
    )
    return lambda: pipeline(faces.float() / 255)


def measured(ways: dict[str, Way], rounds: int, device: torch.device) -> dict[str, tuple[float, float]]:
    """Median milliseconds of each way, on the clock and of the processor; they take turns."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(rounds + 2):  # the first two warm up
        for name, way in ways.items():
            start, cpu = time.perf_counter(), time.process_time()
            batch = way()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
            assert batch.shape == (FACES, 1, 48, 48)
            assert batch.dtype == torch.float32
            if turn >= 2:
                times[name].append((1000 * seconds, 1000 * cpu))
    medians = {name: [statistics.median(kind) for kind in zip(*taken, strict=True)] for name, taken in times.items()}
    return {name: (wall, cpu) for name, (wall, cpu) in medians.items()}


def table(found: dict[str, tuple[float, float]], where: str, rounds: int) -> str:
    packages = {"mien": "mien", "per face": "pillow", "kornia": "kornia"}
    lines = [
        f"{FACES} drawn faces of 48×48: flip, affine warp, erasing; {where}, {platform.machine()}, "
        f"torch {torch.__version__}; median of {rounds} rounds, taking turns",
        f"{'way':10}{'with':>20}{'ms':>9}{'CPU ms':>9}{'faces/s':>12}{'x mien':>9}",
    ]
    for name, (wall, cpu) in found.items():
        what = f"{packages[name]} {version(packages[name])}"
        lines.append(
            f"{name:10}{what:>20}{wall:9.2f}{cpu:9.2f}{1000 * FACES / wall:12,.0f}{wall / found['mien'][0]:9.2f}"
        )
    if "kornia" not in found:
        lines.append(f"{'kornia':10}{'not installed':>20}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

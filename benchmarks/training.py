"""Training: mien's way beside the plain way, how far both are from the chip, and what it costs as the work grows.

    python benchmarks/training.py                                       # a few minutes on two cores, drawn faces
    python benchmarks/training.py --data fer2013.npz --threads 1
    python benchmarks/training.py --data fer2013.npz --to 0.65 0.70 --model resnet   # seconds to that accuracy, too

On a GPU the batches are larger, and epochs are measured for at least five seconds.

The plain way is what tutorials do: a data set that gives one face at a time, Pillow's flips and warps for each of them,
a DataLoader with worker processes, float32. Both train the same network with the same recipe and batches, in turn, so
that other work on the machine slows both alike; the median of the rounds counts.

The floor is the least time in which this chip could do the layers' work (`floor.py`). All other work, such as
augmentation and the optimiser's step, makes the distance from it. With `--compile` a share may be over 100 %: passes
over memory that the floor counts layer by layer may be fused.
"""

import argparse
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

import mien
from mien.data.faces import FaceSet
from mien.data.splits import Splits
from mien.environment import environment
from mien.runs import history
from mien.training.device import pick_device
from mien.training.recipe import Recipe

HOME = Path(__file__).parents[1]
sys.path.insert(0, str(HOME / "benchmarks"))
from floor import batch_on, floor_seconds, matrix_rate, memory_rate, number_kind, told  # noqa: E402

LEAST = 5.0
"""The least number of seconds that are measured on a GPU."""
EACH = 20
"""Batches that each worker of the plain way makes in an epoch."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="FER2013; without it drawn faces")
    parser.add_argument("--model", nargs="+", default=["resnet", "flagship_small"])
    parser.add_argument("--device")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--faces", type=int, help="faces in a measured epoch (default 2048, on a GPU 65536)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--to", nargs="*", type=float, default=[], help="validation accuracies to train to, in seconds")
    parser.add_argument("--compile", action="store_true", help="mien's side with torch.compile")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device = pick_device(given.device)
    given.faces = given.faces or (65_536 if device.type == "cuda" else 2_048)
    splits = mien.load_faces(given.data) if given.data else mien.drawn_faces()
    print(header(device, given))
    bench = Bench(splits.train.labelled, splits.val.judged, device, given)
    bench.beside_plain()
    bench.as_it_grows()
    bench.shared_out()
    if given.to:
        bench.to_accuracy(given.to)


class Bench:
    """The faces, the device, and what is measured on them."""

    def __init__(self, train: FaceSet, val: FaceSet, device: torch.device, given: argparse.Namespace) -> None:
        self.train, self.val, self.device, self.given = train, val, device, given
        self.batch, self.some = batch_on(device), repeated(train, given.faces)
        self.epochs, self.least = (1000, LEAST) if device.type == "cuda" else (2, 0.0)

    def recipe(self, model: str, **fields: Any) -> Recipe:
        """The tuned recipe at full size, with enough epochs to measure it.

        Without norms measured anew after each epoch: 2 % of one of FER2013's, up to a fifth of one with so few faces.
        """
        fields = {"norm_faces": 0, "compile": self.given.compile, **fields}
        fields = {"epochs": self.epochs, "batch": self.batch, "start_size": 0, **fields}
        return mien.recipe(model, **fields)

    def rate(self, recipe: Recipe, faces: FaceSet | None = None) -> float:
        """Faces a second of mien's way, from the second epoch on, so without starting the device and compiling."""
        faces = self.some if faces is None else faces
        side = faces.images.shape[1]
        model = first_weights(recipe, faces)
        epochs = mien.fit(model, faces, resized(self.val[: self.batch], side), recipe, device=str(self.device))
        next(epochs)
        seen = spent = 0.0
        for epoch in epochs:
            seen, spent = seen + epoch.faces_per_second * epoch.seconds, spent + epoch.seconds
            if spent >= self.least:
                break
        return seen / spent

    def beside_plain(self) -> None:
        kind = number_kind(self.device)
        products, bandwidth = matrix_rate(kind, self.device), memory_rate(self.device)
        print(told(kind, products, bandwidth) + "\n")
        print(f"{'':16s} {'mien':>9s} {'plain':>9s}  ratio  {'floor':>9s}  share of it   (faces/s, batch {self.batch})")
        for model in self.given.model:
            recipe = self.recipe(model)
            ours, theirs = [], []
            for _ in range(self.given.rounds):
                ours.append(self.rate(recipe))
                theirs.append(plain(self.some, recipe, self.device, self.given.threads, self.least))
            ours, theirs = statistics.median(ours), statistics.median(theirs)
            network, side = first_weights(recipe, self.some), self.some.images.shape[1]
            floor = 1 / floor_seconds(network, side, products, bandwidth, kind.itemsize, self.batch)
            print(f"{model:16s} {ours:9,.0f} {theirs:9,.0f}  {ours / theirs:5.2f}  {floor:9,.0f}  {ours / floor:11.0%}")
        if self.given.compile:
            print("compiled: passes over memory that the floor counts may be fused, so a share may be over 100 %")

    def as_it_grows(self) -> None:
        base, side = self.rate(self.recipe("flagship_small")), self.some.images.shape[1]
        print(
            f"\nAs the work grows (flagship_small, µs a face; {1e6 / base:,.0f} at batch {self.batch}, {side} pixels)"
        )
        sizes = [self.batch * n // 8 for n in (1, 2, 8, 32)]
        row("batch", {str(n): self.rate(self.recipe("flagship_small", batch=n)) for n in sizes})
        wide = {}
        for share in (0.5, 1, 2):
            options = {"stem": int(32 * share), "widths": [int(width * share) for width in (32, 96, 192)]}
            wide[f"× {share}"] = self.rate(self.recipe("flagship_small", options=options))
        row("width", wide)
        sized = {}
        for side in (24, 48, 96):
            faces = resized(self.train[: len(self.some)], side)
            sized[f"{side} px"] = self.rate(self.recipe("flagship_small"), repeated(faces, len(self.some)))
        row("resolution", sized)
        counts = [len(self.some) // 4, len(self.some), 4 * len(self.some)]
        many = {f"{n:,}": self.rate(self.recipe("flagship_small"), repeated(self.train, n)) for n in counts}
        row("faces an epoch", many)

    def shared_out(self) -> None:
        """One process with all threads beside two with half of them each (on GPUs: one beside two of them)."""
        if self.given.threads < 2 or (self.device.type == "cuda" and torch.cuda.device_count() < 2):
            return
        print("\nOne process beside two under torchrun (flagship_small, faces/s; without the first epoch)")
        with tempfile.TemporaryDirectory() as home:
            Splits(self.some, self.val[: self.batch], self.val[:0]).save(f"{home}/some.npz")
            rates, epochs = {}, "8" if self.least else "2"
            for processes in (1, 2):
                words = ["-m", "mien", "train", "flagship_small", "--data", f"{home}/some.npz", "--epochs", epochs]
                words += ["--batch", str(self.batch), "--start-size", "0", "--out", f"{home}/{processes}"]
                words += ["--device", self.device.type]  # without a number: torchrun gives each process its own
                run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"] if processes > 1 else []
                threads = {"OMP_NUM_THREADS": str(self.given.threads // processes)}
                subprocess.run(
                    [sys.executable, *run, *words], env=os.environ | threads, check=True, capture_output=True
                )
                later = history(Path(home) / str(processes))[1:]
                rates[processes] = statistics.median(epoch["faces_per_second"] for epoch in later)
        print(f"  one: {rates[1]:,.0f}  two: {rates[2]:,.0f}  ratio {rates[2] / rates[1]:.2f}")

    def to_accuracy(self, goals: list[float]) -> None:
        for name in self.given.model:
            recipe = mien.recipe(name)
            if self.given.compile:  # faces that grow would have each size compiled
                recipe = recipe.model_copy(update={"compile": True, "start_size": 0})
            model = first_weights(recipe, self.train)
            ticks: list[float] = []
            left, began = sorted(goals), time.perf_counter()
            print(f"\n{name}: seconds to a validation accuracy of {', '.join(map(str, left))}; validation included")
            tick: Callable[[float], None] = lambda _, ticks=ticks: ticks.append(time.perf_counter())  # noqa: E731
            for epoch in mien.fit(model, self.train, self.val, recipe, device=str(self.device), tick=tick):
                now = time.perf_counter()
                first = ticks[0] - began - (statistics.median(np.diff(ticks).tolist()) if len(ticks) > 1 else 0)
                while left and epoch.val_accuracy >= left[0]:
                    spent = now - began
                    print(
                        f"  {left.pop(0)}: {spent:.1f} s, {spent - first:.1f} without start and compiling; {epoch}",
                        flush=True,
                    )
                if not left:
                    break
            if left:
                print(f"  {', '.join(map(str, left))}: not reached in {recipe.epochs} epochs")


def first_weights(recipe: Recipe, faces: FaceSet) -> nn.Module:
    """The recipe's network for these faces, with its seed's first weights; what was compiled for others is dropped."""
    if recipe.compile:
        torch.compiler.reset()  # or after a few shapes it compiles for any shape, and in the end not at all
    torch.manual_seed(recipe.seed)
    return mien.create_model(recipe.model, classes=len(faces.classes), size=faces.images.shape[1], **recipe.options)


def row(what: str, rates: dict[str, float]) -> None:
    print(f"  {what:15s}" + "".join(f"  {name}: {1e6 / rate:,.0f}" for name, rate in rates.items()), flush=True)


def repeated(faces: FaceSet, count: int) -> FaceSet:
    """`count` of the faces, repeated where there are fewer."""
    return faces[np.arange(count) % len(faces)]


def resized(faces: FaceSet, side: int) -> FaceSet:
    if faces.images.shape[1] == side:
        return faces
    images = [np.asarray(Image.fromarray(face).resize((side, side))) for face in faces.images]
    return FaceSet(np.stack(images), faces.targets, classes=faces.classes)


class OneByOne(Dataset):
    """The data set of the tutorials: a face at a time, changed by Pillow, made a tensor."""

    def __init__(self, faces: FaceSet, recipe: Recipe) -> None:
        self.images, self.labels, self.recipe = faces.images, faces.labels, recipe

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, at: int) -> tuple[Tensor, int]:
        recipe, side = self.recipe, self.images.shape[1]
        face = Image.fromarray(self.images[at])
        if random.random() < 0.5:
            face = face.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        angle, zoom = math.radians(random.uniform(-1, 1) * recipe.rotate), 1 + random.uniform(-1, 1) * recipe.scale
        across, down = (random.uniform(-1, 1) * recipe.shift * side for _ in range(2))
        cos, sin, middle = math.cos(angle) / zoom, math.sin(angle) / zoom, side / 2
        back = (
            cos,
            -sin,
            middle - cos * middle + sin * middle + across,
            sin,
            cos,
            middle - sin * middle - cos * middle + down,
        )
        face = face.transform((side, side), Image.Transform.AFFINE, back, Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(face, np.float32))[None]
        if random.random() < recipe.erase:
            height, width = (int(random.uniform(0.2, 0.5) * side) for _ in range(2))
            top, left = random.randrange(side), random.randrange(side)
            pixels[:, top : top + height, left : left + width] = pixels.mean()
        return pixels, int(self.labels[at])


def plain(faces: FaceSet, recipe: Recipe, device: torch.device, workers: int, least: float = 0.0) -> float:
    """Faces a second of the plain way, over whole epochs for at least `least` seconds, without starting the workers.

    An epoch has `EACH` batches for each worker: with few, most would be the workers' first ones, which come at once.
    """
    draws = RandomSampler(faces, num_samples=EACH * max(1, workers) * recipe.batch)
    loader = DataLoader(
        OneByOne(faces, recipe), recipe.batch, sampler=draws, drop_last=True, num_workers=workers,
        persistent_workers=workers > 0, pin_memory=device.type == "cuda",
    )  # fmt: skip
    model = first_weights(recipe, faces).to(device)
    optimiser = torch.optim.SGD(model.parameters(), recipe.lr, recipe.momentum, nesterov=True)
    judge, seen, spent = nn.CrossEntropyLoss(label_smoothing=recipe.smoothing), 0, 0.0
    for epoch in count():
        batches, began = iter(loader), time.perf_counter()
        for images, labels in batches if epoch else islice(batches, 2):
            loss = judge(model(images.to(device)), labels.to(device))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            loss.item()
        if epoch:
            seen, spent = seen + len(draws), spent + time.perf_counter() - began
            if spent >= least:
                break
    return seen / spent


def header(device: torch.device, given: argparse.Namespace) -> str:
    made = environment()
    chip = made["gpu"] if device.type == "cuda" else f"{given.threads} thread(s) of {made['processor']}"
    return f"commit {made['commit']}, torch {torch.__version__}, {chip}, {given.faces:,} faces an epoch"


if __name__ == "__main__":
    main()

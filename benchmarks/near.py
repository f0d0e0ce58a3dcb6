"""The doctor's near copies: what its threshold finds and what it takes for copies that are none, and what a face costs.

Without arguments: changed copies of drawn faces at known strengths, then seconds and memory for ten thousand to a
million faces that stay on disk (2.4 GB where temporary files go). With `--data fer2013.csv --votes fer2013new.csv`
the changed copies are of those faces, and FER+'s votes tell how many of the pairs in each band of correlation are
copies: annotators saw each picture of a pair by itself, so the votes of a true pair differ as little as those of the
surest pairs, those of strangers as much as any two faces'. (Of identical pictures FER+ has the same votes.)
"""

import argparse
import io
import json
import platform
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

from mien.data.faces import FaceSet
from mien.data.splits import Splits
from mien.doctor.copies import identical
from mien.doctor.groups import Groups
from mien.doctor.near import _candidates, likeness, near, phash
from mien.doctor.pool import Pool

SIZES = (10_000, 100_000, 1_000_000)
THRESHOLDS = (0.88, 0.90, 0.92, 0.93, 0.94, 0.96, 0.98)
COPIED = 1_000
SURE = 0.95
"""Correlation above which nobody doubts a pair."""

BASE, SIDE = 2_000, 48


def jpeg(face: Image.Image, quality: int) -> Image.Image:
    held = io.BytesIO()
    face.save(held, "JPEG", quality=quality)
    return Image.open(held)


def shifted(face: Image.Image, pixels: int) -> Image.Image:
    return Image.fromarray(np.pad(np.asarray(face), ((0, 0), (pixels, 0)), "edge")[:, : face.width])


def smaller(face: Image.Image, side: int) -> Image.Image:
    return face.resize((side, side), Image.Resampling.BICUBIC).resize(face.size, Image.Resampling.BICUBIC)


CHANGES = {
    **{f"JPEG, quality {quality}": (jpeg, quality) for quality in (50, 20, 10)},
    **{f"{share} of the brightness": (lambda face, s: ImageEnhance.Brightness(face).enhance(s), share)
       for share in (0.8, 1.3, 1.8)},
    **{f"{share} of the contrast": (lambda face, s: ImageEnhance.Contrast(face).enhance(s), share)
       for share in (0.5, 1.5)},
    **{f"{side} px and back": (smaller, side) for side in (32, 24, 16)},
    **{f"turned by {angle}°": (lambda face, a: face.rotate(a, Image.Resampling.BILINEAR), angle) for angle in (2, 5)},
    **{f"shifted by {pixels} px": (shifted, pixels) for pixels in (1, 2, 4)},
}  # fmt: skip


def recall(faces: np.ndarray) -> str:
    """Of changed copies of `faces`, the share above each threshold, and the share that the hash proposes, too."""
    head = "".join(f"{threshold:7.2f}" for threshold in THRESHOLDS)
    lines = [f"{'changed copies above':26}{head}{'found at the threshold in use':>32}"]
    for name, (change, strength) in CHANGES.items():
        copies = np.stack([np.asarray(change(Image.fromarray(face), strength).convert("L")) for face in faces])
        alike = likeness(faces, copies)
        shares = "".join(f"{(alike > threshold).mean():7.3f}" for threshold in THRESHOLDS)
        pool = pool_of(np.concatenate([faces, copies]))
        first = near(pool, identical(pool), np.zeros(len(pool), np.bool_)).first
        found = (first[len(faces) :] == first[: len(faces)]).mean()
        lines.append(f"{name:26}{shares}{found:32.3f}")
    return "\n".join(lines)


def bands(pool: Pool, votes: np.ndarray, same: Groups) -> str:
    """The pairs that the hash proposes, by their correlation, and how many of them the votes take for copies."""

    def apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        known = (votes[one].sum(1) > 0) & (votes[other].sum(1) > 0)
        return np.asarray(np.abs(votes[one] - votes[other]).sum(1)[known] / 2)

    chosen = np.flatnonzero(~same.copies & (pool_std(pool) > 1))
    hashes = np.concatenate([phash(images) for _, images in pool.pieces()])
    pairs = np.unique(np.sort(np.concatenate([chosen[p] for p in _candidates(hashes[chosen])]), axis=1), axis=0)
    alike = np.concatenate(
        [
            likeness(pool.take(part[:, 0]), pool.take(part[:, 1]))
            for part in np.array_split(pairs, len(pairs) // 2048 + 1)
        ]
    )
    drawn = np.random.default_rng(0).integers(0, len(pool), (200_000, 2))
    strangers = apart(drawn[:, 0], drawn[:, 1]).mean()
    sure = pairs[alike > SURE]
    twins = apart(sure[:, 0], sure[:, 1]).mean()
    lines = [
        f"distance of the votes: {twins:.3f} of pairs above {SURE}, {strangers:.3f} of any two",
        f"{'correlation':16}{'pairs':>8}{'distance of the votes':>23}{'of it copies, by the votes':>28}",
    ]
    edges = [0.84, 0.86, 0.88, 0.90, 0.91, 0.92, 0.93, 0.94, 0.95, 0.97, 1.01]
    for low, high in pairwise(edges):
        here = pairs[(alike > low) & (alike <= high)]
        if len(here):
            mean = apart(here[:, 0], here[:, 1]).mean()
            share = (strangers - mean) / (strangers - twins)
            lines.append(f"{low:.2f} to {min(high, 1):.2f}{len(here):12,}{mean:23.3f}{share:28.2f}")
    return "\n".join(lines)


def pool_of(images: np.ndarray) -> Pool:
    faces = FaceSet(images, np.zeros(len(images), np.int64))
    return Pool(Splits(faces, faces[[]], faces[[]]))


def pool_std(pool: Pool) -> np.ndarray:
    return np.concatenate([images.reshape(len(images), -1).std(1) for _, images in pool.pieces()])


class Many:
    """Faces `(N, 48, 48)` uint8 that exist only when asked for: drawn ones, each in a light of its own; one in 50 is a
    near copy of the face before it."""

    dtype, ndim = np.dtype(np.uint8), 3

    def __init__(self, base: np.ndarray, count: int) -> None:
        self.base, self.shape = base, (count, *base.shape[1:])
        self.wide = np.asarray(Image.fromarray(np.eye(7, dtype=np.float32)).resize((7, SIDE), Image.Resampling.BICUBIC))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: slice) -> np.ndarray:
        places = np.arange(*at.indices(len(self)))
        own = places - (places % 50 == 1)
        light = np.stack([np.random.default_rng(int(place)).standard_normal((7, 7), np.float32) for place in own])
        field = self.wide @ light @ self.wide.T
        images = self.base[own % len(self.base)] * np.float32(0.5) + 64 + 40 * field + (places % 50 == 1)[:, None, None]
        return np.asarray(images.clip(0, 255), np.uint8)


def measure(path: Path) -> None:
    """Look once, in this process, and print what it took as JSON."""
    from mien.data.mapped import load_mapped

    pool = Pool(load_mapped(path))
    before, began, clock = memory("VmRSS"), time.process_time(), time.perf_counter()
    same = identical(pool)
    between = time.process_time() - began
    alike = near(pool, same, np.zeros(len(pool), np.bool_))
    print(json.dumps({
        "faces": len(pool), "cpu": time.process_time() - began, "identical": between,
        "seconds": time.perf_counter() - clock, "before": before, "peak": memory("VmHWM"),
        "found": int((alike.copies & ~same.copies).sum()),
    }))  # fmt: skip


def memory(which: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(which)).split()[1]) * 1024


def costs(sizes: tuple[int, ...]) -> str:
    from mien.data.drawn import draw
    from mien.data.mapped import save_mapped

    base = draw(BASE, seed=1)
    lines = [
        f"{'faces':>10}{'CPU s':>9}{'of it identical':>17}{'CPU µs/face':>13}{'peak, MB':>10}{'before':>8}{'found':>9}"
    ]
    for count in sizes:
        with tempfile.TemporaryDirectory(prefix="mien-near-") as folder:
            path = Path(folder, "many.faces")
            images: Any = Many(base.images, count)
            train = FaceSet(images, base.targets[np.arange(count) % BASE], source="drawn faces in other lights")
            save_mapped(Splits(train, base[:0], base[:0]), path)
            line = [sys.executable, __file__, "--measure", str(path)]
            one = json.loads(subprocess.run(line, capture_output=True, text=True, check=True).stdout)
        lines.append(
            f"{count:10,}{one['cpu']:9.1f}{one['identical']:17.1f}{1e6 * one['cpu'] / count:13.1f}"
            f"{one['peak'] / 1e6:10.0f}{one['before'] / 1e6:8.0f}{one['found']:9,}"
        )
        print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", metavar="PATH", help="real faces, as --data of mien takes them")
    parser.add_argument("--votes", metavar="PATH", help="FER+'s votes for them")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, metavar="N")
    parser.add_argument("--measure", metavar="PATH", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        measure(asked.measure)
        return
    print(f"{platform.machine()}, Python {platform.python_version()}")
    if asked.data:
        from mien.data.ferplus import load_ferplus
        from mien.data.load import load_faces

        splits = load_faces(asked.data)
        pool = Pool(splits)
        same = identical(pool)
        alone = np.flatnonzero(~np.isin(same.first, same.first[same.copies]) & (pool_std(pool) > 10))
        chosen = np.random.default_rng(0).choice(alone, COPIED, replace=False)
        print(recall(pool.take(np.sort(chosen))))
        if asked.votes:
            votes = np.concatenate([faces.targets for _, faces in load_ferplus(asked.votes, splits) if len(faces)])
            print(bands(pool, votes, same))
    else:
        from mien.data.drawn import draw

        print(recall(draw(COPIED, seed=1).images))
    if asked.sizes:
        print(costs(tuple(asked.sizes)))


if __name__ == "__main__":
    main()

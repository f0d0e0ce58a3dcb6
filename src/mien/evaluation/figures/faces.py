"""Figures with faces in them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.data.faces import UNLABELLED, FaceSet
from mien.evaluation.corruptions import Corruption, corrupted
from mien.evaluation.explanation import Explanation
from mien.evaluation.figures.sheet import VAL, WRONG, Kind, clear, sheet_of, shortened, show, width
from mien.evaluation.gallery import Shown
from mien.style import FAINT, INK, QUIET

_RED_BLUE = np.array([(0.80, 0.15, 0.05), (0.0, 0.35, 0.75)])  # a heatmap's two sides


def gallery(shown: Sequence[Shown], *, kind: Kind = "png") -> bytes:
    """Faces with their true and predicted label; a tick and a cross say which are right, not the colour alone."""
    columns = min(6, len(shown))
    rows = -(-len(shown) // columns)
    with sheet_of(1.35 * columns, 1.75 * rows, kind) as sheet:
        cells = sheet.axes(rows, columns)
        for axes, face in zip(cells, shown, strict=False):
            show(axes, face.image)
            mark = "\N{CHECK MARK}" if face.right else "\N{MULTIPLICATION X}"
            shade = INK if face.right else WRONG
            axes.set_title(
                f"{mark} {shortened(face.predicted, 10)} {face.confidence:.2f}",
                size=9,
                color=shade,
                loc="center",
                pad=3,
            )
            axes.set_xlabel(f"true: {shortened(face.true, 12)}" if not face.right else "", size=9, labelpad=3)
        clear(cells)
    return sheet.content


def batch_picture(faces: FaceSet, n: int = 64, *, seed: int = 0, kind: Kind = "png") -> bytes:
    """`n` faces side by side, each above its label: a batch as a picture, drawn with a seed as training does."""
    chosen = np.random.default_rng(seed).permutation(len(faces))[:n]
    images, labels = faces.images[chosen], faces.labels[chosen]  # of a memory-mapped set only these are read
    height, width = images.shape[1:3]
    columns = max(1, int(np.ceil(np.sqrt(len(images)))))
    rows, inches = max(1, -(-len(images) // columns)), min(10.0, 0.75 * columns)
    down, across = height + max(2, round(0.26 * width)), width + 2  # from a face to the next; a name below each
    wall = np.full((rows * down + 2, columns * across + 2, *images.shape[3:]), 255, np.uint8)
    with sheet_of(inches, inches * wall.shape[0] / wall.shape[1] + 0.3, kind) as sheet:
        axes = sheet.axes()[0]
        for place, (image, label) in enumerate(zip(images, labels, strict=True)):
            top, left = (place // columns) * down + 2, (place % columns) * across + 2
            wall[top : top + height, left : left + width] = image
            name = "" if label == UNLABELLED else shortened(faces.classes[label], 11)
            size = 8 * inches / columns / 0.75
            axes.text(left + width / 2, top + height, name, ha="center", va="top", size=size, color=INK)
        show(axes, wall)
        clear([axes])
        sheet.figure.suptitle(f"{len(images)} of {len(faces):,} faces of {faces.source or 'the set'}", size=10)
    return sheet.content


def class_samples(faces: FaceSet, each: int = 10, *, kind: Kind = "png") -> bytes:
    """A row of `each` faces for every class, drawn with a seed."""
    rng = np.random.default_rng(0)
    room = max(1.1, 0.085 * max(width(shortened(name)) for name in faces.classes) + 0.2)
    with sheet_of(0.85 * each + room, 0.9 * len(faces.classes), kind) as sheet:
        cells = np.array(sheet.axes(len(faces.classes), each)).reshape(-1, each)
        for number, (name, row) in enumerate(zip(faces.classes, cells, strict=True)):
            found = np.flatnonzero(faces.labels == number)
            for axes, index in zip(row, rng.permutation(found)[:each], strict=False):
                show(axes, faces.images[index])
            row[0].set_ylabel(shortened(name), rotation=0, ha="right", va="center", color=INK)
        clear(list(cells.ravel()))
    return sheet.content


def class_means(faces: FaceSet, *, kind: Kind = "png") -> bytes:
    """The mean face of each class, with more contrast (the same for all): what a single linear layer has to go by."""
    members = [np.flatnonzero(faces.labels == number) for number in range(len(faces.classes))]
    means = [_mean(faces.images, found) if len(found) else None for found in members]
    known = [mean for mean in means if mean is not None]
    low, high = (min(map(np.min, known)), max(map(np.max, known))) if known else (0, 255)
    with sheet_of(1.3 * len(faces.classes), 1.85, kind) as sheet:
        cells = sheet.axes(1, len(faces.classes))
        for axes, name, found, mean in zip(cells, faces.classes, members, means, strict=True):
            if mean is not None:
                show(axes, ((mean - low) / max(high - low, 1) * 255).round().astype(np.uint8))
            axes.set_title(shortened(name, 14), size=10, loc="center", pad=3)
            axes.set_xlabel(f"{len(found):,}", size=9, labelpad=3)
        clear(cells)
    return sheet.content


def _mean(images: NDArray[np.uint8], which: NDArray[np.int64]) -> NDArray[np.float64]:
    total = np.zeros(images.shape[1:])
    for start in range(0, len(which), 1024):  # in pieces, so that a memory-mapped class isn't read whole
        total += images[which[start : start + 1024]].sum(0, dtype=np.float64)
    return total / len(which)


def corruption_picture(
    faces: FaceSet, corruptions: Sequence[Corruption], *, seed: int = 0, face: int = 0, kind: Kind = "png"
) -> bytes:
    """One face as it is and at each level of each corruption."""
    one = faces[[face]]
    columns = 1 + max(len(corruption.levels) for corruption in corruptions)
    with sheet_of(1.25 * columns + 1.2, 1.45 * len(corruptions), kind) as sheet:
        cells = np.array(sheet.axes(len(corruptions), columns)).reshape(-1, columns)
        for row, corruption in zip(cells, corruptions, strict=True):
            show(row[0], one.images[0])
            row[0].set_ylabel(corruption.name, rotation=0, ha="right", va="center", color=INK)
            for axes, level in zip(row[1:], corruption.levels, strict=False):
                show(axes, corrupted(one, corruption, level, seed=seed).images[0])
                axes.set_title(f"{level:g}", size=9, loc="center", pad=3)
        clear(list(cells.ravel()))
    return sheet.content


def explanation_picture(explained: Sequence[Explanation], *, kind: Kind = "png") -> bytes:
    """A row for each face: its crop, the heatmap over it, and the deletion curve with the check's verdict above it.

    The gray band is where all the random orders lie, the dashed line their mean. Several faces are numbered from 1.
    """
    rows = len(explained)
    with sheet_of(9.6, 2.95 * rows, kind) as sheet:
        cells = np.array(sheet.axes(rows, 3, width_ratios=(1, 1, 2))).reshape(rows, 3)
        for number, ((crop, heat, curve), one) in enumerate(zip(cells, explained, strict=True), 1):
            which = f"face {number}\n" if rows > 1 else ""
            check, orders = one.check, one.check.orders
            show(crop, one.face)
            crop.set_title(f"{which}{shortened(one.label, 14)} {one.confidence:.2f}", loc="center")
            show(heat, one.face)
            shade = np.where(one.heatmap[..., None] > 0, _RED_BLUE[0], _RED_BLUE[1])
            heat.imshow(np.dstack([shade, 0.85 * np.abs(one.heatmap) ** 0.8]), interpolation="bilinear")
            heat.set_title("the heatmap", loc="center")
            heat.set_xlabel("red: for it; blue: against it", size=9)
            clear([crop, heat])
            curve.fill_between(check.taken, orders.min(0), orders.max(0), color=FAINT, linewidth=0)
            curve.plot(check.taken, orders.mean(0), color=QUIET, ls="--")
            curve.plot(check.taken, check.curve, color=VAL, linewidth=2)
            verdict, _, why = check.verdict.partition(": ")
            curve.set_title(verdict, weight="bold", color=INK if check.passed else WRONG, pad=30)
            said = f"{why}\narea under its line {check.area:.2f}, under their mean (dashed) {check.areas.mean():.2f}"
            curve.annotate(
                said, (0, 1), (0, 5), size=9, xycoords="axes fraction", textcoords="offset points", color=QUIET
            )
            blurred = "share of the face blurred; gray: all random orders"
            curve.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=blurred, ylabel=f"P({shortened(one.label)})")
            curve.grid()
    return sheet.content

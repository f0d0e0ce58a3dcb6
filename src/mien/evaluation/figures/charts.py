"""Figures of numbers: curves, rungs, matrices, bars."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.evaluation.calibration import coverage_curve
from mien.evaluation.figures.sheet import TRAIN, VAL, Kind, sheet_of, shortened, width
from mien.evaluation.metrics import equal_mass
from mien.evaluation.robustness import Robustness
from mien.labels import colours
from mien.style import INK, MARKS, QUIET, SERIES


def ladder_picture(
    names: Sequence[str],
    accuracies: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    *,
    baseline: float | None = None,
    title: str = "Accuracy, rung by rung",
    kind: Kind = "svg",
) -> bytes:
    """Networks from left to right, each a rung at the height of its accuracy, with its interval and the step up to it.

    `baseline` is the accuracy of always answering the most common class: what one gets without looking.
    """
    with sheet_of(max(4.0, 1.5 * len(names) + 0.8), 3.9, kind) as sheet:
        axes = sheet.axes()[0]
        for place, (value, (low, high)) in enumerate(zip(accuracies, intervals, strict=True)):
            axes.fill_between([place - 0.36, place + 0.36], low, high, color=TRAIN, alpha=0.18, linewidth=0)
            axes.plot([place - 0.36, place + 0.36], [value, value], color=TRAIN, linewidth=5, solid_capstyle="butt")
            axes.annotate(
                f"{value:.3f}", (place, high), (0, 4), textcoords="offset points", ha="center", weight="bold",
                bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"},
            )  # fmt: skip
        for place, (before, after) in enumerate(pairwise(accuracies)):
            middle = place + 0.5
            axes.plot([place + 0.36, middle, middle], [before, before, after], color=QUIET, linewidth=0.8, ls=":")
            axes.plot([middle, place + 0.64], [after, after], color=QUIET, linewidth=0.8, ls=":")
            step = f"{100 * (after - before):+.1f}".replace("-", "\N{MINUS SIGN}")
            axes.annotate(
                step, (middle, (before + after) / 2), ha="center", va="center", color=QUIET, size=9,
                bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none"},
            )  # fmt: skip
        lowest = min([low for low, _ in intervals] + ([baseline] if baseline is not None else []))
        if baseline is not None:
            axes.axhline(baseline, color=QUIET, linewidth=1, ls="--")
            axes.annotate(
                f"always the most common class: {baseline:.3f}", (len(names) - 0.5, baseline), (0, 4),
                textcoords="offset points", ha="right", color=QUIET, size=9,
            )  # fmt: skip
        axes.set_xticks(range(len(names)), [shortened(name, 16) for name in names], color=INK)
        axes.tick_params(axis="x", length=0)
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_ylim(max(0.0, lowest - 0.06), min(1.02, max(high for _, high in intervals) + 0.06))
        axes.set_title(title)
        axes.grid(axis="y")
    return sheet.content


def curves(history: Sequence[Mapping[str, float]], *, kind: Kind = "svg") -> bytes:
    """Loss and accuracy over the epochs, from the rows of a `history.csv`; the best epoch (by validation) is marked."""
    epochs = [row["epoch"] for row in history]
    best = max(range(len(history)), key=lambda at: (history[at]["val_accuracy"], -history[at]["val_loss"]), default=0)
    with sheet_of(8, 3.1, kind) as sheet:
        for axes, what in zip(sheet.axes(1, 2), ("loss", "accuracy"), strict=True):
            for split, name, shade in (("train", "training", TRAIN), ("val", "validation", VAL)):
                values = [row[f"{split}_{what}"] for row in history]
                line, dot = "-" if split == "val" else "--", "o" if len(values) == 1 else ""  # one point is no line
                axes.plot(epochs, values, color=shade, label=name, ls=line, marker=dot, linewidth=1.8)
                if split == "val" and values:
                    axes.plot(epochs[best], values[best], "o", color=shade, markersize=6)
                    text = f"{values[best]:.3f}"
                    axes.annotate(text, (epochs[best], values[best]), (0, 7), textcoords="offset points", ha="center")
            axes.margins(y=0.14)
            axes.set_title(what)
            axes.set_xlabel("epoch")
            axes.locator_params("x", integer=True, min_n_ticks=1)
            axes.grid(axis="y")
        sheet.figure.axes[0].legend(loc="upper right")
    return sheet.content


def confusion_matrix(counts: ArrayLike, classes: Sequence[str], *, kind: Kind = "svg") -> bytes:
    """A confusion matrix `(K, K)` of counts, drawn as shares of each true class (a row adds to 1)."""
    table = np.asarray(counts)
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    k, names = len(classes), [shortened(name) for name in classes]
    longest = 0.085 * max(map(width, names), default=0)  # inches
    with sheet_of(0.62 * k + max(1.5, longest + 0.9), 0.56 * k + max(1.1, 0.6 * longest + 0.7), kind) as sheet:
        axes = sheet.axes()[0]
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for true, predicted in np.ndindex(k, k):
            share = shares[true, predicted]
            axes.text(
                predicted, true, f"{share:.2f}" if table[true].any() else "", ha="center", va="center", size=9,
                color="white" if share > 0.68 else INK if share >= 0.1 else QUIET,  # from there on white reads better
                weight="bold" if true == predicted else "normal",
            )  # fmt: skip
        axes.set_xticks(range(k), names, rotation=35, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(k), [f"{name} ({n:,})" for name, n in zip(names, table.sum(1), strict=True)])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set(xlabel="predicted", ylabel="true (faces)")
    return sheet.content


def confidence_picture(labels: NDArray[np.int64], probabilities: NDArray[np.floating], *, kind: Kind = "svg") -> bytes:
    """Left: accuracy against confidence, in 15 bins of equal size (equal confidences share one); calibrated answers
    are on the diagonal. Right: the accuracy of the most confident answers, by their share of all."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    place = equal_mass(confidence)
    bins = [place == number for number in np.unique(place)]
    coverage, accuracy = coverage_curve(labels, probabilities)
    with sheet_of(8, 3.6, kind) as sheet:
        honest, kept = sheet.axes(1, 2)
        honest.plot([0, 1], [0, 1], color=QUIET, ls="--", linewidth=1, label="confidence = accuracy")
        means = [(confidence[part].mean(), right[part].mean()) for part in bins]
        honest.plot(
            *zip(*means, strict=True),
            "o-",
            color=TRAIN,
            linewidth=1.8,
            markersize=5,
            label=f"{len(bins)} bins of faces",
        )
        honest.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02), title="reliability")
        honest.legend(loc="upper left")
        kept.plot(100 * coverage, accuracy, color=VAL, linewidth=1.8)
        kept.set(xlabel="faces answered, the surest first (%)", xlim=(0, 102), title="accuracy and coverage")
        kept.set_ylim(min(0.98, float(accuracy[len(accuracy) // 20 :].min())) - 0.02, 1.005)
        for axes in (honest, kept):
            axes.grid()
    return sheet.content


def robustness_picture(found: Mapping[str, Robustness], *, kind: Kind = "svg") -> bytes:
    """Accuracy against the level of each corruption, a curve a network; dashed: on the faces as they are."""
    names = list(dict.fromkeys(level.kind for level in next(iter(found.values())).levels))
    lines: list[Any] = []
    with sheet_of(11, 5.6, kind) as sheet:
        cells = sheet.axes(2, -(-len(names) // 2), sharey=True)
        for axes, name in zip(cells, names, strict=False):
            for place, one in enumerate(found.values()):
                levels = one.of(name)
                shade, mark = SERIES[place % len(SERIES)], MARKS[(place + place // len(SERIES)) % len(MARKS)]
                at = range(len(levels))
                lows, highs = zip(*(level.interval for level in levels), strict=True)
                axes.axhline(one.clean, color=shade, ls="--", linewidth=0.9)
                axes.fill_between(at, lows, highs, color=shade, alpha=0.15, linewidth=0)
                lines += axes.plot(at, [level.accuracy for level in levels], f"{mark}-", color=shade, linewidth=1.8)
                axes.set_xticks(at, [f"{level.level:g}" for level in levels])
                axes.set_xlabel(levels[0].unit, size=9)
            axes.set_title(name)
            axes.grid(axis="y")
        for axes in cells[len(names) :]:
            axes.set_visible(False)
        # By handles, for matplotlib leaves out labels that begin with "_"; above, for many hide the curves.
        labels = [shortened(network, 30) for network in found]
        sheet.figure.legend(lines[: len(found)], labels, loc="outside upper center", ncols=min(4, len(found)))
    return sheet.content


def class_counts(counts: Mapping[str, Mapping[str, int]], *, kind: Kind = "svg") -> bytes:
    """How many faces each class has in each split (`{split: FaceSet.counts}`), with its share of the split."""
    names = list(next(iter(counts.values())))
    shades, short = colours(names), [shortened(name) for name in names]
    room = max(0.8, 0.085 * max(map(width, short), default=0))
    with sheet_of(3 * len(counts) + room, 0.36 * len(names) + 0.8, kind) as sheet:
        for axes, (split, found) in zip(sheet.axes(1, len(counts), sharey=True), counts.items(), strict=True):
            values, total = list(found.values()), max(1, sum(found.values()))
            bars = axes.barh(range(len(names)), values, color=shades, height=0.72)
            labels = [f"{value:,} ({value / total:.1%})" for value in values]
            axes.bar_label(bars, labels, padding=3, size=9, color=QUIET)
            axes.set_xlim(0, max([1, *values]) * 1.55)  # room for the labels
            axes.set_title(f"{split}: {sum(values):,} faces")
            axes.set_xticks([])
            axes.spines[["bottom", "left"]].set_visible(False)
            axes.tick_params(length=0, labelcolor=INK)
        sheet.figure.axes[0].set_yticks(range(len(names)), short)  # two names may begin alike
        sheet.figure.axes[0].invert_yaxis()  # the first class on top; the others share the axis
    return sheet.content

"""What the lessons share: where the faces come from, and how pictures look. Everything else is in the lessons.

Drawn faces are the default, so that nothing has to be downloaded. For the real FER2013 give its absolute path:

    MIEN_DATA="$PWD/data/fer2013.csv" jupyter lab lessons        (or write the path into DATA below)
"""

import atexit
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import mien
from mien.labels import COLOURS

DATA = os.environ.get("MIEN_DATA")  # or its whole path, such as "/home/me/mien/data/fer2013.csv"

_MADE = tempfile.TemporaryDirectory(prefix="mien-lesson-", ignore_cleanup_errors=True)
atexit.register(_MADE.cleanup)
MADE = Path(_MADE.name)
"""The folder for what a lesson writes. It is removed when the lesson ends: real people's faces may be in it."""

BLUE, ORANGE, GREEN, PINK, GRAY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8A8A8A"
"""Colours that colour-blind readers can tell apart (Okabe and Ito, 2008). Training is blue, validation orange."""

# Every picture has a white background, so that it can be read on a light and on a dark page.
plt.rcParams.update(
    {
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        "figure.dpi": 110,
        "figure.constrained_layout.use": True,
        "font.size": 10,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "axes.labelcolor": "#595959",
        "axes.edgecolor": "#D9D9D9",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": "#EBEBEB",
        "xtick.color": "#595959",
        "ytick.color": "#595959",
        "legend.frameon": False,
        "lines.linewidth": 1.8,
        "image.cmap": "gray",
        "axes.prop_cycle": plt.cycler(color=[BLUE, ORANGE, GREEN, PINK, "#56B4E9", "#E69F00"]),
    }
)


def faces(n=3000, at_most=None):
    """The three splits: `n` drawn faces, or FER2013 with at most `at_most` of its training faces."""
    if DATA is None:
        return mien.drawn_faces(n)
    splits = mien.load_faces(DATA)
    train, val, test = splits.train[:at_most], splits.val, splits.test
    if not len(test):
        print(f"{DATA} has no test faces: every second validation face plays their part.")
        val, test = val[0::2], val[1::2]
    return mien.Splits(train, val, test, source=splits.source)


def fer2013_csv(n=1200):
    """The path of a CSV file in FER2013's plainest form: the real file if it has this form, else one with `n` faces."""
    header = "emotion,pixels,Usage"
    if DATA is not None and DATA.endswith(".csv"):
        with open(DATA, encoding="utf-8") as file:  # other forms have blanks in the header, or no Usage
            if file.readline().strip() == header:
                return Path(DATA)
    path = MADE / "fer2013.csv"
    rows = [header]
    for usage, (_, split) in zip(("Training", "PublicTest", "PrivateTest"), faces(n, at_most=n), strict=True):
        rows += [f"{label},{' '.join(map(str, face.ravel()))},{usage}" for face, label in split]
    path.write_text("\n".join(rows) + "\n")
    return path


def show_faces(images, titles=(), columns=8, colours=None, height=1.3, **options):
    """Pictures side by side, each with its title. `options` go to matplotlib's imshow (say, vmin and vmax)."""
    rows = -(-len(images) // columns)
    figure, cells = plt.subplots(rows, columns, figsize=(0.86 * height * columns, height * rows), squeeze=False)
    if not options:
        options = {"vmin": 0, "vmax": 255}
    for place, cell in enumerate(cells.ravel()):
        cell.axis("off")
        if place < len(images):
            cell.imshow(np.asarray(images[place]).squeeze(), **options)
        if place < len(titles):
            colour = colours[place] if colours else "#1A1A1A"
            cell.set_title(titles[place], fontsize=8.5, loc="center", pad=3, color=colour)
    return figure


def show_answers(images, predicted, true):
    """Faces with the predicted and the true label. A tick or a cross says which are right, not the colour alone."""
    right = [guess == truth for guess, truth in zip(predicted, true, strict=True)]
    titles = [
        f"✓ {guess}" if fits else f"✗ {guess}\n(true: {truth})"
        for guess, truth, fits in zip(predicted, true, right, strict=True)
    ]
    return show_faces(
        images, titles, columns=6, height=1.7, colours=["#1A1A1A" if fits else "#B03A00" for fits in right]
    )


def curves(histories):
    """Loss and accuracy over the epochs. `histories` maps a name to a list of `mien.Epoch`s.

    Dashed: on the training faces. Solid: on the validation faces.
    """
    figure, panels = plt.subplots(1, 2, figsize=(8.6, 3.4))
    for panel, what in zip(panels, ("loss", "accuracy"), strict=True):
        for place, (name, history) in enumerate(histories.items()):
            colour = [BLUE, ORANGE, GREEN, PINK][place % 4]
            numbers = range(1, len(history) + 1)
            learned = [getattr(epoch, f"train_{what}") for epoch in history]
            judged = [getattr(epoch, f"val_{what}") for epoch in history]
            panel.plot(numbers, learned, "--", color=colour, alpha=0.75, label=f"{name}: training")
            panel.plot(numbers, judged, "-", color=colour, label=f"{name}: validation")
        panel.set(title=what, xlabel="epoch")
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.grid(axis="y")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8.5)
    return figure


def bars(values, title, errors=None, colours=None, style="{:.3f}"):
    """Horizontal bars with a number beside each. `values` maps a name to a number, `style` is the numbers' format."""
    figure, panel = plt.subplots(figsize=(7.2, 0.42 * len(values) + 0.9))
    names = list(values)
    shades = colours or [COLOURS.get(name, BLUE) for name in names]
    drawn = panel.barh(names, list(values.values()), color=shades, height=0.66, xerr=errors, ecolor="#595959")
    panel.bar_label(drawn, [style.format(value) for value in values.values()], padding=5, color="#595959")
    panel.invert_yaxis()
    panel.margins(x=0.15)
    panel.set_title(title)
    panel.tick_params(axis="y", length=0, labelcolor="#1A1A1A")
    panel.grid(axis="x")
    return figure

"""Figures of recognition, as PNG or SVG bytes: a face's expressions over time, and a sheet of the faces found.

Both gather what they need as the readings come, in bounded memory.
"""

import io
from bisect import insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import MissingExtra
from mien.labels import colours
from mien.names import printable
from mien.recognition.records import Face, Frame, Reading
from mien.style import QUIET, SIGNED, look

try:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
except ImportError:
    raise MissingExtra("matplotlib", "figures", "Drawing figures") from None

Kind = Literal["png", "svg"]
POINTS = 1000
"""The most points kept of one face's course: whenever there are more, every second one is dropped."""
FOLLOWED = 100
"""The most courses kept: of more, the shortest whose face is out of sight is dropped."""
LANES, FACES, TILE = 6, 120, 72
"""The most faces that a timeline and a sheet show, and a sheet's crops in pixels."""
PADDING = 225
"""A gray."""


class _Course:
    """One face through a video: times, and its probabilities then, thinned."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.values: list[list[float]] = []
        self.seen, self.step = 0, 1

    def add(self, time: float, values: list[float]) -> None:
        if self.seen % self.step == 0:
            self.times.append(time)
            self.values.append(values)
        self.seen += 1
        if len(self.times) > POINTS:
            self.times, self.values, self.step = self.times[::2], self.values[::2], 2 * self.step


class Timeline:
    """Gathers a video's readings; `picture` draws the expressions of its longest-seen faces over time."""

    def __init__(self) -> None:
        self.courses: dict[tuple[str, int], _Course] = {}
        self.classes: tuple[str, ...] = ()
        self.dropped = 0

    def add(self, frame: Frame, reading: Reading) -> None:
        """Note a reading; photos have no time and are passed over."""
        for face in reading:
            if reading.time is not None:
                self.classes = tuple(face.probabilities)
                course = self.courses.setdefault((reading.source, face.id or 0), _Course())
                course.add(reading.time, list(face.probabilities.values()))
        here = {(reading.source, face.id or 0) for face in reading}
        while len(self.courses) > FOLLOWED and (gone := [key for key in self.courses if key not in here]):
            del self.courses[min(gone, key=lambda key: self.courses[key].seen)]
            self.dropped += 1

    def picture(self, kind: Kind = "svg") -> bytes:
        """A lane for each of the LANES faces that were seen longest, in order: shares of the expressions, a gap while
        away."""
        lanes = sorted(sorted(self.courses.items(), key=lambda item: -item[1].seen)[:LANES], key=lambda item: item[0])
        left = self.dropped + len(self.courses) - len(lanes)
        with look():
            figure = Figure(figsize=(9, 1.2 + 1.5 * max(1, len(lanes))), layout="constrained", facecolor="white")
            axes = figure.subplots(max(1, len(lanes)), 1, sharex=True, squeeze=False)[:, 0]
            names = _names([source for source, _ in self.courses])
            for axis, ((source, number), course) in zip(axes, lanes, strict=False):
                times, shares = _with_gaps(course)
                lines = {"edgecolor": "white", "linewidth": 0.5}  # between colours that look alike to some
                axis.stackplot(times, shares.T, colors=colours(self.classes), labels=self.classes, **lines)
                axis.set(ylim=(0, 1), yticks=[0, 1])
                said, whose = f"face {number}" if number else "face", _shown(names[source], 80)
                if len(names) > 1:
                    axis.set_title(f"{whose}, {said}", parse_math=False)
                    continue
                axis.set_ylabel(said)
                if axis is axes[0]:
                    axis.set_title(whose, parse_math=False)
            if lanes:
                _legend(figure, *axes[0].get_legend_handles_labels())
            else:
                axes[0].text(0.5, 0.5, "no face in a video", ha="center")
            axes[-1].set_xlabel("seconds" + (f"; {left} more faces aren't shown" if left > 0 else ""))
            return _bytes(figure, kind)


def _legend(figure: Figure, handles: Sequence[Any], names: Sequence[str]) -> None:
    """Above the lanes, in as many columns as there is room for."""
    for columns in range(8, 0, -1):
        legend = figure.legend(handles, names, loc="outside upper center", ncols=columns, frameon=False)
        if columns == 1 or legend.get_window_extent().width < 0.98 * figure.bbox.width:
            return
        legend.remove()


@dataclass(frozen=True)
class _Tile:
    """A face of a sheet: its crop, and the file that it is from."""

    pixels: NDArray[np.uint8]
    face: Face
    source: str


class Sheet:
    """Gathers crops of the faces found, of each expression the surest; `picture` shows them."""

    def __init__(self) -> None:
        self.kept: dict[str, list[_Tile]] = {}
        """By expression, the surest first."""
        self.left_out = 0
        self._source, self._newest = "", 0

    def add(self, frame: Frame, reading: Reading) -> None:
        """Note a frame's faces; of a video each face once."""
        known = self._newest if reading.source == self._source else 0  # a video numbers its faces as they come, from 1
        self._source = reading.source
        self._newest = max([known, *(face.id or 0 for face in reading)])
        for face in reading:
            if face.id is not None and face.id <= known:
                continue
            if frame.pixels is not None:
                tile = _Tile(_tile(frame.pixels, face), face, frame.source)
                insort(self.kept.setdefault(face.label, []), tile, key=lambda tile: -tile.face.confidence)
                self._drop()

    def _drop(self) -> None:
        """Of too many, leave out the least sure face of the expression that has most."""
        if len(self.shown) > FACES:
            max(self.kept.values(), key=len).pop()
            self.left_out += 1

    @property
    def shown(self) -> list[_Tile]:
        """The faces in the order of the sheet."""
        return [tile for label in sorted(self.kept) for tile in self.kept[label]]

    def picture(self, kind: Kind = "png") -> bytes:
        """Up to FACES faces, the surest of each expression first; how many were left out is said."""
        order = self.shown
        columns = min(10, max(1, len(order)))
        rows = -(-max(1, len(order)) // columns)
        names = _captions(tile.source for tile in order)
        high = 1.75 if any("\n" in name for name in names.values()) else 1.6
        with look():
            layout = ConstrainedLayoutEngine(h_pad=0.08)  # inches; with less the names of the last row are cut off
            figure = Figure(figsize=(1.1 * columns + 0.4, high * rows + 0.6), layout=layout, facecolor="white")
            axes = figure.subplots(rows, columns, squeeze=False).ravel()
            for axis in axes:
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set_visible(False)
            for axis, tile in zip(axes, order, strict=False):
                axis.imshow(tile.pixels)
                said = f"{tile.face.label}{'?' if tile.face.uncertain else ''}\n{tile.face.confidence:.0%}"
                axis.set_title(said, fontsize=8, loc="center")
                axis.set_xlabel(names[tile.source], fontsize=7, labelpad=2, parse_math=False)
            said = f"{len(order)} face{'' if len(order) == 1 else 's'}" if order else "no face was found"
            said += f"; {self.left_out} more aren't shown" if self.left_out else ""
            figure.suptitle(said, fontsize=9, color=QUIET)
            return _bytes(figure, kind)


def _names(videos: Sequence[str]) -> dict[str, str]:
    """What videos are called: without their folders, unless two have the same name."""
    names = {video: Path(video).name for video in videos}
    return names if len(set(names.values())) == len(names) else {video: video for video in names}


def _captions(sources: Iterable[str]) -> dict[str, str]:
    """What files are called on a sheet: without folder and suffix, unless two have the same name; these have their
    suffix and, where they lie in several folders, these from where they differ.

    >>> list(_captions(["in/Day 1/a.JPG", "in/Day 2/a.JPG", "in/Day 2/b.JPG", "in/c.heic", "in/c.mov"]).values())
    ['a.JPG\\nDay 1', 'a.JPG\\nDay 2', 'b', 'c.heic', 'c.mov']
    """
    alike: dict[str, dict[str, Path]] = {}
    for source in sources:
        alike.setdefault(Path(source).stem, {})[source] = Path(source)
    captions = {}
    for stem, paths in alike.items():
        levels = zip(*(path.parent.parts for path in paths.values()), strict=False)
        shared = len(list(takewhile(lambda folders: len(set(folders)) == 1, levels)))
        apart = len({path.parent for path in paths.values()}) > 1
        for source, path in paths.items():
            folder = "/".join(path.parent.parts[shared:]) or path.parent.name
            name = _shown(stem if len(paths) == 1 else path.name, 14)
            captions[source] = f"{name}\n{_shown(folder, 14)}" if apart else name
    return captions


def _shown(name: str, most: int) -> str:
    """A file's name as it can be drawn, its middle left out where it is long: the ends tell names apart.

    >>> _shown("IMG_20260131_175959_HDR", 14)
    'IMG_202…59_HDR'
    """
    name = printable(name)
    return name if len(name) <= most else f"{name[: most // 2]}…{name[len(name) - (most - 1) // 2 :]}"


def _with_gaps(course: _Course) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times and shares, with zeros where the face was away for longer than four times the usual step."""
    times, shares = np.array(course.times), np.array(course.values)
    if len(times) < 3:
        return times, shares
    steps = np.diff(times)
    gaps = np.flatnonzero(steps > max(4 * float(np.median(steps)), 0.5))
    zeros = np.zeros((2 * len(gaps), shares.shape[1]))
    edges = np.stack([times[gaps] + 1e-3, times[gaps + 1] - 1e-3], 1).ravel()
    at = np.repeat(gaps + 1, 2)
    return np.insert(times, at, edges), np.insert(shares, at, zeros, axis=0)


def _tile(pixels: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
    """A square around a face, gray where it reaches over the picture's edge."""
    high, wide = pixels.shape[:2]
    x, y, width, height = face.box or (0, 0, wide, high)
    side = max(1, round((1.25 if face.box else 1) * max(width, height)))
    left, top = round(x + (width - side) / 2), round(y + (height - side) / 2)
    part = pixels[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)]
    over = (max(0, -top), max(0, top + side - high)), (max(0, -left), max(0, left + side - wide)), (0, 0)
    square = np.pad(part, over, constant_values=PADDING)
    return np.asarray(cv2.resize(square, (TILE, TILE), interpolation=cv2.INTER_AREA), np.uint8)


def _bytes(figure: Figure, kind: Kind) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=110, metadata={"Date": None} if kind == "svg" else {"Software": SIGNED})
    return buffer.getvalue()

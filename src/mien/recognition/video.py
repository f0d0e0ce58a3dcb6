"""Frames written to a video, at the pace of their times, in a format that browsers play."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from errno import ENOSPC
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError, MediaError, MissingExtra
from mien.files import replacing
from mien.names import is_text
from mien.recognition.complete import is_finished
from mien.recognition.kinds import for_ffmpeg
from mien.recognition.signed import sign_video
from mien.style import SIGNED

VIDEOS = (".webm", ".mp4")

FIRST = 10
"""Frames that are held until a video's pace is known from the times between them."""

LONGEST = 60.0
"""Seconds that a frame is shown at most, so that a broken clock fills no disk."""

FASTEST = 1000.0
"""Frames a second: times in a .webm are thousandths."""

MOST = 7200
"""How often a frame is written at most, for the same reason."""

LOOKED = 200
"""Every so many frames it is checked that the file still grows."""

NO_ROOM = 1 << 20
"""Bytes: where a file no longer grows and less is free, the disk is full."""


class VideoWriter:
    """Writes frames to a video that browsers play: .webm (VP8), or .mp4 (H.264, with the extra `h264`); signed.

    Its frame rate is that of its first frames; a frame that stays longer is repeated, and one that is followed sooner
    may be left out. The file takes its place when the writer is closed.

    Raises:
        DataError: another kind of file, or a name that isn't UTF-8. MissingExtra: H.264 without av. MediaError: the
            file can't be written, or, on closing, wasn't written to its end.
    """

    def __init__(self, path: str | os.PathLike[str], signature: str = SIGNED) -> None:
        self.signature = signature
        self.path, self.kind = Path(path), Path(path).suffix.lower()
        if self.kind not in VIDEOS:
            raise DataError(f"{path}: videos are written as {', '.join(VIDEOS)}.")
        if not is_text(str(path)):
            raise DataError(f"{path}: this name isn't text (UTF-8), which videos need; name another.")
        if self.kind == ".mp4":
            _av()
        self._stack = ExitStack()
        self._first: list[tuple[NDArray[np.uint8], float]] = []
        self._shown: tuple[NDArray[np.uint8], float] | None = None
        self._rate = self._due = 0.0
        self._written, self._size = 0, -1
        self._sink: Any = None

    def write(self, pixels: NDArray[np.uint8], time: float) -> None:
        """Add a frame, uint8 `(H, W, 3)` RGB; its `time` in seconds. One of another size is fitted to the first."""
        if self._sink is not None:
            self._show(pixels, time)
            return
        self._first.append((pixels, time))
        if len(self._first) == FIRST:
            self._open()

    def _show(self, pixels: NDArray[np.uint8], time: float) -> None:
        """Write the frame before this one, as it is known now how long it stays."""
        if self._shown:
            before, since = self._shown
            self._due += min(self._rate * min(max(time - since, 0), LONGEST), MOST)
            while self._due >= 0.5:
                self._put(before)
                self._due -= 1
        self._shown = (pixels, time)

    def _put(self, pixels: NDArray[np.uint8]) -> None:
        try:
            self._sink(pixels)
        except OSError as error:  # PyAV's, which has the name of the unfinished file
            raise MediaError(f"{self.path}: {error.strerror}.") from None
        self._written += 1
        if self._written % LOOKED == 0:  # OpenCV doesn't say that a disk is full
            size, before = self._beside.stat().st_size, self._size
            self._size = size
            if size == before and shutil.disk_usage(self._beside.parent).free < NO_ROOM:
                raise MediaError(f"{self.path}: {os.strerror(ENOSPC)}.")

    def _seal(self) -> None:
        """Sign the file, once the coder has closed it."""
        if self._sink is None:  # it couldn't be opened, so there is no file
            return
        if self.kind == ".webm" and not is_finished(self._beside):  # PyAV raises its errors
            raise MediaError(
                f"{self.path}: it couldn't be written to its end; was the disk full? Make room and draw it again."
            )
        sign_video(self._beside, self.signature)

    def _open(self) -> None:
        first, self._first = self._first, []
        self._rate = min(max(_pace([time for _, time in first]), 0.1), FASTEST)
        size = tuple(side + side % 2 for side in first[0][0].shape[1::-1])  # both coders want even sides
        opened = _vp8 if self.kind == ".webm" else _h264
        with ExitStack() as stack:
            self._beside = stack.enter_context(replacing(self.path))
            stack.callback(self._seal)
            try:
                self._sink = opened(self._beside, self._rate, size, stack)
            except MediaError as error:
                raise MediaError(f"{self.path}: {error}") from None
            self._stack.push(stack.pop_all())
        for frame in first:
            self._show(*frame)

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        with self._stack:  # puts the file in place; what was drawn is kept also when something else failed
            if self._first:
                self._open()
            if self._shown:
                self._put(self._shown[0])


def _pace(times: list[float]) -> float:
    """Frames a second, by the mean of the gaps near the median one, as times are often rounded.

    >>> _pace([0, 0.5, 0.54, 0.58, 0.62])
    25.0
    """
    gaps = sorted(later - sooner for sooner, later in pairwise(times) if later > sooner)
    usual = [gap for gap in gaps if 0.5 < gap / gaps[len(gaps) // 2] < 1.5]
    return round(len(usual) / sum(usual), 3) if gaps else 1.0


def _fitted(pixels: NDArray[np.uint8], size: tuple[int, ...]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    if (width, height) == size:
        return np.ascontiguousarray(pixels)
    if 0 <= size[0] - width <= 1 and 0 <= size[1] - height <= 1:
        return np.pad(pixels, ((0, size[1] - height), (0, size[0] - width), (0, 0)), mode="edge")
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _vp8(path: Path, rate: float, size: tuple[int, ...], stack: ExitStack) -> Any:
    with _silenced():  # whatever its log level, OpenCV says on stderr that it falls back to VP8
        writer = cv2.VideoWriter(for_ffmpeg(path), cv2.VideoWriter.fourcc(*"VP80"), rate, size)
    stack.callback(writer.release)
    if not writer.isOpened():
        raise MediaError(f"OpenCV can't write VP8 of {size[0]:,} × {size[1]:,} pixels here; a side has 16,383 at most.")
    return lambda pixels: writer.write(cv2.cvtColor(_fitted(pixels, size), cv2.COLOR_RGB2BGR))


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep native code off stderr meanwhile; not on Windows, where a progress bar would fail."""
    if os.name == "nt":
        yield
        return
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _h264(path: Path, rate: float, size: tuple[int, ...], stack: ExitStack) -> Any:
    av = _av()
    container = av.open(for_ffmpeg(path), "w")
    stack.callback(container.close)
    stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001))
    stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"

    def write(pixels: NDArray[np.uint8]) -> None:
        container.mux(stream.encode(av.VideoFrame.from_ndarray(_fitted(pixels, size), format="rgb24")))

    stack.callback(lambda: container.mux(stream.encode(None)))  # what the coder still holds; runs before close
    return write


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise MissingExtra("av", "h264", "Writing .mp4 videos") from None
    return av

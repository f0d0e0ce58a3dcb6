"""A video file or a camera -> its frames, one at a time, as they are displayed: rotated, with square pixels."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien import images
from mien.errors import MediaError
from mien.names import is_text
from mien.recognition.by_av import Film, other_codec
from mien.recognition.complete import is_cut_off
from mien.recognition.kinds import for_ffmpeg, head_of
from mien.recognition.records import Frame

GIVE_UP = 1000
"""After so many frames in a row that can't be decoded a video counts as over."""

PLAYLIST = b"ffconcat"
"""FFmpeg takes a text that begins with this for a list of files to play, which nobody named here."""


def film(name: str, what: str | int, *, every: int, last: int = -1, max_pixels: int) -> Iterator[Frame]:
    """The frames of a video file, or of a camera by its number. A last one's `error` says what couldn't be decoded.

    Args:
        name: the Frames' `source`. every: take every so many'th frame. last: skip frames up to this index.
        max_pixels: a larger one is refused before it is decoded further.
    """
    try:
        with opened(what) as video:
            width, height = (video.get(side) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
            images.check_size(width, height, max_pixels)
            images.check_size(_aspect(video) * width, height, max_pixels)
            yield from decoded(name, video, every=every, last=last, live=isinstance(what, int))
    except (MediaError, OSError, cv2.error) as error:  # OSError: it was removed meanwhile
        said = error.strerror if isinstance(error, OSError) else str(error).strip()
        if isinstance(what, int):
            raise MediaError(said) from None
        yield Frame(name, None, error=said or "can't be read.")


def length(path: str) -> int:
    """How many frames a video's file says that it has; 0 where it doesn't. Raises MediaError, OSError, cv2.error."""
    with opened(path) as video:
        return max(0, int(video.get(cv2.CAP_PROP_FRAME_COUNT)))


def decoded(name: str, video: Any, *, every: int, last: int, live: bool) -> Iterator[Frame]:
    """The frames that an opened video gives. Raises MediaError where it gives none, or a `live` one no more."""
    count, rate = int(video.get(cv2.CAP_PROP_FRAME_COUNT)), video.get(cv2.CAP_PROP_FPS)
    rate = rate if rate > 0 else 25.0  # neither 0 nor NaN
    index = broken = failed = 0
    time = start = 0.0
    aspect: float | None = None
    while failed < GIVE_UP:
        if not video.grab():
            if live or index + failed >= count:
                break
            failed += 1
            continue
        # others follow, so the failed ones are damaged; at the end the count is wrong instead, as it often is
        index, broken, failed = index + failed, broken + failed, 0
        aspect = aspect or _aspect(video)  # PyAV knows it only once it has a frame
        at = video.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if live:  # on Linux a camera has the kernel's clock; on a Mac none
            at = at if sys.platform == "linux" else monotonic()
            start = start if index else at
            at -= start
        elif not index:
            at = max(0.0, at)  # of a raw stream, which has no clock, it is the least number there is
        time = at if at > time or not index else time + 1 / rate  # some files have no clock
        if index > last and index % every == 0:
            whole, pixels = video.retrieve()
            if whole:
                shown = np.asarray(cv2.cvtColor(_as_shown(pixels, aspect), cv2.COLOR_BGR2RGB), np.uint8)
                yield Frame(name, shown, index, round(time, 3))
            else:
                broken += 1
        index += 1
    if live:
        raise MediaError(f"camera {name}: it gives no more pictures.")
    if broken == index:
        raise MediaError("a video without a frame that can be decoded; it is empty or damaged.")
    said = [f"{broken:,} of {index:,} frames couldn't be decoded."] if broken else []
    said += [f"cut off after {index:,} frames; its end is missing."] if index < count and is_cut_off(name) else []
    if said:
        yield Frame(name, None, index, round(time, 3), " ".join(said))


@contextmanager
def opened(what: str | int) -> Iterator[Any]:
    """What decodes a video or camera: a `cv2.VideoCapture` or a Film. Raises MediaError where it can't be opened."""
    if not is_text(str(what)):
        raise MediaError("its name isn't text (UTF-8), which videos need; rename it.")
    if isinstance(what, str) and head_of(Path(what)).startswith(PLAYLIST):
        raise MediaError("a list of other files for FFmpeg, not a video; name those files.")
    if isinstance(what, int):
        video: Any = cv2.VideoCapture(what)
    else:  # FFmpeg only: else OpenCV tries its own picture decoders, too, which have known holes
        video = cv2.VideoCapture(for_ffmpeg(what), cv2.CAP_FFMPEG)
        video.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # OpenCV 4.11 doesn't turn by itself
    try:
        if not video.isOpened():
            if isinstance(what, int):
                allowed = " Or this terminal may not use it yet: see Privacy & Security in the System Settings."
                said = f"There is no camera {what}, or another program has it."
                raise MediaError(said + allowed * (sys.platform == "darwin"))
            empty = not os.path.getsize(what)
            raise MediaError("empty, 0 bytes." if empty else "no picture in it, damaged, or of a kind that isn't read.")
        if not isinstance(what, int) and (codec := other_codec(video)):
            video = Film(what, codec)
        yield video
    finally:
        video.release()


def _aspect(video: Any) -> float:
    """A displayed pixel's width by its height, once the video is rotated; 1 where that isn't said or is absurd."""
    wide, high = video.get(cv2.CAP_PROP_SAR_NUM), video.get(cv2.CAP_PROP_SAR_DEN)
    aspect = wide / high if wide > 0 and high > 0 else 1.0
    if int(video.get(cv2.CAP_PROP_ORIENTATION_META)) % 180 == 90 and video.get(cv2.CAP_PROP_ORIENTATION_AUTO):
        aspect = 1 / aspect
    return aspect if 0.2 < aspect < 5 else 1.0


def _as_shown(pixels: NDArray[Any], aspect: float) -> NDArray[Any]:
    if abs(aspect - 1) < 0.01:
        return pixels
    size = (max(1, round(aspect * pixels.shape[1])), pixels.shape[0])
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if aspect < 1 else cv2.INTER_LINEAR)

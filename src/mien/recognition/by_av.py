"""Videos that this OpenCV can't decode, by PyAV, with as much of `cv2.VideoCapture`'s interface as `films` uses."""

import os
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import MediaError
from mien.recognition.kinds import for_ffmpeg

NOT_OPENCVS = {b"av01": "AV1"}
"""Codecs by FourCC, in lower case, whose streams OpenCV below 4.13 finds in a file but can't decode."""


def other_codec(video: Any) -> str:
    """The codec that an opened `cv2.VideoCapture` can't decode; "" if it can."""
    return NOT_OPENCVS.get((int(video.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF).to_bytes(4, "little").lower(), "")


class Film:
    """Decodes the first video stream of a file.

    Raises:
        MediaError: PyAV isn't installed, or can't read the file; the message names the `codec`.
    """

    def __init__(self, path: str | os.PathLike[str], codec: str) -> None:
        try:
            import av
        except ImportError:
            raise MediaError(
                f'{codec}, which this OpenCV doesn\'t decode. Install PyAV, pip install "mien[h264]"; or convert it: '
                "ffmpeg -i IN -c:v libx264 OUT.mp4"
            ) from None
        self._failed = av.FFmpegError
        try:
            self._container = av.open(for_ffmpeg(path))
        except self._failed as error:
            raise MediaError(f"{codec} that PyAV can't open ({error.strerror}).") from None
        self._stream = self._container.streams.video[0]
        self._frames = self._container.decode(self._stream)
        self._now: Any = None

    def grab(self) -> bool:
        try:
            self._now = next(self._frames, None)
        except self._failed:
            self._now, self._frames = None, self._container.decode(self._stream)  # a generator that raised is over
        return self._now is not None

    def retrieve(self) -> tuple[bool, NDArray[np.uint8]]:
        """BGR, turned as the display matrix says."""
        pixels = np.rot90(self._now.to_ndarray(format="bgr24"), round(self._now.rotation / 90))
        return True, np.ascontiguousarray(pixels)

    def get(self, property: int) -> float:
        stream = self._stream
        if property == cv2.CAP_PROP_POS_MSEC:
            start = (stream.start_time or 0) * (stream.time_base or 0)
            return 1000 * float((self._now.time or 0) - start)
        known = {
            cv2.CAP_PROP_FRAME_COUNT: stream.frames or self._by_length(),
            cv2.CAP_PROP_FPS: stream.average_rate,
            cv2.CAP_PROP_SAR_NUM: stream.sample_aspect_ratio,
            cv2.CAP_PROP_SAR_DEN: 1,
            cv2.CAP_PROP_ORIENTATION_AUTO: 1,
            cv2.CAP_PROP_ORIENTATION_META: self._now.rotation if self._now else 0,
            cv2.CAP_PROP_FRAME_WIDTH: stream.codec_context.width,
            cv2.CAP_PROP_FRAME_HEIGHT: stream.codec_context.height,
        }
        return float(known.get(property) or 0)

    def _by_length(self) -> int:
        """How many frames to expect of a file that gives only its duration, such as .webm and .mkv."""
        return round((self._container.duration or 0) / 1e6 * float(self._stream.average_rate or 0))

    def release(self) -> None:
        self._container.close()

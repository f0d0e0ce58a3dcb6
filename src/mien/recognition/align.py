"""Where a face is -> the crop that the networks expect: upright, gray, cut as FER2013's are.

Which crop is best was measured by pasting FER2013's faces into photographs (benchmarks/crop.py, docs/LOG.md): the
detector's box made square and turned upright by the landmarks does better than moving the landmarks to fixed places,
since in a face that looks aside they crowd together.
"""

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.images import channels_first
from mien.recognition.detect import Detection

SHARE = 1.08
"""The crop's side, as a share of the side of a square with the box's area."""

FINEST = 16
"""A large face is sampled at up to so many points along each pixel of its crop, then averaged."""

FLAT = 6.0
"""Gray levels of 255. A crop whose pixels deviate less from their mean is too dark or empty, so its answer is
uncertain: networks bring every crop to one contrast, and there that of the noise. Of FER2013's validation faces two
have less, both empty; of the others 999 in 1,000 have 16 or more."""


def crops(
    pixels: NDArray[np.uint8], faces: Sequence[Detection], shape: tuple[int, int, int] = (1, 48, 48)
) -> NDArray[np.uint8]:
    """The faces of a frame as a network's input: uint8 `(N, C, H, W)` for `shape` (C, H, W).

    Each is a square around the centre of the face's box, rotated so that eyes and mouth are level. Beyond the frame its
    border pixels are repeated; nothing is stretched.

    Args:
        pixels: uint8 `(H, W, 3)` RGB.
    """
    channels, height, width = shape
    seen: NDArray[Any] = pixels if channels == 3 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    cut = np.zeros((len(faces), height, width, *seen.shape[2:]), np.uint8)
    for place, face in enumerate(faces):
        cut[place] = _cut(seen, upright(face, width, height), width, height)
    return np.ascontiguousarray(channels_first(cut))


def whole(pixels: NDArray[np.uint8], shape: tuple[int, int, int] = (1, 48, 48)) -> NDArray[np.uint8]:
    """A frame that is itself a crop: the square in its middle at the size of a network's input, `(1, C, H, W)`."""
    channels, height, width = shape
    seen: NDArray[Any] = pixels if channels == 3 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    scale = min(seen.shape[0] / height, seen.shape[1] / width)
    down, across = (round(side * scale) for side in (height, width))
    top, left = (seen.shape[0] - down) // 2, (seen.shape[1] - across) // 2
    seen = seen[top : top + down, left : left + across]
    if seen.shape[:2] != (height, width):
        seen = cv2.resize(seen, (width, height), interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC)
    return np.ascontiguousarray(channels_first(np.asarray(seen, np.uint8)[None]))


def flat(seen: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """`(N,)`: which crops `(N, C, H, W)` have hardly any contrast (see `FLAT`)."""
    return np.array([max(cv2.meanStdDev(plane)[1].item() for plane in crop) < FLAT for crop in seen], np.bool_)


def upright(face: Detection, width: int, height: int) -> NDArray[np.float64]:
    """The affine matrix `(2, 3)`, rotation, scale and shift, from a frame's pixels to those of a crop of that face."""
    right_eye, left_eye, _, right_mouth, left_mouth = np.array(face.landmarks)
    level = left_eye - right_eye + left_mouth - right_mouth
    angle = -math.atan2(level[1], level[0])
    x, y, across, down = face.box
    scale = min(width, height) / (SHARE * math.sqrt(max(across * down, 1.0)))
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    return np.column_stack([turn, middle - turn @ (x + across / 2 - 0.5, y + down / 2 - 0.5)])


def _cut(seen: NDArray[np.uint8], to_crop: NDArray[np.float64], width: int, height: int) -> NDArray[np.uint8]:
    """The crop that `to_crop` maps onto. A pixel of it may cover many of the frame: sampled finely, then averaged."""
    scale = math.hypot(to_crop[0, 0], to_crop[1, 0])
    fine = min(max(1, math.ceil(1 / max(scale, 1e-6))), FINEST)
    finer = to_crop * fine
    finer[:, 2] += (fine - 1) / 2  # whole numbers are the centres of pixels
    large: NDArray[Any] = cv2.warpAffine(
        seen, finer, (width * fine, height * fine), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return large if fine == 1 else cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]

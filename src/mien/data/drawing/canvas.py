"""Shapes to pixels in whole numbers: bands between two curves, ellipses, and a warp, for many pictures at once.

Lengths are in 1/64 of a canvas pixel (`PIXEL`), shares (coverage, weights, tangents of angles) in 1/256 (`ONE`), tones
0..4095. A shape's edge is a ramp of 1 1/3 pixels, so nothing needs to be drawn larger and shrunk. Everything is int32
with shifts and floor divisions, which numpy defines to the bit; there is no float in here.
"""

from math import isqrt

import numpy as np
from numpy.typing import NDArray

from mien.data.drawing.dice import Dice, Ints

PIXEL = 64
ONE = 256
SIDE = 80
"""Side of the canvas, in canvas pixels. A face is drawn upright on it, then warped to 48×48."""

XS = (np.arange(SIDE, dtype=np.int32) * PIXEL + PIXEL // 2)[None, None, :]
YS = (np.arange(SIDE, dtype=np.int32) * PIXEL + PIXEL // 2)[None, :, None]

CIRCLE = np.array([isqrt(ONE * ONE - k * k) for k in range(ONE + 1)], np.int32)
"""sqrt(1 - t²) for t = 0..1 in 1/256: half the width of a circle at height t."""
BOX = np.array([isqrt(isqrt(ONE**4 - k**4)) for k in range(ONE + 1)], np.int32)
"""(1 - t⁴)^(1/4): the same for a rounded square."""


class Window:
    """A part of the canvas: rows top..bottom, columns left..right. Small windows are what makes drawing fast."""

    def __init__(self, left: int, right: int, top: int, bottom: int) -> None:
        self.part = (slice(None), slice(top, bottom), slice(left, right))
        self.x = XS[:, :, left:right]  # (1, 1, w)
        self.y = YS[:, top:bottom]  # (1, h, 1)


def inside(distance: Ints) -> Ints:
    """Coverage 0..256 of pixels by the signed distance to an edge, positive inside. Overwrites `distance`."""
    distance *= 3
    distance += ONE // 2
    return np.clip(distance, 0, ONE, out=distance)


def band(values: Ints, low: Ints, high: Ints) -> Ints:
    """Coverage of the band low..high. One thinner than a pixel fades; where high is below low there is none."""
    cover = inside(values - low)
    cover += inside(high - values)
    cover -= ONE
    return np.maximum(cover, 0, out=cover)


def around(values: Ints, centre: Ints, half: Ints | np.int32) -> Ints:
    """Coverage of what is at most `half` away from `centre`: a band that doesn't fade when it is thin."""
    return inside(half - np.abs(values - centre))


def across(values: Ints, centre: Ints, half: Ints | np.int32) -> Ints:
    """Where `values` lie between centre - half (-256) and centre + half (256), held to -1024..1024."""
    share: Ints = (values - centre) * ONE // np.maximum(half, 1)
    return np.clip(share, -ONE * 4, ONE * 4)


def ellipse(window: Window, x: Ints, y: Ints, across_half: Ints | np.int32, down_half: Ints | np.int32) -> Ints:
    """Coverage of an ellipse."""
    u, v = across(window.x, x, across_half), across(window.y, y, down_half)
    reach = (ONE * ONE - u * u) - v * v  # twice the distance to the edge, near it, in shares of the radius
    reach >>= 8
    reach *= np.minimum(across_half, down_half)
    reach >>= 9
    return inside(reach)


def paint(layer: Ints, window: Window, tone: Ints | int, cover: Ints) -> None:
    """Lay `tone` over a part of the layer as far as `cover` (0..256) says."""
    part = layer[window.part]
    change = tone - part
    change *= cover
    change >>= 8
    part += change


def upsampled(coarse: Ints, side: int) -> Ints:
    """(N, k, k) -> (N, side, side) by straight lines between the points."""
    k = coarse.shape[1]
    at = np.arange(side, dtype=np.int32) * ((k - 1) * ONE) // side
    weights = np.zeros((side, k), np.int32)
    weights[np.arange(side), at >> 8] = ONE - (at & 255)
    weights[np.arange(side), (at >> 8) + 1] += at & 255
    rows: Ints = np.matmul(weights, coarse) >> 8
    out: Ints = np.matmul(rows, weights.T) >> 8
    return out


def warped(layer: Ints, side: int, x: Ints, y: Ints, scale: Ints, turn: Ints, mirror: Ints) -> Ints:
    """The layer seen through a camera: (N, SIDE, SIDE) -> (N, side, side), by bilinear sampling.

    `x`, `y`: the point of the canvas in the picture's middle. `scale`: canvas pixels a picture pixel, in 1/64.
    `turn`: the tangent of the roll, in 1/256. `mirror`: 1 or -1.
    """
    at = np.arange(side, dtype=np.int32) * 2 - (side - 1)  # half pixels from the middle
    across, down = (at[None, None, :] * mirror) * scale, at[None, :, None] * scale  # 1/128 of a canvas pixel
    cosine = ONE - ((turn * turn) >> 9)
    sx = x + ((across * cosine - down * turn) >> 9)
    sy = y + ((across * turn + down * cosine) >> 9)
    sx = np.clip(sx - PIXEL // 2, 0, (SIDE - 1) * PIXEL - 1)
    sy = np.clip(sy - PIXEL // 2, 0, (SIDE - 1) * PIXEL - 1)
    at = ((sy >> 6) * SIDE + (sx >> 6)) + np.arange(len(layer), dtype=np.int32)[:, None, None] * (SIDE * SIDE)
    fx, fy = sx & (PIXEL - 1), sy & (PIXEL - 1)
    flat = layer.reshape(-1)
    top: Ints = flat.take(at)
    below: Ints = flat.take(at + SIDE)
    top += (flat.take(at + 1) - top) * fx >> 6
    below += (flat.take(at + (SIDE + 1)) - below) * fx >> 6
    below -= top
    below *= fy
    below >>= 6
    top += below
    return top


def blurred(picture: Ints, share: Ints) -> Ints:
    """Each pixel gives `share` (1/256, up to 85) to each neighbour, first along rows, then along columns."""
    for axis in (2, 1):
        padded = np.pad(picture, [(0, 0)] + [(1, 1) if a == axis else (0, 0) for a in (1, 2)], mode="edge")
        lower, upper = (padded[:, :, :-2], padded[:, :, 2:]) if axis == 2 else (padded[:, :-2], padded[:, 2:])
        around = lower + upper
        around -= picture
        around -= picture
        around *= share
        around >>= 8
        picture = picture + around
    return picture


def grain(dice: Dice, side: int) -> Ints:
    """(N, side, side) noise, near to normal (four bytes summed), standard deviation 148."""
    words = dice.bits("grain", side * side // 2)
    total: NDArray[np.uint64] = np.concatenate([words & np.uint64(0xFFFFFFFF), words >> np.uint64(32)], axis=1)
    pairs = (total & np.uint64(0x00FF00FF)) + ((total >> np.uint64(8)) & np.uint64(0x00FF00FF))
    summed = ((pairs & np.uint64(0xFFFF)) + (pairs >> np.uint64(16))).astype(np.int32)
    return summed.reshape(len(dice), side, side) - 510

"""The mouth and what surrounds it: lips, teeth, tongue, the folds beside it, beard and moustache."""

from dataclasses import dataclass

import numpy as np

from mien.data.drawing.canvas import ONE, PIXEL, Window, across, around, band, ellipse, inside, paint
from mien.data.drawing.dice import Ints
from mien.data.drawing.sitter import Sitter, px

MOUTH = Window(17, 63, 44, 78)
FACE = Window(12, 68, 8, 80)


@dataclass(frozen=True)
class Lips:
    """The curves of a mouth over the columns of MOUTH, each `(N, 1, w)`; `x`, `half` and `gap` are `(N, 1, 1)`."""

    x: Ints
    half: Ints
    gap: Ints  # how far it is open
    line: Ints  # through both corners
    arch: Ints  # 256 in the middle, 0 at the corners
    curve: Ints  # the same for the opening's edges: flatter when the lips are stretched or raised
    upper: Ints  # the opening's upper edge
    lower: Ints


def lips(f: Sitter) -> Lips:
    """What the muscles make of this person's mouth."""
    dice = f.dice
    x, y = f.mouth_x, f.mouth_y - f.pull(chin=12, smile=8)
    half = dice.near("mouth width", px(74), px(94)) + f.pull(smile=30, stretch=26, jaw=-16, chin=-8)
    t = across(MOUTH.x, x, half)
    square = t * t // ONE
    arch, box = np.maximum(ONE - square, -40), np.maximum(ONE - square * square // ONE, -40)
    corners = f.pull(smile=46, frown=-38, stretch=-8) + dice.near("resting corners", -px(7), px(10))
    tilted = corners + dice.near("uneven mouth", -px(9), px(9)) * t // ONE
    line = y - tilted * square // ONE + tilted // 3
    pressed = np.minimum(f.acts["press"], ONE) * 3 // 4
    gap = f.pull(part=32, jaw=105) * (ONE - pressed) // ONE
    flat = np.clip(f.acts["stretch"] + f.acts["lip_up"], 0, ONE)
    curve = arch + ((box - arch) * flat >> 8)
    raised = f.pull(lip_up=34)
    upper = line - (gap // 5 + raised * 3 // 4) * curve // ONE
    lower = line + (gap * 4 // 5 + raised // 5 - f.pull(chin=8)) * curve // ONE
    return Lips(x, half, gap, line, arch, curve, upper, np.maximum(lower, upper))


def mouth(layer: Ints, f: Sitter) -> None:
    """Lips around an opening with teeth and tongue, the corners, and the shadow under the lower lip."""
    w, dice, m = MOUTH, f.dice, lips(f)
    acts = f.acts
    thin = ONE - np.minimum(acts["press"] * 3 // 4 + acts["stretch"] // 4 + acts["smile"] // 5, 215)
    above = dice.near("upper lip", px(14), px(30)) * thin // ONE
    below = dice.near("lower lip", px(22), px(42)) * thin // ONE + f.pull(chin=6)
    bow = dice.near("cupid's bow", 0, 90) * np.maximum(ONE - np.abs(across(w.x, m.x, m.half)) * 4, 0) // ONE
    within = around(w.x, m.x, m.half)  # (N, 1, w)

    red = band(w.y, m.upper - above * (np.maximum(m.arch, 0) - bow) // ONE, m.lower + below * m.arch // ONE)
    paint(layer, w, f.skin * dice.between("lip tone", 140, 215) // ONE, red * within >> 8)
    shine = band(w.y, m.lower + below // 3, m.lower + below * 2 // 3) * around(w.x, m.x, m.half // 2) >> 8
    paint(layer, w, f.dark(288), shine * dice.between("shine", 0, 110) >> 8)

    hole = band(w.y, m.upper, m.lower) * within >> 8
    paint(layer, w, 180, hole)
    tongue = ellipse(w, m.x, m.lower - px(5), m.half // 2, np.maximum(m.gap // 3, 1))
    paint(layer, w, f.dark(100), tongue * hole >> 8)
    white = dice.between("tooth tone", 2700, 3700)
    show = f.pull(smile=26, lip_up=34, stretch=20) + dice.near("upper teeth", px(6), px(26))
    paint(layer, w, white, band(w.y, m.upper, m.upper + show * m.curve // ONE) * hole >> 8)
    show = f.pull(stretch=22, lip_up=8) + dice.near("lower teeth", -px(10), px(10))
    paint(layer, w, white * 220 // ONE, band(w.y, m.lower - show * m.curve // ONE, m.lower) * hole >> 8)

    seam = band(w.y, m.upper - px(6), m.upper + px(6)) * around(w.x, m.x, m.half + px(8)) >> 8
    paint(layer, w, f.dark(60), seam * 200 >> 8)
    deep = 90 + acts["smile"] // 4 + acts["frown"] // 4
    for side in (-1, 1):
        at = m.x + side * m.half
        dimple = ellipse(w, at, _height(m.line, at), px(14), px(14))
        paint(layer, w, f.dark(110), dimple * deep >> 8)
    hollow = band(w.y, m.lower + below + px(12), m.lower + below + px(32)) * around(w.x, m.x, m.half * 2 // 3) >> 8
    paint(layer, w, f.dark(165), hollow * (100 + acts["chin"] // 3) >> 8)


def folds(layer: Ints, f: Sitter) -> None:
    """The folds from the nose's wings to the mouth's corners."""
    w, acts = MOUTH, f.acts
    start, end = f.nose_y - px(15), f.mouth_y + px(10)
    v = np.clip((w.y - start) * ONE // (end - start), 0, ONE)
    deep = f.dice.between("age", 0, 60) + acts["stretch"] // 5
    deep = deep + (acts["smile"] + acts["wrinkle"] + acts["lip_up"]) // 2
    for side in (-1, 1):
        out = f.mouth_x - f.nose_x + side * (px(50) + f.pull(smile=26, stretch=16))
        line = f.nose_x + side * (px(58) + f.pull(smile=18, wrinkle=8)) + out * v // ONE
        cover = band(w.x, line - px(7), line + px(7)) * band(w.y, start, end) >> 8
        paint(layer, w, f.dark(140), cover * np.minimum(deep, 230) >> 8)


def beard(layer: Ints, f: Sitter) -> None:
    """Beard, stubble or moustache on some faces."""
    kind, dense = f.dice.between("beard", 0, 99), f.dice.between("beard density", 130, 230)
    full, stubble, moustache = kind < 10, (kind >= 10) & (kind < 25), (kind >= 25) & (kind < 32)
    t = across(FACE.x, f.x, f.half)
    cover = inside(FACE.y - (f.mouth_y + px(55) - t * t // ONE * px(170) // ONE))
    paint(layer, FACE, f.hair, cover * (full * dense + stubble * (dense // 3)) >> 8)

    w, x, half = MOUTH, f.mouth_x, px(95) + f.pull(smile=16)
    square = across(w.x, x, half) * across(w.x, x, half) // ONE
    bottom = f.mouth_y - f.pull(smile=8, lip_up=25) - px(14) + square * px(30) // ONE
    cover = band(w.y, bottom - px(38) * (ONE - square) // ONE, bottom) * around(w.x, x, half) >> 8
    paint(layer, w, f.hair, cover * ((full | moustache) * dense) >> 8)


def _height(line: Ints, x: Ints) -> Ints:
    """The height of a curve over MOUTH's columns at x."""
    column = np.clip((x - MOUTH.x[:, :, :1]) // PIXEL, 0, line.shape[2] - 1)
    return np.take_along_axis(line, column.astype(np.intp), 2)

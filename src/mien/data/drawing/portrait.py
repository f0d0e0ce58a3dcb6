"""A face upright on the canvas, painted from back to front: wall, hair, skull, features, light, hair, glasses."""

import numpy as np

from mien.data.drawing import hair
from mien.data.drawing.canvas import (
    BOX,
    CIRCLE,
    ONE,
    SIDE,
    XS,
    YS,
    Window,
    across,
    around,
    band,
    ellipse,
    paint,
    upsampled,
)
from mien.data.drawing.dice import Dice, Ints
from mien.data.drawing.features import EYES, NOSE, brow, eye, lines, nose
from mien.data.drawing.mouth import FACE, beard, folds, mouth
from mien.data.drawing.sitter import Sitter, px, sitter, turned

EARS = {-1: Window(8, 30, 26, 56), 1: Window(50, 72, 26, 56)}
NECK = Window(20, 60, 56, SIDE)
SHOULDERS = Window(0, SIDE, 58, SIDE)


def portrait(dice: Dice, acts: dict[str, Ints]) -> Ints:
    """(N, SIDE, SIDE) int32, tones 0..4095, a little outside at times: whoever the dice give, moved as `acts` say."""
    f = sitter(dice, acts)
    style = hair.style(f)
    skull = outline(f, style.volume)
    layer = background(f)
    hair.behind(layer, f, style, skull)
    shape = head(layer, f)
    folds(layer, f)
    nose(layer, f)
    lines(layer, f)
    for side in (-1, 1):
        eye(layer, f, side)
        brow(layer, f, side)
    beard(layer, f)
    mouth(layer, f)
    light(layer, f, shape)
    hair.front(layer, f, style, skull)
    glasses(layer, f)
    return layer


def background(f: Sitter) -> Ints:
    """(N, SIDE, SIDE): a wall in uneven light, something out of focus before it, and the sitter's shoulders."""
    dice = f.dice
    clutter = dice.between("clutter", -256, 256, 36).reshape(-1, 6, 6) * dice.between("how much clutter", 0, 5)
    layer = upsampled(clutter, SIDE) + dice.between("wall", 200, 3800)
    layer += dice.between("wall's light", -20, 20) * (XS - px(400)) // 128
    y = dice.near("shoulders", px(860), px(950))
    cloth = ellipse(SHOULDERS, f.x, y, px(340) + f.half // 2, dice.near("slope", px(150), px(200)))
    paint(layer, SHOULDERS, dice.between("cloth", 200, 3600), cloth)
    return layer


def outline(f: Sitter, wider: Ints | int = 0) -> Ints:
    """(N, SIDE, 1): the head's half width at each height; 0 above the skull and below the chin."""
    above = np.clip((f.level - YS) * ONE // (f.level - f.top + wider), 0, ONE)
    below = np.clip((YS - f.level) * ONE // (f.chin - f.level), 0, ONE)
    skull = CIRCLE[above] * 3 // 4 + BOX[above] // 4
    jaw = CIRCLE[below] + ((BOX[below] - CIRCLE[below]) * f.dice.near("jaw", -90, 190) >> 8)
    width: Ints = np.where(below > 0, jaw, skull)
    return (f.half + wider) * width // ONE


def head(layer: Ints, f: Sitter) -> Ints:
    """Neck, ears and skull, as flat shapes. Gives the skull's coverage within FACE."""
    wide = f.half * 150 // ONE + np.maximum(NECK.y - px(700), 0) // 2
    paint(layer, NECK, f.dark(170), around(NECK.x, f.x, wide))
    for side, w in EARS.items():
        x = f.x + side * (f.half + px(8)) - turned(f.yaw, 15)
        wide = np.maximum(px(26) + f.dice.near("ears", 0, px(14)) - side * turned(f.yaw, 22), 2)
        paint(layer, w, f.dark(205), ellipse(w, x, f.eye_y + px(45), wide, px(62)))
        paint(layer, w, f.dark(140), ellipse(w, x, f.eye_y + px(40), wide // 2, px(38)) >> 1)
    shape = around(FACE.x, f.x, outline(f)[:, FACE.part[1]])
    paint(layer, FACE, f.skin, shape)
    return shape


def light(layer: Ints, f: Sitter, shape: Ints) -> None:
    """Shade the head as a round thing lit from one side."""
    u = across(FACE.x, f.x, f.half)
    v = across(FACE.y, (f.top + f.chin) >> 1, (f.chin - f.top) >> 1)
    shade = ONE + f.light_x * u // ONE - u * u // ONE * 60 // ONE - f.light_y * v // ONE - v * v // ONE * 30 // ONE
    part = layer[FACE.part]
    part += (np.clip(shade, 60, 400) - ONE) * shape // ONE * part // ONE


def glasses(layer: Ints, f: Sitter) -> None:
    """Two rims and a bridge on some faces."""
    worn = f.dice.chance("glasses", 16)
    tone = 250 + f.dice.chance("light rims", 20) * 2750
    thick, tall = f.dice.near("rims", px(8), px(18)), f.dice.near("height of the rims", px(58), px(78))
    for side, w in EYES.items():
        x, wide = f.eye_x[side], f.eye_half[side] * 350 // ONE
        rim = ellipse(w, x, f.eye_y, wide, tall) - ellipse(w, x, f.eye_y, wide - thick, tall - thick)
        paint(layer, w, tone, np.maximum(rim, 0) * worn)
    left, right = (f.eye_x[side] - side * f.eye_half[side] * 340 // ONE for side in (-1, 1))
    y = f.eye_y - px(22)
    bridge = band(NOSE.y, y - thick // 2, y + thick // 2) * band(NOSE.x, left, right) >> 8
    paint(layer, NOSE, tone, bridge * worn)

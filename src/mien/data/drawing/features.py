"""Brows, eyes and nose, each moved by its muscles. Each painter takes the layer that it paints on and the sitter."""

import numpy as np

from mien.data.drawing.canvas import ONE, PIXEL, Window, across, around, band, ellipse, paint
from mien.data.drawing.dice import Ints
from mien.data.drawing.sitter import Sitter, px, turned

EYES = {-1: Window(13, 45, 20, 50), 1: Window(35, 67, 20, 50)}
NOSE = Window(24, 56, 24, 58)
FOREHEAD = Window(22, 58, 10, 34)


def brow(layer: Ints, f: Sitter, side: int) -> None:
    """One eyebrow: a tapered stroke from its inner end to its outer."""
    w, dice = EYES[side], f.dice
    half = f.eye_half[side] * dice.near("brow length", 270, 315) // ONE
    middle = f.eye_x[side] - side * f.pull(knit=18)
    t = across(w.x, middle, half) * side  # -256 at the inner end, 256 at the outer
    height = f.eye_y - dice.near("brow height", px(72), px(98)) + f.pull(cheek=6)
    uneven = ONE + side * dice.near("uneven brows", -50, 50)
    inner = f.pull(inner_up=48) * uneven // ONE - f.pull(knit=50, wrinkle=22)
    outer = f.pull(outer_up=48) * uneven // ONE - f.pull(knit=5) + dice.near("brow slant", -px(10), px(12))
    arch = dice.near("brow arch", px(4), px(24)) + f.pull(outer_up=10)
    line = height - (inner * (ONE - t) + outer * (ONE + t)) // 512 - arch * (ONE - t * t // ONE) // ONE
    thick = dice.near("brow thickness", px(9), px(24)) * (ONE * 5 // 4 - t // 2) // 300
    tone = np.minimum(f.hair, f.skin) * dice.between("brow tone", 120, 190) // ONE
    stroke = band(w.y, line - thick, line + thick) * around(w.x, middle, half) >> 8
    paint(layer, w, tone, stroke * dice.between("brow density", 190, 256) >> 8)


def eye(layer: Ints, f: Sitter, side: int) -> None:
    """One eye: the ball between two lid curves, iris, pupil and highlight, lashes, crease and what is under it."""
    w, dice = EYES[side], f.dice
    half, x, y = f.eye_half[side], f.eye_x[side], f.eye_y
    t = across(w.x, x, half)
    dome = np.maximum(ONE - t * t // ONE, -ONE // 8)
    corner = y - dice.near("eye slant", -px(6), px(12)) * t * side // ONE
    upper = dice.near("upper lid", px(30), px(42)) + f.pull(wide=19, droop=-17, tight=-10, wrinkle=-7, cheek=-8)
    lower = dice.near("lower lid", px(17), px(25)) + f.pull(wide=4, tight=-11, cheek=-15, wrinkle=-8)
    lid, under = corner - np.maximum(upper, px(2)) * dome // ONE, corner + np.maximum(lower, 0) * dome // ONE
    within = around(w.x, x, half)  # (N, 1, w)

    socket = ellipse(w, x, y - px(25), half * 350 // ONE, px(75))
    paint(layer, w, f.dark(130), socket * dice.between("deep eyes", 20, 80) >> 8)
    bag = band(w.y, under + px(18) - f.pull(cheek=4), under + px(30)) * around(w.x, x, half * 9 // 10) >> 8
    paint(layer, w, f.dark(120), bag * (30 + f.acts["cheek"] // 2 + f.acts["wrinkle"] // 3 + f.acts["tight"] // 4) >> 8)
    crease = band(w.y, lid - px(20), lid - px(9)) * within >> 8
    paint(layer, w, f.dark(110), crease * dice.between("lid crease", 40, 150) >> 8)

    ball = band(w.y, lid, under) * within >> 8
    paint(layer, w, np.minimum(f.skin + 1300, 3700) * 230 // ONE, ball)
    size = dice.near("iris", px(27), px(32))
    look_x = x + dice.near("gaze", -px(18), px(18)) + turned(f.yaw, 8)
    look_y = y - px(10) + dice.near("gaze up or down", -px(8), px(8))
    paint(layer, w, dice.between("iris tone", 250, 1300), ellipse(w, look_x, look_y, size, size) * ball >> 8)
    paint(layer, w, 80, ellipse(w, look_x, look_y, size // 2, size // 2) * ball >> 8)
    paint(layer, w, 4000, ellipse(w, look_x - px(10), look_y - px(10), px(9), px(9)) * ball >> 8)

    lashes = band(w.y, lid - dice.near("lashes", px(7), px(15)), lid + px(3)) * around(w.x, x, half + px(6)) >> 8
    paint(layer, w, f.dark(40), lashes)
    rim = band(w.y, under - px(2), under + px(7)) * within >> 8
    paint(layer, w, f.dark(90), rim * 170 >> 8)


def nose(layer: Ints, f: Sitter) -> None:
    """Bridge, wings and nostrils, with the light on one side of them."""
    w, dice = NOSE, f.dice
    x, y = f.nose_x, f.nose_y - f.pull(wrinkle=16, lip_up=5)
    wing = dice.near("nose width", px(38), px(58)) + f.pull(wrinkle=8, smile=6)
    down = np.clip((w.y - f.eye_y) * ONE // (y - f.eye_y), 0, ONE)  # 0 at the eyes, 256 at the tip
    ridge = f.x + ((x - f.x) * down + turned(f.yaw, 35) * (ONE - down)) // ONE
    half = px(16) + wing // 3 * down // ONE
    along = band(w.y, f.eye_y - px(20), y - px(8))
    lit = band(w.x, ridge - half // 2, ridge + half // 2) * along >> 8
    paint(layer, w, np.minimum(f.dark(290) + 150, 4095), lit * dice.between("nose light", 60, 150) >> 8)
    for side in (-1, 1):
        flank = ridge + side * half * 3 // 2
        shade = band(w.x, flank - px(9), flank + px(9)) * along >> 8
        paint(layer, w, f.dark(140), shade * np.clip(60 + side * f.light_x, 0, 150) >> 8)
        alar = ellipse(w, x + side * wing, y - px(8), px(18), px(26))
        paint(layer, w, f.dark(150), alar * 90 >> 8)
        nostril = ellipse(w, x + side * wing // 2, y + px(6), px(17), px(10) + f.pull(wrinkle=3))
        paint(layer, w, f.dark(50), nostril * 210 >> 8)
    base = band(w.y, y + px(12), y + px(24)) * around(w.x, x, wing) >> 8
    paint(layer, w, f.dark(130), base * 90 >> 8)


def lines(layer: Ints, f: Sitter) -> None:
    """What wrinkling the nose, knitting and raising the brows leave in the skin above."""
    w, x = NOSE, f.x + turned(f.yaw, 38)
    for k in (0, 1, 2):  # across the bridge
        line = f.eye_y - px(22) + px(32) * k + np.abs(w.x - x) // 3
        cover = band(w.y, line - px(5), line + px(5)) * around(w.x, x, px(38)) >> 8
        paint(layer, w, f.dark(110), cover * np.minimum(f.acts["wrinkle"] * 3 // 4, 230) >> 8)
    for side in (-1, 1):  # upright, between the brows
        line = x + side * px(22)
        cover = band(w.x, line - px(5), line + px(5)) * band(w.y, f.eye_y - px(95), f.eye_y - px(45)) >> 8
        paint(layer, w, f.dark(110), cover * np.minimum(f.acts["knit"] * 3 // 4, 220) >> 8)
    w = FOREHEAD
    for k in (0, 1):  # across the forehead
        line = f.eye_y - px(145) - px(38) * k + (w.x - x) * (w.x - x) // (50 * PIXEL) - f.pull(outer_up=12)
        cover = band(w.y, line - px(5), line + px(5)) * around(w.x, x, px(120)) >> 8
        deep = f.dice.between("age", 0, 30) + f.acts["inner_up"] // 4 + f.acts["outer_up"] // 3
        paint(layer, w, f.dark(160), cover * np.minimum(deep, 200) >> 8)

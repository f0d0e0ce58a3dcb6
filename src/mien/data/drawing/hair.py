"""Hair: behind the head, over the forehead, or none."""

from dataclasses import dataclass

import numpy as np

from mien.data.drawing.canvas import ONE, PIXEL, SIDE, XS, YS, Window, across, around, inside, paint
from mien.data.drawing.dice import Ints
from mien.data.drawing.sitter import Sitter, px, turned

WHOLE = Window(0, SIDE, 0, SIDE)
FRONT = Window(8, 72, 2, 52)

STYLES = np.array(
    [  # in tenths of a pixel: hairline under the skull's top, rise to the sides, slant, parting, volume, hanging down
        [0, 0, 0, 0, 0, 0],  # none
        [90, 0, 10, 0, 14, 0],  # short
        [60, 0, 0, 0, 8, 0],  # cropped
        [150, -30, 0, 0, 26, 120],  # fringe
        [90, 30, 0, 40, 30, 500],  # long, parted in the middle
        [110, 10, 60, 0, 28, 250],  # swept to one side
        [95, 10, -40, 0, 30, 420],  # long, swept to the other side
        [80, -20, 0, 0, 70, 60],  # thick
        [30, -60, 0, 0, 12, 0],  # receding
    ],
    np.int32,
)


@dataclass(frozen=True)
class Style:
    """How N people wear their hair: lengths `(N, 1, 1)`, `strands` `(N, 1, SIDE)` tones."""

    line: Ints
    rise: Ints
    slant: Ints
    part: Ints
    volume: Ints
    hang: Ints
    strands: Ints


def style(f: Sitter) -> Style:
    """One of STYLES, a little changed, with strands."""
    row = STYLES[f.dice.between("hair style", 0, len(STYLES) - 1)[:, 0, 0]]
    line, rise, slant, part, volume, hang = (row[:, k, None, None] * PIXEL // 10 for k in range(6))
    line = line + f.dice.near("hairline", -px(15), px(15)) + turned(f.pitch, 15)
    rough = f.dice.between("strands", -200, 200, SIDE)
    strands = (rough + np.roll(rough, 1, 2) + np.roll(rough, 2, 2)) * f.dice.between("sleek", 0, 256) >> 8
    return Style(line, rise, slant, part, volume, hang, strands)


def behind(layer: Ints, f: Sitter, s: Style, skull: Ints) -> None:
    """The hair that hangs behind the head; `skull` is the head's outline with the hair's volume, `(N, SIDE, 1)`."""
    edge = np.where(f.level > YS, skull, f.half + s.volume + px(8))
    cover = around(XS, f.x, edge) * inside(f.eye_y + s.hang - px(20) - YS) >> 8
    paint(layer, WHOLE, f.hair * 200 // ONE + s.strands, cover * (s.hang > 0))


def front(layer: Ints, f: Sitter, s: Style, skull: Ints) -> None:
    """The hair over the forehead and down to the temples: inside `skull`, above the hairline."""
    w, columns, rows = FRONT, FRONT.part[2], FRONT.part[1]
    t = across(w.x, f.x, f.half)
    square = t * t // ONE
    temples = (f.eye_y - f.top - s.line) * (square * square // ONE) // ONE
    line = f.top + s.line + s.slant * t // ONE - s.rise * square // ONE + temples
    line = line - s.part * np.maximum(ONE - np.abs(t), 0) // ONE * 2 + s.strands[:, :, columns] // 3
    cover = around(w.x, f.x, skull[:, rows]) * inside(np.minimum(line, f.eye_y + px(10)) - w.y) >> 8
    sheen = f.hair // 3 * (ONE - np.abs(across(w.y, f.top + px(50), px(50)))) // ONE
    tone = f.hair + s.strands[:, :, columns] + sheen + f.light_x * t // ONE * f.hair // (ONE * 2)
    paint(layer, w, np.clip(tone, 60, 4000), cover * (s.volume > 0))

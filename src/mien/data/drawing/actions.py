"""Which muscles move in which expression: action units of the face, and how far each moves in a drawn one.

The units are those of the Facial Action Coding System (Ekman and Friesen, 1978), the combinations those that its
handbook and EMFACS give as typical. An expression has several forms (an angry mouth is pressed or shouts); a face takes
one of them, with an intensity of its own, on top of what it does at rest anyway. So weak expressions come close to
neutral and strong ones share units (fear and surprise, anger and disgust), as in life. No label is wrong: what is drawn
is what it says.
"""

import numpy as np

from mien.data.drawing.dice import Dice, Ints
from mien.labels import FER2013

UNITS = (
    "inner_up",  # 1: inner brow raiser
    "outer_up",  # 2: outer brow raiser
    "knit",  # 4: brow lowerer
    "wide",  # 5: upper lid raiser
    "cheek",  # 6: cheek raiser
    "tight",  # 7: lid tightener
    "wrinkle",  # 9: nose wrinkler
    "lip_up",  # 10: upper lip raiser
    "smile",  # 12: lip corner puller
    "frown",  # 15: lip corner depressor
    "chin",  # 17: chin raiser
    "stretch",  # 20: lip stretcher
    "press",  # 23, 24: lips tightened and pressed
    "part",  # 25: lips parted
    "jaw",  # 26, 27: jaw dropped
    "droop",  # 43: upper lid lowered
)

FORMS: dict[str, tuple[dict[str, int], ...]] = {
    # percent of the strongest movement
    "angry": (
        {"knit": 100, "wide": 55, "tight": 70, "press": 90, "chin": 40},
        {"knit": 100, "wide": 50, "tight": 60, "lip_up": 45, "part": 70, "jaw": 45, "stretch": 30},
        {"knit": 90, "tight": 90, "press": 60, "frown": 45},
    ),
    "disgust": (
        {"wrinkle": 100, "lip_up": 90, "knit": 45, "tight": 55, "part": 25},
        {"wrinkle": 90, "lip_up": 70, "frown": 60, "chin": 70, "tight": 45},
        {"wrinkle": 80, "lip_up": 100, "part": 60, "jaw": 30, "cheek": 40, "stretch": 20},
    ),
    "fear": (
        {"inner_up": 90, "outer_up": 40, "knit": 60, "wide": 90, "stretch": 90, "part": 60},
        {"inner_up": 100, "outer_up": 50, "knit": 50, "wide": 100, "stretch": 60, "part": 70, "jaw": 50},
        {"inner_up": 90, "knit": 70, "wide": 80, "stretch": 80, "press": 20},
    ),
    "happy": (
        {"smile": 90, "cheek": 70, "tight": 20},
        {"smile": 100, "cheek": 80, "part": 80, "lip_up": 20},
        {"smile": 90, "cheek": 100, "part": 70, "jaw": 55, "outer_up": 25},
    ),
    "sad": (
        {"inner_up": 90, "knit": 35, "frown": 90, "droop": 40},
        {"inner_up": 80, "knit": 50, "frown": 70, "chin": 80, "tight": 30},
        {"inner_up": 80, "knit": 70, "frown": 60, "stretch": 40, "part": 50, "tight": 80, "cheek": 30},
        {"inner_up": 60, "frown": 70, "droop": 80},
    ),
    "surprise": (
        {"inner_up": 90, "outer_up": 100, "wide": 80, "part": 60, "jaw": 100},
        {"inner_up": 100, "outer_up": 90, "wide": 60, "part": 50, "jaw": 60},
        {"inner_up": 80, "outer_up": 100, "wide": 90, "part": 60, "jaw": 20},
    ),
    "neutral": ({}, {"part": 25}, {"droop": 25}),
}

RESTING = {"inner_up": 16, "outer_up": 18, "knit": 22, "tight": 20, "smile": 14, "frown": 14, "press": 20, "lip_up": 12,
           "part": 15, "droop": 30, "wide": 14, "cheek": 12, "chin": 15}  # fmt: skip
"""How far, in percent, a unit may be moved in anybody's face at rest."""

WEAKEST = 45
"""Percent: the intensity of the weakest expression; the strongest is 110."""

_MOST = max(len(forms) for forms in FORMS.values())
_TABLE = np.array(
    [[[FORMS[name][k % len(FORMS[name])].get(unit, 0) for unit in UNITS] for k in range(_MOST)] for name in FER2013],
    np.int32,
)  # (classes, forms, units)
_FORMS = np.array([len(FORMS[name]) for name in FER2013])


def actions(dice: Dice, labels: Ints) -> dict[str, Ints]:
    """How far each unit is moved in faces with these labels `(N,)`: name -> `(N, 1, 1)`, 256 for 100 percent."""
    form = dice.between("form", 0, 11)[:, 0, 0] % _FORMS[labels]
    typical = _TABLE[labels, form]  # (N, units)
    intensity = dice.between("intensity", WEAKEST, 110)
    moved = {}
    for k, unit in enumerate(UNITS):
        own = dice.near(f"{unit} own", 60, 140)
        posed = typical[:, k, None, None] * intensity * own // 3906  # 256 for three times 100 percent
        rest = np.maximum(dice.between(f"{unit} at rest", -RESTING.get(unit, 0), RESTING.get(unit, 0)), 0)
        moved[unit] = posed + rest * 64 // 25
    return moved

"""Who sits for the portrait: where things are in this face, how bright they are, and what its muscles do."""

from dataclasses import dataclass

import numpy as np

from mien.data.drawing.canvas import ONE, PIXEL
from mien.data.drawing.dice import Dice, Ints


def px(tenths: int) -> np.int32:
    """A length of so many tenths of a canvas pixel; an int32, since numpy would make int64 of a plain int's minimum."""
    return np.int32(tenths * PIXEL // 10)


def turned(angle: Ints, tenths: int) -> Ints:
    """How far something moves, `tenths` of a pixel at most, when the head turns by `angle` (-256..256)."""
    return angle * (tenths * PIXEL) // 2560


@dataclass(frozen=True)
class Sitter:
    """One person, or rather N of them: each value is `(N, 1, 1)`, lengths in 1/64 canvas pixel, tones 0..4095."""

    dice: Dice
    acts: dict[str, Ints]  # as `actions.actions` gives them
    x: Ints  # the head's middle
    half: Ints  # its half width
    top: Ints
    level: Ints  # where it is widest
    chin: Ints
    yaw: Ints  # -256..256: turned to the picture's left or right
    pitch: Ints  # -256..256: up or down
    eye_x: dict[int, Ints]  # by side, -1 and 1
    eye_y: Ints
    eye_half: dict[int, Ints]
    nose_x: Ints
    nose_y: Ints
    mouth_x: Ints
    mouth_y: Ints
    skin: Ints
    hair: Ints
    light_x: Ints
    light_y: Ints

    def pull(self, **tenths: int) -> Ints:
        """A length: what each named muscle adds, in tenths of a pixel, when it is moved by 256."""
        moved = sum((self.acts[name] * amount for name, amount in tenths.items()), np.zeros_like(self.x))
        return moved * PIXEL // 2560

    def dark(self, share: int) -> Ints:
        """The skin's tone, times share / 256."""
        return self.skin * share // ONE


def sitter(dice: Dice, acts: dict[str, Ints]) -> Sitter:
    """Throw who this is, how the head is turned and where the light comes from."""
    x = dice.between("middle", px(395), px(405))
    half = dice.near("head width", px(195), px(240))
    yaw, pitch = dice.near("yaw", -256, 256), dice.near("pitch", -256, 256)
    spacing = half * dice.near("eye spacing", 108, 124) // ONE
    size = dice.near("eye width", px(52), px(66))
    eye_y = dice.near("eye height", px(350), px(382)) + turned(pitch, 22)
    nose_y = eye_y + dice.near("nose length", px(108), px(135)) + turned(pitch, 10)
    mouth_y = nose_y + dice.near("upper lip length", px(72), px(92)) - turned(pitch, 6)
    chin = mouth_y + dice.near("chin", px(105), px(135))
    nearer = {side: ONE - side * yaw // 6 for side in (-1, 1)}  # the eye that is turned away looks narrower
    return Sitter(
        dice=dice,
        acts=acts,
        x=x,
        half=half,
        top=dice.near("skull", px(100), px(145)),
        level=eye_y - px(10),
        chin=chin + (acts["jaw"] * 45 - acts["chin"] * 8) * PIXEL // 2560,
        yaw=yaw,
        pitch=pitch,
        eye_x={side: x + turned(yaw, 45) + side * spacing * nearer[side] // ONE for side in (-1, 1)},
        eye_y=eye_y,
        eye_half={side: size * nearer[side] // ONE for side in (-1, 1)},
        nose_x=x + turned(yaw, 75),
        nose_y=nose_y,
        mouth_x=x + turned(yaw, 50),
        mouth_y=mouth_y,
        skin=dice.near("skin", 1000, 3500),
        hair=dice.between("hair", 150, 1500) + dice.chance("fair or grey", 25) * dice.between("fairer", 600, 2000),
        light_x=dice.between("light from the side", -110, 110),
        light_y=dice.between("light from above", -25, 70),
    )

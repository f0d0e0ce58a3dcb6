"""Colours of classes."""

from itertools import combinations

import numpy as np
import pytest
from PIL import ImageColor
from skimage.color import colorconv, deltaE_ciede2000, rgb2xyz, xyz2lab

from mien.labels import COLOURS, FERPLUS, colours

EYES = {  # what is seen of linear RGB: Machado et al. (2009), severity 1
    "all": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
SHADES = rgb2xyz(np.array([ImageColor.getrgb(shade) for shade in COLOURS.values()]) / 255)


def test_expressions_keep_their_colours_and_others_take_what_is_left() -> None:
    assert colours(FERPLUS) == tuple(COLOURS.values())
    for classes in (("disgust", "bored", "happy"), ("bored", "tired", "sad", "angry"), [f"own {k}" for k in range(8)]):
        shades = colours(classes)
        assert len(set(shades)) == len(classes)
        assert all(shade == COLOURS.get(name, shade) for name, shade in zip(classes, shades, strict=True))
    assert len(colours([*FERPLUS, "bored"])) == 9


@pytest.mark.parametrize("eyes", EYES)
def test_colour_blind_eyes_tell_every_two_colours_apart(eyes: str) -> None:
    linear = SHADES @ colorconv.rgb_from_xyz.T
    seen = xyz2lab(np.clip(linear @ np.transpose(EYES[eyes]), 0, 1) @ colorconv.xyz_from_rgb.T)
    apart = {pair: deltaE_ciede2000(*(seen[FERPLUS.index(name)] for name in pair)) for pair in combinations(COLOURS, 2)}
    assert min(apart.values()) > 7, min(apart, key=lambda pair: apart[pair])


def test_colours_stand_out_from_white_and_from_black() -> None:
    """By WCAG's contrast; 2 on white is what Okabe and Ito's own orange has."""
    luminance = SHADES[:, 1]
    assert (1.05 / (luminance + 0.05)).min() > 2
    assert ((luminance + 0.05) / 0.05).min() > 3.5

"""Boxes and captions leave the face to be seen, in small pictures and of small faces in large ones."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import ImageColor

from mien.labels import COLOURS
from mien.recognition.annotate import annotate
from mien.recognition.records import Face, Reading

FACE = Face("happy", 0.9, True, {"sad": 0.1, "happy": 0.9}, (8.0, 6.0, 24.0, 30.0))


def test_a_crops_caption_leaves_the_eyes() -> None:
    crop = np.full((48, 48, 3), 128, np.uint8)
    for box in (None, (2.0, 1.0, 44.0, 46.0)):
        drawn = annotate(crop, Reading("a", faces=(replace(FACE, box=box),)))
        assert drawn.shape == (240, 240, 3)
        assert (drawn[60:140, 20:220] == 128).all()
        assert (drawn[3, 30:60] != 128).any(1).all()  # the caption: at the bottom the bars would hide it
    assert annotate(np.zeros((300, 20, 3), np.uint8), Reading("a")).shape == (300, 20, 3)


def test_a_small_face_in_a_large_picture_is_seen() -> None:
    large = np.full((2400, 3200, 3), 128, np.uint8)
    face = replace(FACE, box=(1000.0, 1000.0, 40.0, 48.0), uncertain=False)
    drawn = annotate(large, Reading("a", faces=(face,)))
    assert (drawn[1004:1020, 1004:1036] == 128).all()


def test_box_and_bars_have_the_expressions_colours() -> None:
    face = replace(FACE, box=(50.0, 50.0, 200.0, 180.0))
    drawn = annotate(np.full((300, 300, 3), 128, np.uint8), Reading("a", faces=(face,)))
    happy, sad = (ImageColor.getrgb(COLOURS[name]) for name in ("happy", "sad"))
    assert tuple(drawn[230, 50]) == happy
    sads, happys = ((drawn[100:230, column] == ink).all(1).sum() for column, ink in ((100, sad), (200, happy)))
    assert (sads, happys) == (pytest.approx(0.1 * 180 / 6, abs=1), pytest.approx(0.9 * 180 / 6, abs=1))

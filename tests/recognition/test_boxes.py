"""Boxes by hand: which the tiles of a photo cut off, which lie within another, and what of the frame becomes a crop."""

import math

import numpy as np
import pytest

import mien
from mien.recognition.align import crops, upright, whole
from mien.recognition.detect import Detection, _cut_off, _not_inside


def rows(*boxes: tuple[float, float, float, float]) -> np.ndarray:
    """As the detector has them: score, box, landmarks."""
    found = np.zeros((len(boxes), 15), np.float32)
    found[:, 1:5] = boxes
    return found


EDGES = [(0.5, 40, 20, 20), (40, 0.5, 20, 20), (79.5, 40, 20, 20), (40, 79.5, 20, 20), (40, 40, 20, 20)]
"""At the left, the top, the right, the bottom of a window of 100 pixels, and in its middle."""


@pytest.mark.parametrize(
    ("left", "top", "frame", "cut"),
    [
        (0, 0, (100, 100), [False, False, False, False, False]),  # the window is the frame
        (0, 0, (300, 300), [False, False, True, True, False]),
        (100, 100, (300, 300), [True, True, True, True, False]),
        (200, 200, (300, 300), [True, True, False, False, False]),
        (100, 0, (100, 300), [True, False, True, False, False]),  # one row of windows
        (0, 100, (300, 100), [False, True, False, True, False]),
    ],
)
def test_what_a_windows_side_cuts_is_left_to_the_next_window(
    left: int, top: int, frame: tuple[int, int], cut: list[bool]
) -> None:
    assert _cut_off(rows(*EDGES), left, top, (100, 100), frame).tolist() == cut


def test_a_pixel_from_the_side_is_not_cut() -> None:
    inside = rows((1, 40, 20, 20), (40, 1, 20, 20), (79, 40, 20, 20), (40, 79, 20, 20))
    assert not _cut_off(inside, 100, 100, (100, 100), (300, 300)).any()


def test_what_lies_mostly_within_a_larger_box_is_no_face() -> None:
    large = (0, 0, 100, 100)
    for box, kept in (
        ((40, 60, 20, 20), False),  # all of it
        ((90, 0, 13, 20), False),  # 10 of 13: 77 %
        ((90, 0, 15, 20), True),  # 10 of 15: 67 %
        ((0, 86, 20, 20), True),  # 14 of 20: 70 %, and no more
        ((0, 85, 20, 20), False),
        ((200, 40, 20, 20), True),
        ((120, 120, 20, 20), True),  # apart both ways: the product of two negative lengths is no overlap
    ):
        assert _not_inside(np.array([large, box], np.float32)) == ([0, 1] if kept else [0]), box


def test_what_is_left_out_hides_nothing_itself() -> None:
    boxes = np.array([(0, 0, 100, 100), (20, 0, 90, 30), (101, 0, 9, 20)], np.float32)
    assert _not_inside(boxes) == [0, 2]  # the third lies in the second alone


def face(x: float, y: float, width: float, height: float, turn: float = 0.0) -> Detection:
    """A face with that box, its landmarks turned by so many degrees about its middle."""
    middle = np.array([x + width / 2, y + height / 2])
    marks = np.array([[-20, -15], [20, -15], [0, 0], [-15, 25], [15, 25]]) * width / 100
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    marks = marks @ np.array([[cos, sin], [-sin, cos]]) + middle
    return Detection((x, y, width, height), tuple(map(tuple, marks.tolist())), 0.9)


def test_a_crop_is_a_square_of_the_boxs_area_and_a_bit_more() -> None:
    """A box of 80 × 125 has the area of a square of 100; with 8 % more 108 pixels become 48."""
    to_crop = upright(face(100, 50, 80, 125), 48, 48)
    scale = 48 / 108
    np.testing.assert_allclose(to_crop[:, :2], scale * np.eye(2), atol=1e-12)
    left, top = 100 + 40 - 54, 50 + 62.5 - 54  # the square's corner, where its first pixel begins
    np.testing.assert_allclose(to_crop @ (left - 0.5, top - 0.5, 1), (-0.5, -0.5), atol=1e-9)
    np.testing.assert_allclose(to_crop @ (left + 107.5, top + 107.5, 1), (47.5, 47.5), atol=1e-9)


@pytest.mark.parametrize("turn", [-30.0, 20.0, 100.0])
def test_eyes_and_mouth_lie_level_about_the_middle(turn: float) -> None:
    one = face(30, 40, 120, 120, turn)
    to_crop = upright(one, 64, 64)
    right_eye, left_eye, nose, right_mouth, left_mouth = (to_crop @ (x - 0.5, y - 0.5, 1) for x, y in one.landmarks)
    np.testing.assert_allclose(nose, (31.5, 31.5), atol=1e-9)
    assert right_eye[1] == pytest.approx(left_eye[1]) == pytest.approx(31.5 - 15 * 1.2 * 64 / (1.08 * 120))
    assert right_mouth[1] == pytest.approx(left_mouth[1])
    assert right_eye[0] < left_eye[0]


def test_the_crop_holds_that_square_of_the_frame() -> None:
    frame = np.zeros((300, 300, 3), np.uint8)
    frame[96:204, 96:204] = 255  # 108 pixels about the middle of a box of 100
    [[crop]] = crops(frame, [face(100, 100, 100, 100)])
    assert crop.min() > 100  # all of it, to the last pixel
    frame[100:200, 100:200] = 0  # the bit more is a frame of 4 pixels, nearly 2 in the crop
    [[crop]] = crops(frame, [face(100, 100, 100, 100)])
    assert crop[24, :3].tolist()[0] > 200
    assert crop[3:45, 3:45].max() == 0


@pytest.mark.parametrize("side", [100, 1000])
def test_a_crop_of_a_ramp_is_that_ramp(side: int) -> None:
    """Each pixel tells its place, however finely a large face is sampled."""
    frame = np.repeat(np.linspace(0, 255, side + 200).round().astype(np.uint8)[None, :, None], side + 200, 0)
    [[crop]] = crops(frame.repeat(3, 2), [face(100, 100, side, side)])
    places = 100 + side / 2 + 1.08 * side * ((np.arange(48) + 0.5) / 48 - 0.5) - 0.5
    np.testing.assert_allclose(crop.mean(0), places * 255 / (side + 199), atol=0.6)
    assert (crop.mean(0) - places * 255 / (side + 199)).mean() == pytest.approx(0, abs=0.2)


def test_a_picture_that_is_a_crop_is_averaged_where_it_shrinks_and_smooth_where_it_grows() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 480, 1), np.uint8).repeat(3, 2)
    assert whole(noise).std() < 10  # of 100 pixels each
    step = np.full((24, 24, 3), 100, np.uint8)
    step[:, 12:] = 200
    assert whole(step).min() < 98  # a curve swings before it rises; between two pixels a straight line doesn't


def test_a_gray_crop_is_the_luma_of_rgb() -> None:
    red = np.full((40, 40, 3), (255, 0, 0), np.uint8)
    assert (crops(red, [face(10, 10, 20, 20)]) == 76).all()
    assert (whole(red) == 76).all()


def test_of_a_picture_that_is_no_square_the_middle_is_taken() -> None:
    wide = np.zeros((60, 100, 3), np.uint8)
    wide[:, 20:80] = 200
    for picture in (wide, wide.transpose(1, 0, 2)):
        assert (whole(picture) == 200).all()


@pytest.mark.parametrize("side", [200, 1000])
def test_the_stripes_of_a_large_face_become_gray(side: int) -> None:
    """A pixel of the crop stands for many of the frame: one of them alone would be black or white."""
    frame = np.zeros((side + 100, side + 100, 3), np.uint8)
    for stripes in (frame[:, ::2], frame.transpose(1, 0, 2)[:, ::2]):
        frame[:] = 0
        stripes[:] = 255
        [[crop]] = crops(frame, [face(50, 50, side, side)])
        assert np.abs(crop.astype(int) - 128).max() < 32
        assert crop.mean() == pytest.approx(127.5, abs=3)


@pytest.mark.parametrize(("threshold", "uncertain"), [(1.0, True), (0.0, False)])
def test_an_answer_below_the_cards_threshold_is_uncertain(threshold: float, uncertain: bool) -> None:
    recognizer = mien.Recognizer("small", detect=False)
    recognizer.net.card = recognizer.net.card.model_copy(update={"uncertain": threshold})
    [answer] = recognizer(mien.drawn_faces(20).val.images[0])
    assert 0 < answer.confidence < 1
    assert answer.uncertain is uncertain

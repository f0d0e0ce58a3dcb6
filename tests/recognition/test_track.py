"""Faces from frame to frame, each case by hand: who keeps a number, and how probabilities are smoothed."""

from itertools import product

import numpy as np
import pytest

from mien.recognition.detect import Detection
from mien.recognition.track import Tracker

SIZE = 100.0
PLACES = np.array([[30, 40], [70, 40], [50, 60], [35, 80], [65, 80]])


def face(x: float, y: float = 0.0, size: float = SIZE) -> Detection:
    """A square face whose upper left corner is there."""
    marks = PLACES * size / SIZE + (x, y)
    return Detection((x, y, size, size), tuple(map(tuple, marks.tolist())), 0.9)


def ids(tracker: Tracker, time: float, *faces: Detection) -> list[int]:
    return tracker.update(time, faces, np.full((len(faces), 2), 0.5, np.float32))[0]


def smoothed(tracker: Tracker, time: float, happy: float) -> float:
    return float(tracker.update(time, [face(0)], np.array([[happy, 1 - happy]], np.float32))[1][0, 0])


@pytest.mark.parametrize(("gone", "number"), [(0.9, 1), (1.1, 2)])
def test_a_face_may_be_gone_for_a_second(gone: float, number: int) -> None:
    tracker = Tracker()
    assert ids(tracker, 5.0, face(0)) == [1]
    for part in (0.25, 0.5, 0.75):
        assert ids(tracker, 5.0 + part * gone) == []
    assert ids(tracker, 5.0 + gone, face(0)) == [number]


@pytest.mark.parametrize("gap", [30 / 29.97, 60 / 29.97, 2.0])
def test_where_frames_are_seconds_apart_a_face_keeps_its_number(gap: float) -> None:
    tracker = Tracker()
    seen = [ids(tracker, place * gap, *[face(3 * place)] * (place != 3)) for place in range(7)]
    assert seen == [[1], [1], [1], [], [1], [1], [1]]
    assert ids(tracker, 7 * gap) == ids(tracker, 8 * gap) == []
    assert ids(tracker, 9 * gap, face(18)) == [2]


def test_who_comes_when_a_camera_has_slept_is_new() -> None:
    tracker = Tracker()
    assert [ids(tracker, time, face(0)) for time in (0, 0.1, 0.2, 60, 60.1)] == [[1], [1], [1], [2], [2]]


def test_numbers_go_with_the_faces_and_none_comes_twice() -> None:
    tracker = Tracker()
    assert ids(tracker, 0.0, face(0), face(500), face(900)) == [1, 2, 3]
    assert ids(tracker, 0.1, face(905), face(5)) == [3, 1]
    assert ids(tracker, 3.0, face(0)) == [4]


def test_two_that_cross_keep_their_numbers() -> None:
    """At the crossing each comes to where the other was: only their speeds tell them apart."""
    tracker = Tracker()
    for number in range(6):
        way = 40.0 * number
        assert ids(tracker, 0.1 * number, face(way), face(200 - way)) == [1, 2]


@pytest.mark.parametrize(
    ("share", "rate", "way"),
    [*product([0.5], [10, 15, 25, 30], [80.0, 120.0, 200.0]), (1, 10, 100.0), (1, 10, 160.0), (1, 15, 160.0)],
)
def test_who_is_hidden_by_another_keeps_a_number(share: float, rate: int, way: float) -> None:
    """Each goes by `way` pixels a second. As the one behind is covered its box shrinks, by a share of what is covered;
    when half of the face is, it isn't found."""
    tracker, seen = Tracker(), []
    for number in range(int(rate * 600 / way)):
        front, behind = 2 * SIZE + way * number / rate, 8 * SIZE - way * number / rate
        covered = max(0.0, SIZE - abs(front - behind))
        faces = [face(front)]
        if covered < SIZE / 2:
            left, wide = behind + (share * covered if front < behind else 0), SIZE - share * covered
            marks = PLACES * (wide / SIZE, 1) + (left, 0)
            faces.append(Detection((left, 0, wide, SIZE), tuple(map(tuple, marks.tolist())), 0.9))
        seen.append(ids(tracker, number / rate, *faces))
    assert [1] in seen
    assert seen[-1] == [1, 2]


def test_who_sways_keeps_a_number_though_sizes_are_noisy() -> None:
    """By a face's size to each side once a second, at ten frames a second: within few frames it turns, which mustn't be
    taken for being covered."""
    given = 0
    for seed in range(6):
        dice, tracker, seen = np.random.default_rng(seed), Tracker(), set[int]()
        begin = dice.random()
        for number in range(80):
            x = SIZE * np.sin(2 * np.pi * (number / 10 + begin))
            side = SIZE * (1 + 0.03 * dice.standard_normal())
            box = (x + (SIZE - side) / 2, (SIZE - side) / 2, side, side)
            seen |= set(ids(tracker, number / 10, Detection(box, face(x).landmarks, 0.9)))
        given += len(seen)
    assert given <= 10


def test_a_stranger_elsewhere_gets_a_new_number() -> None:
    """However long nobody was there: the place where a face is looked for moves, and doesn't grow."""
    for gone in (0.2, 0.5, 0.9):
        for x, y in ((0, 62), (0, -62), (-62, 0)):
            tracker = Tracker()
            moving(tracker)
            at = 100 + 375 * min(gone, 0.5)
            assert ids(tracker, 0.2 + gone, face(at + x, y)) == [2]


def test_of_two_near_one_the_nearest_goes_on() -> None:
    tracker = Tracker()
    assert ids(tracker, 0.0, face(0)) == [1]
    assert ids(tracker, 0.1, face(30), face(10)) == [2, 1]
    assert ids(tracker, 0.2, face(12), face(14), face(33)) == [3, 1, 2]  # the first is looked for at 15


def moving(tracker: Tracker) -> None:
    """A face that goes to the right by 50 pixels in each tenth of a second: its speed is 250 after the second frame,
    half of what was measured, and 375 after the third."""
    for number in range(3):
        assert ids(tracker, 0.1 * number, face(50.0 * number)) == [1]


@pytest.mark.parametrize(("x", "number"), [(100 + 37.5 + 59, 1), (100 + 37.5 + 61, 2), (100 + 37.5 - 61, 2)])
def test_a_face_is_looked_for_where_its_speed_takes_it(x: float, number: int) -> None:
    """Within six tenths of its size of that place."""
    tracker = Tracker()
    moving(tracker)
    assert ids(tracker, 0.3, face(x)) == [number]


@pytest.mark.parametrize(("x", "number"), [(100 + 375 / 2 + 59, 1), (100 + 375 / 2 + 61, 2), (100 + 375 * 0.8, 2)])
def test_a_face_out_of_sight_slows_down(x: float, number: int) -> None:
    tracker = Tracker()
    moving(tracker)
    assert ids(tracker, 1.0, face(x)) == [number]


def test_a_face_is_followed_through_uneven_steps() -> None:
    """At 400 pixels a second; a speed per frame would lose it after a long step."""
    tracker = Tracker()
    for time in (0.0, 0.1, 0.15, 0.2, 0.4, 0.44, 0.7, 0.75):
        assert ids(tracker, time, face(400 * time)) == [1]


@pytest.mark.parametrize(
    ("size", "away", "number"),
    [(190.0, 0, 1), (190.0, 90, 1), (210.0, 0, 2), (53.0, 0, 1), (53.0, 65, 2), (47.0, 0, 2)],
)
def test_a_face_of_another_size_is_another(size: float, away: float, number: int) -> None:
    """How near is a share of the larger of the two."""
    tracker = Tracker()
    ids(tracker, 0.0, face(0))
    at = 50 - size / 2  # about the same middle
    assert ids(tracker, 0.1, face(at + away, at, size)) == [number]


def test_after_a_half_life_a_frame_weighs_half() -> None:
    """A quarter of a second where no other is asked for."""
    tracker = Tracker()
    assert smoothed(tracker, 0.0, 1.0) == 1.0
    assert smoothed(tracker, 0.25, 0.0) == pytest.approx(0.5)
    assert smoothed(tracker, 0.75, 0.0) == pytest.approx(0.5 / 4)  # two half-lives later


def test_smoothing_goes_by_time_and_not_by_frames() -> None:
    often, seldom = Tracker(half_life=0.5), Tracker(half_life=0.5)
    for time in (0.0, 0.01, 0.05, 0.3, 0.4):
        last = smoothed(often, time, float(time == 0))
    smoothed(seldom, 0.0, 1.0)
    assert smoothed(seldom, 0.4, 0.0) == pytest.approx(last) == pytest.approx(0.5 ** (0.4 / 0.5))


def test_without_a_half_life_each_frame_stands_alone() -> None:
    tracker = Tracker(half_life=0)
    assert [smoothed(tracker, 0.1 * number, number % 2) for number in range(4)] == [0, 1, 0, 1]

"""What a sheet and a timeline show: read off the drawn figure."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from mien.labels import COLOURS
from mien.recognition import figures
from mien.recognition.figures import FACES, Sheet, Timeline
from mien.recognition.records import Face, Frame, Reading

FACE = Face("happy", 0.9, True, {"sad": 0.1, "happy": 0.9}, (8.0, 6.0, 24.0, 30.0), id=None)
GRAY = np.full((48, 64, 3), 128, np.uint8)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures themselves, of which the pictures are made."""
    kept: list[Figure] = []
    as_bytes = figures._bytes
    monkeypatch.setattr(figures, "_bytes", lambda figure, kind: kept.append(figure) or as_bytes(figure, kind))
    return kept


def timeline(*videos: str, classes: tuple[str, ...] = ("sad", "happy")) -> Timeline:
    gathered = Timeline()
    chances = dict.fromkeys(classes, 1 / len(classes))
    for video in videos:
        for number in range(20):
            faces = tuple(Face(classes[0], 0.5, False, chances, FACE.box, id=id) for id in (1, 2))
            reading = Reading(video, number, number / 10, 64, 48, faces)
            gathered.add(Frame(video, GRAY, number, reading.time), reading)
    return gathered


def test_the_lanes_of_several_videos_say_whose_they_are(drawn: list[Figure]) -> None:
    timeline("in/v1.mp4", "in/v$2$.mp4").picture("png")
    said = [axis.get_title(loc="left") for axis in drawn[0].axes]
    assert said == [f"{name}, face {number}" for name in ("v$2$.mp4", "v1.mp4") for number in (1, 2)]
    timeline("a/v.mp4", "b/v.mp4").picture("png")
    assert {axis.get_title(loc="left").split(",")[0] for axis in drawn[1].axes} == {"a/v.mp4", "b/v.mp4"}
    timeline("in/v1.mp4").picture("png")
    assert [axis.get_title(loc="left") for axis in drawn[2].axes] == ["v1.mp4", ""]


@pytest.mark.parametrize("length", [3, 14, 60])
def test_a_timelines_legend_fits(drawn: list[Figure], length: int) -> None:
    classes = tuple(f"{place:02}{'m' * (length - 2)}" for place in range(12))
    timeline("v.mp4", classes=classes).picture("png")
    legend = drawn[0].legends[0].get_window_extent()
    assert 0 <= legend.x0 < legend.x1 <= drawn[0].bbox.width


def test_a_timelines_legend_names_each_colour(drawn: list[Figure]) -> None:
    classes = ("sad", "happy", "angry")
    timeline("v.mp4", classes=classes).picture("png")
    [legend] = drawn[0].legends
    shades = [to_hex(handle.get_facecolor()).upper() for handle in legend.legend_handles]
    named = [text.get_text() for text in legend.get_texts()]
    assert dict(zip(named, shades, strict=True)) == {name: COLOURS[name] for name in classes}
    assert all(
        to_hex(*area.get_edgecolor()) == "#ffffff" for area in drawn[0].axes[0].collections
    )  # and lines part them


def test_where_a_face_was_away_its_shares_are_zero() -> None:
    course = figures._Course()
    for time, share in ((0.0, 0.2), (0.1, 0.3), (0.2, 0.4), (5.0, 0.5)):
        course.add(time, [share, 1 - share])
    times, shares = figures._with_gaps(course)
    assert times.tolist() == pytest.approx([0, 0.1, 0.2, 0.201, 4.999, 5])
    assert shares[:, 0].tolist() == [0.2, 0.3, 0.4, 0, 0, 0.5]
    assert shares.sum(1).tolist() == [1, 1, 1, 0, 0, 1]


def test_a_sheet_shows_the_surest_of_each_expression_and_whose_they_are(drawn: list[Figure]) -> None:
    sheet = Sheet()
    for number in range(400):
        label = "sad" if number >= 390 else "happy"
        face = replace(FACE, label=label, confidence=0.5 + number / 1000)
        name = f"in/IMG_20260131_{number}.jpg"
        sheet.add(Frame(name, GRAY), Reading(name, faces=(face,)))
    assert (len(sheet.shown), sheet.left_out) == (FACES, 400 - FACES)
    sheet.picture("png")
    said = [(axis.get_title(), axis.get_xlabel()) for axis in drawn[0].axes]
    assert said[0] == ("happy?\n89%", "IMG_202…31_389")
    assert sum(title.startswith("sad") for title, _ in said) == 10
    assert said[109] == ("happy?\n78%", "IMG_202…31_280")


def test_names_that_cant_be_drawn_harm_nothing() -> None:
    sheet = Sheet()
    for name in ("a$b_$.jpg", "\udce9.jpg", "写真.jpg", "a\nb\x00.jpg"):
        sheet.add(Frame(name, GRAY), Reading(name, faces=(FACE,)))
    assert sheet.picture("png").startswith(b"\x89PNG")
    assert b"<svg" in sheet.picture("svg")
    assert b"<svg" in timeline("\udce9$_$.mp4", "写.mp4").picture("svg")


def test_a_face_at_the_edge_keeps_its_shape() -> None:
    picture = np.full((100, 160, 3), 40, np.uint8)
    cv2.circle(picture, (10, 50), 9, (250, 250, 250), -1)
    for box, shown in (((-20.0, 20.0, 60.0, 60.0), picture), (None, picture)):
        tile = figures._tile(shown, replace(FACE, box=box))
        ys, xs = np.nonzero(tile[..., 0] > 245)
        assert tile.shape == (72, 72, 3)
        assert abs(np.ptp(ys) - np.ptp(xs)) <= 1


def test_a_face_stands_in_the_middle_of_its_tile() -> None:
    picture = np.full((100, 160, 3), 40, np.uint8)
    cv2.circle(picture, (79, 49), 4, (250, 250, 250), -1)
    for box in ((60.0, 30.0, 40.0, 40.0), (60.0, 35.0, 40.0, 30.0), (65.0, 30.0, 30.0, 40.0)):
        tile = figures._tile(picture, replace(FACE, box=box))
        assert np.argwhere(tile[..., 0] > 145).mean(0).tolist() == pytest.approx([35.5, 35.5], abs=1.5)


@pytest.mark.parametrize("count", [1, 25])
@pytest.mark.parametrize("names", [["gpqy.jpg"], ["p/gpqy.jpg", "q/gpqy.jpg"]])
def test_the_names_below_a_sheet_are_not_cut_off(drawn: list[Figure], count: int, names: list[str]) -> None:
    sheet = Sheet()
    for number in range(count * len(names)):
        name = names[number % len(names)]
        sheet.add(Frame(name, GRAY), Reading(name, faces=(FACE,)))
    sheet.picture("png")
    assert min(axis.xaxis.label.get_window_extent().y0 for axis in drawn[0].axes) >= 0


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["Day 1/I.JPG", "Day 2/I.JPG", "Day 2/J.JPG"], ["I.JPG\nDay 1", "I.JPG\nDay 2", "J"]),
        (["/home/anna/pictures/in/I.JPG", "/home/anna/pictures/in/sub/I.JPG"], ["I.JPG\nin", "I.JPG\nsub"]),
        (["in/./I.heic", "in/./I.jpg"], ["I.heic", "I.jpg"]),
        (["in/I.jpg", "in/I.jpg"], ["I", "I"]),
    ],
)
def test_a_sheet_tells_files_apart_that_are_called_alike(
    drawn: list[Figure], names: list[str], said: list[str]
) -> None:
    sheet = Sheet()
    for name in names:
        sheet.add(Frame(name, GRAY), Reading(name, faces=(FACE,)))
    sheet.picture("png")
    assert [axis.get_xlabel() for axis in drawn[0].axes] == said


def test_a_sheet_without_a_face_says_so(drawn: list[Figure]) -> None:
    sheet = Sheet()
    sheet.add(Frame("a.jpg", GRAY), Reading("a.jpg"))
    sheet.picture("png")
    title = drawn[0].get_suptitle()
    assert title == "no face was found"
    extent = drawn[0]._suptitle.get_window_extent()
    assert 0 <= extent.x0 < extent.x1 <= drawn[0].bbox.width

"""Boxes and captions leave the face to be seen, in small pictures and of small faces in large ones; a full disk."""

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageColor
from skimage.color import rgb2xyz

from mien.errors import MediaError
from mien.labels import COLOURS
from mien.recognition import letters, video
from mien.recognition.annotate import annotate, save_picture
from mien.recognition.records import Face, Reading
from mien.recognition.signed import sign_video
from mien.recognition.video import VideoWriter

FACE = Face("happy", 0.9, True, {"sad": 0.1, "happy": 0.9}, (8.0, 6.0, 24.0, 30.0))


def test_a_crops_caption_leaves_the_eyes() -> None:
    crop = np.full((48, 48, 3), 128, np.uint8)
    for box in (None, (2.0, 1.0, 44.0, 46.0)):
        drawn = np.asarray(annotate(crop, Reading("a", faces=(replace(FACE, box=box),))))
        assert drawn.shape == (240, 240, 3)
        assert (drawn[60:140, 20:220] == 128).all()
        assert (drawn[3, 30:60] != 128).any(1).all()  # the caption: at the bottom the bars would hide it
    assert annotate(np.zeros((300, 20, 3), np.uint8), Reading("a")).size == (20, 300)


def test_a_small_face_in_a_large_picture_is_seen() -> None:
    large = np.full((2400, 3200, 3), 128, np.uint8)
    face = replace(FACE, box=(1000.0, 1000.0, 40.0, 48.0), uncertain=False)
    drawn = np.asarray(annotate(large, Reading("a", faces=(face,))))
    assert (drawn[1004:1020, 1004:1036] == 128).all()


def test_box_and_bars_have_the_expressions_colours() -> None:
    face = replace(FACE, box=(50.0, 50.0, 200.0, 180.0))
    drawn = np.asarray(annotate(np.full((300, 300, 3), 128, np.uint8), Reading("a", faces=(face,))))
    happy, sad = (ImageColor.getrgb(COLOURS[name]) for name in ("happy", "sad"))
    assert tuple(drawn[230, 50]) == happy
    sads, happys = ((drawn[100:230, column] == ink).all(1).sum() for column, ink in ((100, sad), (200, happy)))
    assert (sads, happys) == (pytest.approx(0.1 * 180 / 6, abs=1), pytest.approx(0.9 * 180 / 6, abs=1))


def test_the_largest_face_lies_on_top_and_an_uncertain_one_has_a_thinner_line() -> None:
    happy, sad = (ImageColor.getrgb(COLOURS[name]) for name in ("happy", "sad"))
    faces = [replace(FACE, box=(100.0, 100.0, 300.0, 300.0), uncertain=False)]
    faces.append(replace(FACE, label="sad", box=(300.0, 300.0, 150.0, 150.0)))
    drawn = np.asarray(annotate(np.full((600, 600, 3), 128, np.uint8), Reading("a", faces=tuple(faces))))
    assert tuple(drawn[300, 400]) == happy  # where their lines cross
    lines = drawn[250, 97:106] == happy, drawn[425, 446:455] == sad
    assert [line.all(1).sum() for line in lines] == [4, 2]


def test_a_captions_letters_have_the_better_contrast() -> None:
    for name, shade in COLOURS.items():
        face = replace(FACE, label=name, probabilities={name: 0.9}, box=(50.0, 50.0, 200.0, 180.0))
        drawn = np.asarray(annotate(np.full((300, 300, 3), 128, np.uint8), Reading("a", faces=(face,))))
        paper = rgb2xyz(np.array(ImageColor.getrgb(shade)) / 255)[1] + 0.05
        assert (drawn[:49] == 0).all(2).any() == (paper / 0.05 > 1.05 / paper), name  # black on it, or white


def captioned(label: str) -> bytes:
    face = replace(FACE, label=label, probabilities={label: 0.9}, box=(50.0, 50.0, 200.0, 180.0))
    return annotate(np.full((300, 300, 3), 128, np.uint8), Reading("a", faces=(face,))).tobytes()


def test_letters_that_pillows_own_font_hasnt_are_drawn_with_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    monkeypatch.setattr(letters, "FONTS", {"None": "no such font", "DejaVu Sans": str(ours)})
    names = ("g\u00e4", "g\u00e9", "\u0436", "\u0434", "\u05e9", "\u05d1")
    assert len({captioned(name) for name in names}) == len(names)  # boxes would be alike
    assert letters.missing([*names, "happy", "\u5b09", "two\nlines"]) == ["\u5b09"]
    for name in ("\u5b09", "two\nlines", "\x85"):
        captioned(name)


@contextmanager
def room(size: int) -> Iterator[None]:
    """Files grow no larger meanwhile, as on a full disk."""
    resource = pytest.importorskip("resource")  # not on Windows
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def draw(writer: VideoWriter, frames: np.ndarray) -> None:
    with writer:
        for number, pixels in enumerate(frames):
            writer.write(pixels, number / 15)


@pytest.mark.parametrize("count", [20, 300])  # few stay in the coder until the end
@pytest.mark.parametrize("kind", ["webm", "mp4"])
def test_a_disk_that_is_full_for_a_moment_leaves_no_half_of_a_drawing(
    tmp_path: Path, kind: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, dice, full = tmp_path / f"a.{kind}", np.random.default_rng(0), ExitStack()
    path.write_bytes(b"an earlier drawing")

    def sign(*what: str) -> None:
        full.close()  # there is room again
        sign_video(*what)

    monkeypatch.setattr(video, "sign_video", sign)
    writer = VideoWriter(path)
    with full:
        full.enter_context(room(500))
        with pytest.raises((MediaError, OSError)) as caught:
            draw(writer, dice.integers(0, 256, (count, 32, 32, 3), np.uint8))
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"an earlier drawing"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("count", [1, 20])
def test_a_picture_too_wide_for_the_coder_is_said_to_be(tmp_path: Path, count: int) -> None:
    with pytest.raises(MediaError, match=r"a\.webm: OpenCV can't write VP8 of 17,000 × 16 pixels"):
        draw(VideoWriter(tmp_path / "a.webm"), np.zeros((count, 16, 17_000, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_a_picture_for_which_there_is_no_room_is_named(tmp_path: Path) -> None:
    dice = np.random.default_rng(0)
    with room(2000), pytest.raises(OSError, match=r"a\.jpg"):
        save_picture(Image.fromarray(dice.integers(0, 256, (96, 96, 3), np.uint8)), tmp_path / "a.jpg", "signed")


def test_a_drawing_that_cant_grow_any_more_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "LOOKED", 20)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    with VideoWriter(tmp_path / "a.webm") as writer:
        for number in range(30):  # they are buffered
            writer.write(np.zeros((16, 16, 3), np.uint8), number / 3)
        with pytest.raises(MediaError, match=r"a\.webm: No space"):
            deque(writer.write(np.zeros((16, 16, 3), np.uint8), number / 3) for number in range(30, 50))

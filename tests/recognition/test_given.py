"""Frames that somebody else decoded, and addresses of those who might."""

import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import mien
from mien.errors import DataError, MediaError
from mien.recognition.sources import Sources
from mien.recognition.video import VideoWriter


@pytest.fixture(scope="module")
def recognizer() -> mien.Recognizer:
    return mien.Recognizer(threads=1)


def test_frames_of_ones_own_are_followed_as_they_come(recognizer: mien.Recognizer, astronaut: np.ndarray) -> None:
    asked = 0

    def endless() -> Iterator[tuple[np.ndarray, float]]:
        nonlocal asked
        while True:
            left = 90 - 2 * asked
            yield astronaut[20:260, left : left + 320], asked / 15
            asked += 1

    stream = recognizer.stream(endless(), every=2)
    found = [next(stream) for _ in range(4)]
    stream.close()
    assert [(one.source, one.frame, one.time) for one in found] == [("frames", n, n / 15) for n in (0, 2, 4, 6)]
    assert [[face.id for face in one] for one in found] == [[1]] * 4
    assert asked < 14
    assert [one.frame for one in recognizer.stream([(astronaut, 0), (astronaut, 1)])] == [0, 1]


def test_a_stream_is_left_while_its_source_waits(astronaut: np.ndarray) -> None:
    frames: queue.Queue[tuple[np.ndarray, float] | None] = queue.Queue()
    frames.put((astronaut, 0.0))

    def left() -> None:
        for _ in mien.Recognizer(threads=1, detect=False).stream(iter(frames.get, None)):
            break

    leaving = threading.Thread(target=left, daemon=True)
    leaving.start()
    leaving.join(60)
    waits = [thread for thread in threading.enumerate() if thread.name == "mien ahead"]
    assert not leaving.is_alive()
    assert len(waits) == 1
    frames.put(None)
    waits[0].join(60)
    assert not waits[0].is_alive()


def test_what_is_no_frame_is_said(recognizer: mien.Recognizer, astronaut: np.ndarray, photo: Path) -> None:
    with pytest.raises(MediaError, match=r"Frame 1 of a stream isn't \(array, seconds\); found ndarray\."):
        list(recognizer.stream(iter([(astronaut, 0.0), astronaut])))
    for odd, said in (
        (astronaut, r"ndarray\. Arrays without seconds are for"),
        ((None, 0.1), r"\(NoneType, float\)"),
        ([astronaut, "0.1"], r"\(ndarray, str\)"),
        ((astronaut, 0.1, 2), r"\(ndarray, float, int\)"),
    ):
        for given in ([odd], iter([odd])):
            with pytest.raises(MediaError, match=rf"Frame 0 of a stream isn't \(array, seconds\); found {said}"):
                list(recognizer.stream(given))
    with pytest.raises(MediaError, match="What is streamed is a path"):
        next(recognizer.stream([("a.jpg", "b.jpg")]))
    assert [Path(one.source) for one in recognizer.stream(one for one in [photo])] == [photo]
    for own in ({"every": 3}, {"after": {}}):
        with pytest.raises(DataError, match="Sources have every and after of their own"):
            next(recognizer.stream(Sources(str(photo)), **own))
    for every in (0, 2.5):
        with pytest.raises(DataError, match=f"every is {every}"):
            next(recognizer.stream(photo, every=every))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ([0, np.nan], "Frame 1 of a stream has nan for its seconds; they are finite"),
        ([np.inf], "Frame 0 of a stream has inf"),
        ([0, 2, 2, 1.5], "Frame 3 of a stream has 1.5 for its seconds after 2.0; .* never fall"),
    ],
)
def test_seconds_that_are_none_or_fall_are_said(
    recognizer: mien.Recognizer, astronaut: np.ndarray, seconds: list[float], said: str
) -> None:
    stream = recognizer.stream((astronaut[:240, :240], one) for one in seconds)
    assert [next(stream).time for _ in seconds[1:]] == seconds[:-1]
    with pytest.raises(DataError, match=said):
        next(stream)


def test_addresses_are_said_as_they_are(recognizer: mien.Recognizer) -> None:
    with pytest.raises(MediaError, match=r"https://x/a\.jpg: an address; download it"):
        recognizer("https://x/a.jpg")
    [reading] = recognizer.read_all(["https://x/a.jpg"])
    assert reading.source == "https://x/a.jpg"
    with pytest.raises(MediaError, match=r"rtsp://x/a: a live address, .* Recognizer\.stream"):
        next(recognizer.stream("rtsp://x/a"))


def test_frames_of_several_videos_and_photos_are_counted_beforehand(film: Path, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "b.mp4").write_bytes(film.read_bytes())
    (tmp_path / "c.mp4").write_bytes(b"")
    assert Sources([film, tmp_path / "b.mp4", photo, tmp_path / "c.mp4"], every=4).total == 8 + 8 + 1 + 1


@pytest.mark.parametrize("kind", ["webm", "mp4"])
@pytest.mark.parametrize("rate", [240, 1000])
def test_slow_motion_is_drawn_whole(tmp_path: Path, kind: str, rate: int) -> None:
    with VideoWriter(tmp_path / f"a.{kind}") as writer:
        for number in range(48):
            writer.write(np.full((32, 32, 3), 5 * number, np.uint8), number / rate)
    shown = list(Sources([tmp_path / f"a.{kind}"]))
    assert len(shown) == 48
    assert [frame.time for frame in shown] == pytest.approx([number / rate for number in range(48)], abs=0.002)

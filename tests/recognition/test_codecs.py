"""Videos that some decoder reads otherwise than others do, or doesn't read."""

import os
import struct
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from mien.recognition.sources import Sources

ORANGE = (200, 110, 30)
SQUARE = Fraction(1)


def write(
    path: Path, codec: str, options: dict[str, str], aspect: Fraction = SQUARE, count: int = 5, first: int = 0
) -> Path:
    """Frames, 96 × 64, that are orange to the left and black to the right."""
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, :48] = ORANGE
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        for number in range(first, first + count):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    if codec == "libsvtav1" and hasattr(os, "sched_setscheduler"):
        # as root it gives the calling thread real-time priority, and so all that is started from here: a browser that
        # is busy then leaves the processor to nobody
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return path


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="Linux alone has such priorities")
def test_writing_a_video_leaves_the_priority_as_it_was(tmp_path: Path) -> None:
    was = os.sched_getscheduler(0)
    write(tmp_path / "a.mp4", "libsvtav1", {})
    assert os.sched_getscheduler(0) == was


def assert_read(path: Path) -> None:
    frames = list(Sources([path]))
    assert [frame.error for frame in frames] == [""] * 5
    assert [frame.time for frame in frames] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16], abs=0.002)
    for frame in frames:
        assert frame.pixels[32, 20].tolist() == pytest.approx(ORANGE, abs=12)
        assert frame.pixels[32, 80].tolist() == pytest.approx((0, 0, 0), abs=12)


@pytest.mark.parametrize(("codec", "kind"), [("libx264", "mkv"), ("mpeg2video", "mpg")])
def test_interlaced_videos_are_read(tmp_path: Path, codec: str, kind: str) -> None:
    """OpenCV 4.13 and 4.14 gave memory that nobody had written to, and said that all was well."""
    assert_read(write(tmp_path / f"a.{kind}", codec, {"flags": "+ildct+ilme"}))


@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_av1_is_read(tmp_path: Path, kind: str) -> None:
    assert_read(write(tmp_path / f"a.{kind}", "libsvtav1", {}))
    assert_read(write(tmp_path / f"cut.{kind}", "libsvtav1", {}, first=50))  # its clock begins at two seconds


def test_without_pyav_it_is_said_what_av1_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.mp4", "libsvtav1", {})
    monkeypatch.setitem(sys.modules, "av", None)
    [frame] = Sources([path])
    assert 'AV1, which this OpenCV doesn\'t decode. Install PyAV, pip install "mien[h264]"; or' in frame.error


@pytest.mark.parametrize(("codec", "kind"), [("libx264", "h264"), ("libx264", "264"), ("mjpeg", "mjpg")])
def test_what_a_camera_gives_as_it_is_is_a_video(tmp_path: Path, codec: str, kind: str) -> None:
    frames = list(Sources([write(tmp_path / f"a.{kind}", codec, {}).parent]))
    assert [(frame.error, frame.index) for frame in frames] == [("", number) for number in range(5)]
    assert [frame.time for frame in frames] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16], abs=0.001)


@pytest.mark.parametrize(("aspect", "width"), [((4, 3), 128), ((2, 3), 64), ((1, 1), 96), ((1, 10), 96)])
def test_pixels_are_square_as_they_are_shown(tmp_path: Path, aspect: tuple[int, int], width: int) -> None:
    for codec in ("libx264", "libsvtav1"):
        frames = list(Sources([write(tmp_path / f"{codec}.mp4", codec, {}, Fraction(*aspect))]))
        assert {frame.pixels.shape for frame in frames} == {(64, width, 3)}
        assert frames[0].pixels[32, width // 4].tolist() == pytest.approx(ORANGE, abs=12)


TURNS = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


def turned(path: Path, angle: int) -> Path:
    """The same video with another display matrix, as phones write one."""
    held = bytearray(path.read_bytes())
    head = held.find(b"tkhd") + 4
    at = head + (20 if held[head] == 0 else 32) + 20
    a, b, c, d = (65536 * one for one in TURNS[angle])
    held[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(held)
    return path


@pytest.mark.parametrize("codec", ["libx264", "libsvtav1"])
@pytest.mark.parametrize(("angle", "orange"), [(90, (20, 32)), (180, (32, 76)), (270, (76, 32))])
def test_videos_are_turned_as_they_are_shown(tmp_path: Path, codec: str, angle: int, orange: tuple[int, int]) -> None:
    frames = list(Sources([turned(write(tmp_path / "a.mp4", codec, {}), angle)]))
    assert {frame.pixels.shape for frame in frames} == {(64, 96, 3) if angle == 180 else (96, 64, 3)}
    row, column = orange
    assert frames[0].pixels[row, column].tolist() == pytest.approx(ORANGE, abs=12)
    high, wide = frames[0].pixels.shape[:2]
    assert frames[0].pixels[high - 1 - row, wide - 1 - column].tolist() == pytest.approx((0, 0, 0), abs=12)


def test_turned_pixels_are_widened_along_the_right_side(tmp_path: Path) -> None:
    for codec in ("libx264", "libsvtav1"):
        frames = list(Sources([turned(write(tmp_path / f"{codec}.mp4", codec, {}, Fraction(4, 3)), 90)]))
        assert {frame.pixels.shape for frame in frames} == {(96, 48, 3)}


def test_a_damaged_packet_of_av1_is_told_of_and_the_rest_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.webm", "libsvtav1", {"svtav1-params": "keyint=1"}, count=12)
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    held = bytearray(path.read_bytes())
    at = held.find(packets[4]) + len(packets[4]) // 2
    held[held.find(packets[4]) : at] = b"\xff" * (at - held.find(packets[4]))
    path.write_bytes(held)
    sources = Sources([path])
    frames = list(sources)
    assert sources.total == 12
    assert [frame.error for frame in frames[:-1]] == [""] * 11
    assert frames[-1].error == "1 of 12 frames couldn't be decoded."


def test_a_picture_that_is_called_a_video_is_read_by_no_decoder_of_opencvs(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"m{number}.mp4").write_bytes(
            b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 8 +X 8\n" + bytes([128] * 256)
        )
    [frame] = Sources([tmp_path / "m1.mp4"])
    assert "no picture in it" in frame.error

"""What files are taken for, which of them are read, and what is said of those that are damaged."""

import math
import os
import pickle
import shutil
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from mien.errors import DataError, MediaError
from mien.recognition.complete import is_cut_off
from mien.recognition.films import decoded
from mien.recognition.signed import is_signed
from mien.recognition.sources import Sources
from mien.recognition.video import VideoWriter

NOT_TEXT = os.fsdecode(b"caf\xe9")
"""As an old Latin-1 disk has it."""


def names(sources: Sources) -> list[str]:
    return [Path(frame.source).name for frame in sources]


def write_video(path: Path, codec: str, times: list[float], *, audio: float = 0, options: dict[str, str] | None = None):
    """A video of noise, which takes room in the file; `audio` in seconds of silence."""
    dice = np.random.default_rng(0)
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=15)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        sound = container.add_stream("libopus", rate=48000) if audio else None
        for time in times:
            frame = av.VideoFrame.from_ndarray(dice.integers(0, 256, (64, 96, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = round(1000 * time), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for place in range(round(audio * 50)):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.int16), format="s16", layout="mono")
            silence.sample_rate, silence.pts, silence.time_base = 48000, 960 * place, Fraction(1, 48000)
            container.mux(sound.encode(silence))
        if sound:
            container.mux(sound.encode(None))


EVEN = [number / 15 for number in range(30)]


@pytest.mark.parametrize("kind", ["webm", "mkv"])
def test_a_video_that_its_sound_outlasts_is_whole(tmp_path: Path, kind: str) -> None:
    write_video(tmp_path / f"a.{kind}", "libvpx", EVEN, audio=9)
    assert cv2.VideoCapture(str(tmp_path / f"a.{kind}")).get(cv2.CAP_PROP_FRAME_COUNT) > 100
    assert [frame.error for frame in Sources([tmp_path])] == [""] * 30


def test_a_video_of_a_changing_pace_is_whole(tmp_path: Path) -> None:
    write_video(tmp_path / "a.webm", "libvpx", [number / 30 if number < 15 else number - 14 for number in range(25)])
    assert cv2.VideoCapture(str(tmp_path / "a.webm")).get(cv2.CAP_PROP_FRAME_COUNT) > 100
    assert [frame.error for frame in Sources([tmp_path])] == [""] * 25


def test_a_videos_colours_are_as_they_were(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "a.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 15, (64, 48))
    for _ in range(3):
        writer.write(np.full((48, 64, 3), (30, 110, 200), np.uint8))  # BGR
    writer.release()
    assert next(iter(Sources([tmp_path]))).pixels[24, 32].tolist() == pytest.approx([200, 110, 30], abs=12)


def test_a_video_that_a_phone_trimmed_is_whole(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", "mpeg4", EVEN)
    film = (tmp_path / "a.mp4").read_bytes()
    at = film.index(b"elst") + 12  # the box: kind, version, how many; then how long is shown, in thousandths
    (tmp_path / "a.mp4").write_bytes(film[:at] + (1000).to_bytes(4, "big") + film[at + 4 :])
    found = list(Sources([tmp_path]))
    assert len(found) < 30
    assert {frame.error for frame in found} == {""}


@pytest.mark.parametrize("kind", ["mp4", "webm", "mkv", "avi"])
def test_a_video_that_is_cut_off_is_told_of(tmp_path: Path, kind: str) -> None:
    codec = {"mp4": "mpeg4", "avi": "mjpeg"}.get(kind, "libvpx")
    path = tmp_path / f"a.{kind}"
    write_video(path, codec, EVEN, options={"movflags": "faststart"} if kind == "mp4" else None)
    assert [frame.error for frame in Sources([path])] == [""] * 30
    assert not is_cut_off(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])  # an .avi ends with a third of index
    *seen, last = Sources([path])
    assert 5 < len(seen) < 29
    assert last.error == f"cut off after {len(seen)} frames; its end is missing."
    assert (last.index, last.time) == (len(seen), seen[-1].time)


def test_frames_that_are_damaged_in_the_midst_are_told_of(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, "mpeg4", EVEN)
    film = bytearray(path.read_bytes())
    film[len(film) * 2 // 5 : len(film) * 3 // 5] = bytes(len(film) * 3 // 5 - len(film) * 2 // 5)
    path.write_bytes(film)
    *seen, last = Sources([path])
    assert last.error == f"{30 - len(seen)} of 30 frames couldn't be decoded."
    assert seen[-1].index == 29


def test_a_video_whose_name_is_no_text_is_one_files_error(film: Path, photo: Path, tmp_path: Path) -> None:
    try:
        (tmp_path / f"{NOT_TEXT}.mp4").write_bytes(film.read_bytes())
    except OSError:
        pytest.skip("this file system takes no such names")
    (tmp_path / f"{NOT_TEXT}.jpg").write_bytes(photo.read_bytes())
    said = {Path(frame.source).suffix: frame.error for frame in Sources([tmp_path])}
    assert said == {".jpg": "", ".mp4": "its name isn't text (UTF-8), which videos need; rename it."}
    with pytest.raises(DataError, match=r"isn't text .* name another"):
        VideoWriter(tmp_path / f"{NOT_TEXT}.webm")


@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_a_film_is_read_and_drawn_in_a_folder_whose_name_is_no_text(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    try:
        (tmp_path / NOT_TEXT).mkdir()
    except OSError:
        pytest.skip("this file system takes no such names")
    monkeypatch.chdir(tmp_path / NOT_TEXT)
    Path("a.mp4").write_bytes(film.read_bytes())
    with VideoWriter(f"drawn.{kind}") as writer:
        for frame in Sources(["a.mp4"]):
            writer.write(frame.pixels, frame.time)
    assert [frame.error for frame in Sources([f"drawn.{kind}"])] == [""] * 30


def test_a_pattern_gives_each_file_once(photo: Path, tmp_path: Path) -> None:
    for name in ("a.jpg", "inner/b.jpg", "inner/deep/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(photo.read_bytes())
    for link in ("inner/round", "inner/deep/again"):  # two of them: glob would go on for ever
        (tmp_path / link).symlink_to(tmp_path)
    for pattern in ("**", "**/*.jpg", "**/**/*.jpg"):
        assert sorted(names(Sources([tmp_path / pattern]))) == ["a.jpg", "b.jpg", "c.jpg"]
    assert names(Sources([tmp_path / "inner" / "**" / "?.jpg"])) == ["b.jpg", "a.jpg", "c.jpg"]
    (tmp_path / "linked.jpg").symlink_to(tmp_path / "a.jpg")  # a file's link is read, as in a folder
    assert names(Sources([tmp_path / "*.jpg"])) == ["a.jpg", "linked.jpg"]


def test_what_two_names_stand_for_is_read_once(film: Path, photo: Path, tmp_path: Path) -> None:
    for name, file in (("a.jpg", photo), ("b.mp4", film)):
        (tmp_path / name).write_bytes(file.read_bytes())
    for again in (tmp_path, tmp_path / "b.mp4", tmp_path / "*.mp4", tmp_path / ".." / tmp_path.name / "b.mp4"):
        sources = Sources([tmp_path, again])
        assert (sources.photos, sources.videos) == (1, 1)
        assert [frame.index for frame in sources] == [0, *range(30)]


def test_what_two_names_stand_for_is_counted_once(film: Path, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(photo.read_bytes())
    (tmp_path / "x.txt").write_text("not a picture")
    with VideoWriter(tmp_path / "drawn.webm") as writer:
        for number in range(3):
            writer.write(np.zeros((48, 64, 3), np.uint8), number / 10)
    sources = Sources([tmp_path, tmp_path])
    assert names(sources) == ["a.jpg"]
    assert (sources.others, sources.drawn) == (1, 1)
    assert names(Sources([tmp_path, tmp_path / "x.txt", tmp_path / "drawn.webm"])) == [
        "a.jpg", "x.txt", *["drawn.webm"] * 3,
    ]  # fmt: skip
    with pytest.raises(MediaError, match="but what mien drew itself"):
        Sources([tmp_path, tmp_path / "*.webm"])


def test_sources_can_be_pickled(photo: Path) -> None:
    same = pickle.loads(pickle.dumps(Sources(photo)))
    assert [frame.source for frame in same] == [str(photo)]


def test_what_is_done_already_is_no_part_of_what_comes(photo: Path, film: Path, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).write_bytes(photo.read_bytes())
    after = {str(tmp_path / name): 0 for name in ("a.jpg", "c.jpg", "gone.jpg")} | {str(film): 20}
    sources = Sources([tmp_path, film], after=after, every=5)
    assert [frame.index for frame in sources] == [0, 25]
    assert sources.total - 2 == sources.passed == 2 + 5


def test_a_video_that_is_done_is_not_decoded_again(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.recognition.sources.film", None)
    sources = Sources(film, after={str(film): None}, every=5)
    assert list(sources) == []
    assert sources.passed == sources.total == 6


@pytest.mark.parametrize("kind", ["ts", "m2ts"])
def test_what_a_camcorder_writes_is_a_video(tmp_path: Path, kind: str) -> None:
    write_video(tmp_path / f"a.{kind}", "libx264", EVEN, options={"mpegts_m2ts_mode": "1"} if kind == "m2ts" else None)
    (tmp_path / "code.ts").write_text("Greetings: " + "G" * 177 + "\n")
    assert [frame.error for frame in Sources([tmp_path])] == [""] * 30


@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_a_colon_in_a_name_is_no_protocol(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        Path("12:30").mkdir()
    except OSError:
        pytest.skip("this file system takes no such names")
    Path("12:30:00.mp4").write_bytes(film.read_bytes())
    with VideoWriter(f"12:30/a.{kind}") as writer:
        for frame in Sources(["12:30:00.mp4"]):
            writer.write(frame.pixels, frame.time)
    assert [frame.error for frame in Sources([f"12:30/a.{kind}"])] == [""] * 30


@pytest.mark.parametrize(("kind", "codec"), [("opus", "libopus"), ("m4a", "aac"), ("webm", "libopus")])
def test_sound_is_no_damaged_video(photo: Path, tmp_path: Path, kind: str, codec: str) -> None:
    with av.open(str(tmp_path / f"a.{kind}"), "w") as container:
        stream = container.add_stream(codec, rate=48000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.int16), format="s16", layout="mono")
        silence.sample_rate = 48000
        for frame in (silence, None):
            container.mux(stream.encode(frame))
    (tmp_path / "b.jpg").write_bytes(photo.read_bytes())
    sources = Sources([tmp_path])
    said = ["no picture in it, damaged, or of a kind that isn't read."] if kind == "webm" else []
    assert [frame.error for frame in sources] == [*said, ""]
    assert sources.others == 1 - len(said)


def test_a_list_of_other_files_is_no_video(film: Path, tmp_path: Path) -> None:
    shutil.copy(film, tmp_path / "film.mp4")
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile film.mp4\n")
    [frame] = Sources([tmp_path / "list.mp4"])
    assert frame.error == "a list of other files for FFmpeg, not a video; name those files."


def test_a_file_asked_for_from_here_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes.txt").write_text("not a picture")
    monkeypatch.chdir(tmp_path)
    [frame] = Sources(["./notes.txt"])
    assert "neither a photo" in frame.error


def test_a_text_that_begins_like_a_bitmap_is_passed_over(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(photo.read_bytes())
    (tmp_path / "cars.txt").write_text("BMW, Munich, since 1916")
    sources = Sources([tmp_path])
    assert (names(sources), sources.others) == (["a.jpg"], 1)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system")
def test_a_photo_comes_through_a_pipe(photo: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(photo.read_bytes(),), daemon=True).start()
    [frame] = Sources([tmp_path / "pipe"])
    assert (frame.error, frame.pixels.shape) == ("", (512, 512, 3))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system")
def test_of_a_video_through_a_pipe_it_is_said_what_to_do(film: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(film.read_bytes()[:9000],), daemon=True).start()
    [frame] = Sources([tmp_path / "pipe"])
    assert frame.error == "a video through a pipe isn't read; save it to a file first."


def test_what_is_neither_is_said_to_be_neither(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "notes.jpg").write_text("hello")
    found = [frame.error for frame in Sources([tmp_path / "notes.txt", tmp_path / "notes.jpg"])]
    assert found[0] == "neither a photo nor a video that is read."
    assert found[1].startswith("not an image (JPEG")


def test_a_cameras_time_begins_with_its_first_picture(film: Path) -> None:
    video = cv2.VideoCapture(str(film))
    for _ in range(10):  # its clock is on already, as the kernel's is
        video.grab()
    frames = decoded("7", video, every=1, last=-1, live=True)
    for number in range(20):
        assert next(frames).time == pytest.approx(number / 15, abs=0.002)
    with pytest.raises(MediaError, match="camera 7: it gives no more"):
        next(frames)


def test_where_a_camera_has_no_clock_it_is_the_programs(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a Mac, where OpenCV says 0 for every picture, and nothing that is true of the rate."""

    class Camera:
        video = cv2.VideoCapture(str(film))

        def get(self, what: int) -> float:
            return math.nan if what == cv2.CAP_PROP_FPS else 0.0

        def grab(self) -> bool:
            return bool(self.video.grab())

        def retrieve(self) -> Any:
            return self.video.retrieve()

    clock = iter([1000.0, 1000.25, 1000.75, 1000.75])
    monkeypatch.setattr("mien.recognition.films.monotonic", lambda: next(clock))
    monkeypatch.setattr("sys.platform", "darwin")
    frames = decoded("7", Camera(), every=1, last=-1, live=True)
    assert [next(frames).time for _ in range(4)] == [0, 0.25, 0.75, 0.79]


@pytest.mark.parametrize("kind", [".webm", ".mp4"])
def test_a_drawn_video_is_signed_and_still_plays(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a{kind}"
    with VideoWriter(path) as writer:
        for number in range(12):
            writer.write(np.full((64, 96, 3), 20 * number, np.uint8), number / 10)
    assert is_signed(path)
    assert not is_cut_off(path)
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12
    assert [frame.error for frame in Sources([path])] == [""] * 12
    with pytest.raises(DataError, match="could be overwritten"):  # asked for by name
        Sources([path], outputs=[tmp_path])
    with pytest.raises(MediaError, match="no photo and no video"):
        Sources([tmp_path], outputs=[tmp_path])


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_no_drawings_are_mixed_into_a_folder_that_is_read(photo: Path, tmp_path: Path) -> None:
    """Also where all its photos lie in folders within."""
    card = tmp_path / "card"
    for day in ("D1", "D2"):
        (card / day).mkdir(parents=True)
        shutil.copy(photo, card / day / "IMG_0001.JPG")
    (tmp_path / "link").symlink_to(card)
    (tmp_path / "rows.jsonl").touch()
    for name in (card, tmp_path / "link", f"{card}/*/*.JPG", f"{card}/**"):
        for output in (card, tmp_path):
            with pytest.raises(DataError, match=f"{output}: .* is read, and drawings would lie among it"):
                Sources([name], outputs=[output])
        for output in (card / "drawn", card / "D1" / "drawn", tmp_path / "rows.jsonl"):
            if output.suffix != ".jsonl":
                output.mkdir(exist_ok=True)
            assert Sources([name], outputs=[output]).photos == 2
    assert Sources([card / "D1" / "IMG_0001.JPG"], outputs=[card]).photos == 1  # named itself

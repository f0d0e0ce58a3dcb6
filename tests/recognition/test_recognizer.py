"""From pictures to faces: found, cut, read, followed."""

import io
import json
import os
import pickle
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

import mien
from mien import images
from mien.errors import MediaError, MienError
from mien.recognition.align import crops, whole
from mien.recognition.detect import Detection, Detector
from mien.recognition.records import Reading
from mien.recognition.sources import Sources


@pytest.fixture(scope="module")
def recognizer() -> mien.Recognizer:
    return mien.Recognizer()


def test_a_photo(recognizer: mien.Recognizer, photo: Path, astronaut: np.ndarray) -> None:
    [face] = recognizer(photo)
    assert (face.label, face.id, face.uncertain) == ("happy", None, False)
    x, y, width, height = face.box
    assert 165 < x < 190
    assert 50 < y < 75
    assert 80 < width < 110
    assert 100 < height < 125
    right_eye, left_eye, nose, *_ = face.landmarks
    assert right_eye[0] < nose[0] < left_eye[0]
    assert sum(face.probabilities.values()) == pytest.approx(1, abs=1e-4)
    assert recognizer(photo.read_bytes()).faces == recognizer(photo).faces
    [same] = recognizer(astronaut)
    assert same.box == pytest.approx(face.box, abs=4)


def test_a_face_too_dark_to_tell_is_uncertain_however_sure_the_network_is(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer = mien.Recognizer(detect=False)
    face = np.asarray(Image.open(photo).convert("RGB").crop((175, 60, 275, 175)))
    dark, gloomy = face // 50, face // 5
    sure = recognizer(dark)[0].confidence, recognizer.net.card.uncertain
    assert sure[0] > sure[1]
    assert [recognizer(one)[0].uncertain for one in (face, gloomy, dark)] == [False, False, True]
    assert [reading[0].uncertain for reading in recognizer.read_all([dark, face])] == [True, False]
    monkeypatch.setattr(type(recognizer.net.card), "uncertain", property(lambda card: 0.0), raising=False)
    assert not recognizer(dark)[0].uncertain  # not calibrated: nothing is


def test_every_face_of_a_scene_the_largest_first(recognizer: mien.Recognizer, scene: np.ndarray) -> None:
    reading = recognizer(scene)
    assert [round(face.box[0], -2) for face in reading] == [200, 800, 600]
    assert [face.label for face in reading] == ["happy"] * 3
    assert (reading.width, reading.height) == (1000, 600)


def test_small_faces_of_a_large_photo_need_the_tiles(scene: np.ndarray) -> None:
    large = np.full((3000, 4000, 3), 90, np.uint8)
    large[1700:2300, 2100:3100] = scene
    large[100:700, 3000:4000] = scene
    finder = Detector()
    found = finder(large)
    assert len(found) == 6
    for face in found:
        x, y, width, height = face.box
        assert all(x < right < x + width and y < down < y + height for right, down in face.landmarks)
    assert len(finder(large, photo=False)) < 6


def test_how_certain_the_detector_must_be(photo: Path) -> None:
    assert len(mien.Recognizer(certain=1.0)(photo)) == 0


def test_a_panorama_to_its_longest_and_no_longer(recognizer: mien.Recognizer, astronaut: np.ndarray) -> None:
    strip = np.full((300, 32_767, 3), 128, np.uint8)
    strip[:, 20_000:20_512] = astronaut[:300]
    assert [round(face.box[0], -2) for face in recognizer(strip[:, 1:])] == [20_200]
    with pytest.raises(MediaError, match="32,766 a side"):
        recognizer(strip)


def test_what_opencv_refuses_is_one_files_error(
    recognizer: mien.Recognizer, astronaut: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strip = np.full((300, 33_000, 3), 128, np.uint8)
    strip[:, :512] = astronaut[:300]
    Image.fromarray(strip).save(tmp_path / "a.png")
    Image.fromarray(astronaut).save(tmp_path / "b.png")
    monkeypatch.setattr(images, "MAX_SIDE", 40_000)
    first, second = recognizer.stream(tmp_path)
    assert ("OpenCV" in first.error, len(first), len(second)) == (True, 0, 1)
    first, second = recognizer.read_all([tmp_path / "a.png", tmp_path / "b.png"])
    assert ("OpenCV" in first.error, len(first), len(second)) == (True, 0, 1)


def test_a_video_that_is_removed_meanwhile_is_one_files_error(film: Path, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        (tmp_path / name).write_bytes(film.read_bytes())
    frames = iter(Sources([tmp_path], every=20))
    next(frames)
    (tmp_path / "b.mp4").unlink()
    assert [(Path(frame.source).name, bool(frame.error)) for frame in frames] == [
        ("a.mp4", False), ("b.mp4", True), ("c.mp4", False), ("c.mp4", False),
    ]  # fmt: skip


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"avif", b"avis"])
def test_what_only_begins_like_a_phones_photo_is_no_video(
    recognizer: mien.Recognizer, tmp_path: Path, brand: bytes
) -> None:
    (tmp_path / "a").write_bytes(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + b"\0" * 2000)
    [reading] = recognizer.stream(tmp_path)
    assert "not an image (JPEG, PNG" in reading.error
    with pytest.raises(MediaError, match=r"not an image \(JPEG, PNG"):
        recognizer(tmp_path / "a")


def test_a_rolled_face_is_cut_upright(astronaut: np.ndarray) -> None:
    [face] = Detector()(astronaut)
    straight = crops(astronaut, [face])[0, 0].astype(float)
    for angle in (-40, 25):
        turn = cv2.getRotationMatrix2D((225, 120), angle, 1)
        turned = cv2.warpAffine(astronaut, turn, (512, 512), borderMode=cv2.BORDER_REPLICATE)
        moved = tuple(map(tuple, np.array(face.landmarks) @ turn[:, :2].T + turn[:, 2]))
        x, y = turn @ (face.box[0] + face.box[2] / 2, face.box[1] + face.box[3] / 2, 1)
        box = (x - face.box[2] / 2, y - face.box[3] / 2, *face.box[2:])
        upright = crops(turned, [Detection(box, moved, 1.0)])[0, 0].astype(float)
        assert np.corrcoef(straight.ravel(), upright.ravel())[0, 1] > 0.98


def test_a_crop_over_the_edge_goes_on_with_the_edge() -> None:
    face = Detection((-10, -10, 20, 20), ((-4, -3), (4, -3), (0, 0), (-3, 4), (3, 4)), 0.9)
    cut = crops(np.full((30, 30, 3), 77, np.uint8), [face])
    assert cut.shape == (1, 1, 48, 48)
    assert (cut == 77).all()


def test_a_whole_picture_as_a_crop_is_left_as_it_is() -> None:
    gray = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
    assert (whole(np.repeat(gray[..., None], 3, 2))[0, 0] == gray).all()
    assert whole(np.zeros((100, 60, 3), np.uint8), (3, 48, 48)).shape == (1, 3, 48, 48)


def test_no_face_is_an_answer(recognizer: mien.Recognizer) -> None:
    reading = recognizer(np.zeros((50, 70, 3), np.uint8))
    assert (len(reading), reading.error) == (0, "")
    assert [row["status"] for row in reading.rows()] == ["no face"]
    assert recognizer(np.zeros((1, 1), np.uint8)).faces == ()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "TIFF", "GIF", "JPEG"])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "CMYK", "LA", "I;16"])
def test_every_kind_of_picture(recognizer: mien.Recognizer, astronaut: np.ndarray, kind: str, mode: str) -> None:
    image = Image.fromarray(astronaut)
    if mode == "I;16":
        if kind not in ("PNG", "TIFF"):
            pytest.skip("has no 16 bits")
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    else:
        image = image.convert(mode)
    buffer = io.BytesIO()
    try:
        image.save(buffer, kind)
    except (OSError, ValueError):
        pytest.skip("there is no such file")
    [face] = recognizer(buffer.getvalue())
    assert face.label == "happy"
    assert 165 < face.box[0] < 190


def test_a_photo_lies_as_its_exif_says(recognizer: mien.Recognizer, astronaut: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to see it upright
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(np.rot90(astronaut))).save(buffer, "JPEG", exif=exif, quality=95)
    [face] = recognizer(buffer.getvalue())
    assert 165 < face.box[0] < 190


@pytest.mark.parametrize("wrong", [np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4)), np.zeros((0, 4), np.uint8)])
def test_an_array_that_is_no_picture(recognizer: mien.Recognizer, wrong: np.ndarray) -> None:
    with pytest.raises(MediaError, match="found"):
        recognizer(wrong)


def test_bad_pictures(recognizer: mien.Recognizer, photo: Path, film: Path, tmp_path: Path) -> None:
    for data, said in ((b"", "empty"), (b"hello there", "not an image"), (photo.read_bytes()[:5000], "damaged")):
        with pytest.raises(MediaError, match=said):
            recognizer(data)
    with pytest.raises(MediaError, match="stream"):
        recognizer(film)
    with pytest.raises(MediaError, match="no such file"):
        recognizer(tmp_path / "none.jpg")
    with pytest.raises(MediaError, match="limit"):
        mien.Recognizer(max_pixels=1000)(photo)
    for named in (photo, film):
        assert ["limit" in reading.error for reading in mien.Recognizer(max_pixels=1000).stream(named)] == [True]
    with pytest.raises(MienError, match="no device"):
        mien.Recognizer(device="abacus")


def test_a_video_keeps_its_faces_numbers(recognizer: mien.Recognizer, film: Path) -> None:
    readings = list(recognizer.stream(film))
    assert [reading.frame for reading in readings] == list(range(30))
    assert readings[15].time == pytest.approx(1.0, abs=0.01)
    ids = [[face.id for face in reading] for reading in readings]
    assert ids == [[1]] * 12 + [[]] * 3 + [[1]] * 15
    assert all(reading.error == "" for reading in readings)


def test_a_photo_is_looked_at_all_around_and_a_videos_frame_alone(
    recognizer: mien.Recognizer, photo: Path, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    own = recognizer._detector
    monkeypatch.setattr(recognizer, "_detector", lambda pixels, photo: asked.append(photo) or own(pixels, photo=photo))
    list(recognizer.stream([photo, film], every=10))
    assert sorted(asked) == [False, False, False, True]


def test_each_video_has_its_own_faces(recognizer: mien.Recognizer, film: Path, tmp_path: Path) -> None:
    """Numbers and smoothing begin anew."""
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(film.read_bytes())
    both, alone = (list(recognizer.stream(path, every=3)) for path in (tmp_path, tmp_path / "b.mp4"))
    assert len(alone) == 10
    assert both[10:] == alone


def test_every_third_frame_and_going_on(recognizer: mien.Recognizer, film: Path) -> None:
    assert [reading.frame for reading in recognizer.stream(film, every=3)] == list(range(0, 30, 3))
    on = recognizer.stream(film, after={str(film): 24})
    assert [reading.frame for reading in on] == [25, 26, 27, 28, 29]
    on = recognizer.stream(film, every=3, after={str(film): 22})
    assert [reading.frame for reading in on] == [24, 27]


def test_smoothing_takes_the_flicker_out(film: Path) -> None:
    def flicker(smooth: float) -> float:
        readings = mien.Recognizer(smooth=smooth).stream(film)
        happy = [face.probabilities["happy"] for reading in readings for face in reading]
        return float(np.abs(np.diff(happy)).mean())

    assert flicker(0.5) < 0.6 * flicker(0)


def test_a_folder_with_all_that_folders_have(
    recognizer: mien.Recognizer, photo: Path, film: Path, tmp_path: Path
) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "a.dat").write_bytes(photo.read_bytes())  # by content, not by name
    (tmp_path / "b.jpg").write_bytes(photo.read_bytes()[:3000])
    (tmp_path / "c.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / ".hidden.jpg").write_bytes(photo.read_bytes())
    (inner / "film.mp4").write_bytes(film.read_bytes())
    (inner / "torn.mp4").write_bytes(film.read_bytes()[:4000])
    sources = Sources([tmp_path])
    readings: list[Reading] = list(recognizer.stream(sources))
    by_name: dict[str, list[Reading]] = {}
    for reading in readings:
        by_name.setdefault(Path(reading.source).name, []).append(reading)
    assert {name: len(some) for name, some in by_name.items()} == {
        "a.dat": 1, "b.jpg": 1, "c.png": 1, "film.mp4": 30, "torn.mp4": 1,
    }  # fmt: skip
    assert len(by_name["a.dat"][0]) == 1
    assert [by_name[name][0].error != "" for name in ("b.jpg", "c.png", "torn.mp4")] == [True] * 3
    assert sources.others == 1
    assert [r.source for r in recognizer.stream(str(tmp_path / "*.dat"))] == [str(tmp_path / "a.dat")]


def test_linked_folders_are_read_too(photo: Path, tmp_path: Path) -> None:
    for folder in ("photos", "elsewhere"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jpg").write_bytes(photo.read_bytes())
    (tmp_path / "photos" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos" / "round").symlink_to(tmp_path / "photos")
    found = [Path(frame.source).relative_to(tmp_path).as_posix() for frame in Sources([tmp_path / "photos"])]
    assert found == ["photos/a.jpg", "photos/linked/a.jpg"]


def test_what_a_run_draws_it_does_not_read(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "drawn").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(photo.read_bytes())
    frames = iter(Sources([tmp_path], outputs=[tmp_path / "drawn"]))
    next(frames)
    (tmp_path / "drawn" / "a.jpg").write_bytes(photo.read_bytes())
    assert [Path(frame.source).name for frame in frames] == ["b.jpg"]


@pytest.mark.parametrize("name", ["none.jpg", "*.jpg", "."])
def test_nothing_there_is_said_at_once(name: str, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"no such|nothing has|no photo"):
        Sources([tmp_path / name if name != "." else tmp_path])


def test_what_cant_be_meant_is_said_at_once(recognizer: mien.Recognizer, photo: Path, film: Path) -> None:
    with Image.open(photo) as image, pytest.raises(MediaError, match=r"not JpegImageFile\. .*ImageOps\.exif_transpose"):
        recognizer(image)
    with pytest.raises(MediaError, match="not NoneType"):
        recognizer(None)
    with pytest.raises(MienError, match="every is 0"):
        next(recognizer.stream(film, every=0))
    for wrong in ({"certain": 7.0}, {"smooth": -1.0}, {"smooth": float("nan")}):
        with pytest.raises(MienError, match="certain lies between"):
            mien.Recognizer(**wrong)
    with pytest.raises(MienError, match="threads is -1"):
        mien.Recognizer(threads=-1)
    with pytest.raises(MienError, match="most is 0"):
        recognizer.read_all([photo], most=0)
    for one in (str(photo), photo, photo.read_bytes(), np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.uint8), 7):
        with pytest.raises(MediaError, match="a list of them"):
            recognizer.read_all(one)
    for wrong in (1.5, None, b"photo.jpg", [photo, None], np.zeros((2, 48, 48), np.uint8)):
        with pytest.raises(MediaError, match="a path, a pattern, the number of a camera"):
            next(recognizer.stream(wrong))


def test_several_pictures_at_once(recognizer: mien.Recognizer, photo: Path, astronaut: np.ndarray) -> None:
    frames = np.stack([astronaut, np.zeros_like(astronaut)])
    assert [len(reading) for reading in recognizer.read_all(frames)] == [1, 0]
    assert recognizer.read_all(iter(())) == []
    assert [len(reading) for reading in recognizer.read_all(np.zeros((2, 48, 48), np.uint8))] == [0, 0]
    readings = recognizer.read_all(each for each in (photo, "none.jpg", b"nothing", np.zeros(3), 7))
    assert [reading.source for reading in readings] == [str(photo), "none.jpg", "bytes", "array", ""]
    assert [bool(reading.error) for reading in readings] == [False, True, True, True, True]


def test_several_crops_are_read_as_each_alone() -> None:
    recognizer, faces = mien.Recognizer(detect=False), list(mien.drawn_faces(70).val.images)
    alone, together = [recognizer(face) for face in faces], recognizer.read_all(faces, most=4)
    for one, other in zip(alone, together, strict=True):
        assert other.faces[0].probabilities == pytest.approx(one.faces[0].probabilities, abs=1e-4)


class Ours(mien.Recognizer):
    """As somebody makes one of his own."""

    def __init__(self, team: str, *, detect: bool) -> None:
        super().__init__("small", detect=detect, smooth=0.5, max_pixels=4000, threads=2)
        self.team = team


@pytest.mark.parametrize("detect", [True, False])
def test_a_pickled_recognizer_is_opened_again(detect: bool, astronaut: np.ndarray) -> None:
    recognizer = Ours("ours", detect=detect)
    recognizer.max_pixels = 5000
    same = pickle.loads(pickle.dumps(recognizer))
    assert repr(same) == repr(recognizer)
    assert (same.team, same.smooth, same.max_pixels, same.threads) == ("ours", 0.5, 5000, 2)
    assert same(astronaut) == recognizer(astronaut)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system")
def test_a_pipe_in_a_folder_holds_nobody_up(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(photo.read_bytes())
    os.mkfifo(tmp_path / "b.jpg")
    found = Sources([tmp_path])
    assert [Path(frame.source).name for frame in found] == ["a.jpg"]
    assert found.others == 1


def test_a_folder_that_may_not_be_read_is_told_of(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(photo.read_bytes())
    (tmp_path / "shut").mkdir()
    scandir = os.scandir

    def refusing(path: str) -> object:  # as the system does; root may read everything
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    found = {Path(frame.source).name: frame.error for frame in Sources([tmp_path])}
    assert found == {"a.jpg": "", "shut": "this folder can't be read."}


def test_no_camera() -> None:
    with pytest.raises(MediaError, match="no camera 97"):
        list(Sources(["97"]))
    with pytest.raises(MediaError, match="no camera 97"):
        next(mien.Recognizer().stream(97))


def test_photos_are_decoded_side_by_side_and_come_in_order(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting, own = threading.Barrier(2, timeout=20), images.decode

    def decode(path: Path, **options: Any) -> np.ndarray:
        meeting.wait()
        return own(path, **options)

    monkeypatch.setattr(images, "decode", decode)
    for name in "abcd":
        (tmp_path / f"{name}.jpg").write_bytes(b"junk" if name == "b" else photo.read_bytes())
    found = list(mien.Recognizer(threads=2).stream(tmp_path))
    assert [(Path(reading.source).stem, len(reading)) for reading in found] == [("a", 1), ("b", 0), ("c", 1), ("d", 1)]
    assert found[1].error.startswith("not an image")


def test_leaving_a_stream_early_ends_its_threads(recognizer: mien.Recognizer, film: Path) -> None:
    import threading

    stream = recognizer.stream(film)
    next(stream)
    stream.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "mien ahead"]


def test_the_golden_set_is_answered_alike_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Drawn faces as crops: PyTorch, ONNX, int8, Recognizer, the command line; in tests/server the server, too."""
    import json

    import torch

    from mien.cli import main

    faces = mien.drawn_faces(70).val.images
    model, card = mien.load_run("small")
    with torch.inference_mode():
        expected = (model(torch.from_numpy(faces[:, None])) / card.temperature).softmax(1).numpy()
    int8 = mien.Net("small:int8")(faces)
    np.testing.assert_allclose(mien.Net("small")(faces), expected, atol=1e-4)
    assert np.abs(int8 - expected).mean() < 0.02
    for reader, told in ((mien.Recognizer("small", detect=False), expected), (mien.Recognizer(detect=False), int8)):
        seen = [list(reader(face).faces[0].probabilities.values()) for face in faces]
        np.testing.assert_allclose(seen, told, atol=1e-4)
    for place, face in enumerate(faces):
        Image.fromarray(face).save(tmp_path / f"{place:03}.png")
    for options, told in (["--model", "small"], expected), ([], int8):
        assert main(["predict", str(tmp_path), "--no-detect", "--json", *options]) == 0
        rows = json.loads(capsys.readouterr().out)["rows"]
        np.testing.assert_allclose([list(row["probabilities"].values()) for row in rows], told, atol=1.1e-4)


def test_a_reading_is_a_sequence_of_faces_and_plain_data(recognizer: mien.Recognizer, scene: np.ndarray) -> None:
    reading = recognizer(scene)
    assert (reading[0], reading[-1], reading[:2]) == (reading.faces[0], reading.faces[2], reading.faces[:2])
    with pytest.raises(IndexError):
        reading[3]
    told = json.loads(json.dumps(reading.as_json()))
    again = Reading.from_json(told)
    assert (again.as_json(), again.width, again[1].label) == (told, 1000, reading[1].label)
    assert Reading.from_json(Reading("a.mp4", 3, 0.2, error="torn").as_json()) == Reading("a.mp4", 3, 0.2, error="torn")

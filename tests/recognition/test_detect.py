"""The detector takes pictures of any shape; for a video its input is no larger than they are."""

from pathlib import Path

import numpy as np
import pytest

from mien.errors import CheckpointError
from mien.recognition import detect
from mien.recognition.detect import SIDE, Detector


@pytest.mark.parametrize(("height", "width"), [(480, 640), (512, 300), (200, 640), (101, 203), (720, 1280)])
def test_a_picture_of_any_shape_as_on_a_black_square(astronaut: np.ndarray, height: int, width: int) -> None:
    face, scene = astronaut[:260, 100:380], np.full((height, width, 3), 90, np.uint8)
    side = min(height, width, 260)
    scene[:side, :side] = face[np.linspace(0, 259, side).astype(int)[:, None], np.linspace(0, 259, side).astype(int)]
    square = np.zeros((max(height, width), max(height, width), 3), np.uint8)
    square[:height, :width] = scene
    find = Detector(threads=1)
    [own], [other] = find(scene, photo=False), find(square, photo=False)
    assert np.allclose(own.box, other.box, atol=0.03 * other.box[2])
    assert np.allclose(own.landmarks, other.landmarks, atol=0.03 * other.box[2])
    assert own.score == pytest.approx(other.score, abs=0.03)


def test_a_face_just_as_certain_as_asked_for_is_found(astronaut: np.ndarray) -> None:
    [face] = Detector(threads=1)(astronaut)
    assert Detector(threads=1, certain=face.score)(astronaut) == (face,)


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (33, 31)])
def test_the_least_of_pictures(shape: tuple[int, int]) -> None:
    for photo in (True, False):
        assert Detector(threads=1)(np.full((*shape, 3), 128, np.uint8), photo=photo) == ()


def test_what_was_seen_before_leaves_no_trace(astronaut: np.ndarray) -> None:
    """The memory of its input is kept between frames of different shapes."""
    find, frame = Detector(threads=1), astronaut[:333, :444]
    alone, noted = find(frame, photo=False), find.candidates(frame)
    find(astronaut)
    find(np.full((300, SIDE, 3), 128, np.uint8), photo=False)
    assert find(frame, photo=False) == alone
    assert np.array_equal(find.candidates(frame), noted)


def test_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "face_detection_yunet_2023mar.onnx"
    other.write_bytes(detect.weights().read_bytes().replace(b"\x08\x80\x05", b"\x08\x80\x02"))
    monkeypatch.setattr(detect, "weights", lambda: other)
    with pytest.raises(CheckpointError, match="not the detector that mien knows"):
        Detector()

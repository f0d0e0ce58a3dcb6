"""Ten thousand frames in flat memory."""

import resource
from pathlib import Path

import cv2
import numpy as np
import pytest

import mien

pytestmark = pytest.mark.soak


def test_memory_stays_flat_over_ten_thousand_frames(astronaut: np.ndarray, tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "long.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 30, (320, 240))
    for number in range(10_000):
        left = 90 - number % 60
        writer.write(np.ascontiguousarray(astronaut[20:260, left : left + 320, ::-1]))
    writer.release()
    most = {}
    for reading in mien.Recognizer().stream(tmp_path / "long.mp4"):
        if reading.frame in (1000, 5000, 9999):
            most[reading.frame] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("highest resident memory so far, MiB, by frame:", most)
    assert most[9999] < most[1000] + 16

"""Mutated real files: each is read or refused; nothing crashes or hangs. `make soak` tries fifty times as many."""

import io
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mien.errors import MediaError
from mien.images import decode
from mien.recognition.sources import Sources


def mutated(data: bytes, dice: np.random.Generator) -> bytes:
    """The bytes with some overwritten, cut off, doubled or made longer."""
    some = bytearray(data)
    for _ in range(dice.integers(1, 6)):
        at = int(dice.integers(len(some))) if some else 0
        kind = dice.integers(4)
        if kind == 0:
            some[at : at + 4] = dice.bytes(4)
        elif kind == 1:
            some = some[:at]
        elif kind == 2:
            some[at:at] = some[max(0, at - 50) : at]
        else:
            some[at : at + 1] = bytes([dice.integers(256)])
    return bytes(some)


def files(astronaut: np.ndarray) -> Iterator[bytes]:
    for kind, mode in (
        ("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("PNG", "P"), ("WEBP", "RGBA"), ("BMP", "RGB"),
        ("TIFF", "RGB"), ("GIF", "P"), ("PPM", "RGB"),
    ):  # fmt: skip
        buffer = io.BytesIO()
        Image.fromarray(astronaut).resize((40, 40)).convert(mode).save(buffer, kind)
        yield buffer.getvalue()


def try_pictures(astronaut: np.ndarray, count: int) -> int:
    dice, whole, read = np.random.default_rng(0), list(files(astronaut)), 0
    for place in range(count):
        try:
            pixels = decode(mutated(whole[place % len(whole)], dice), gray=False, max_pixels=1_000_000)
        except MediaError:
            continue
        else:
            read += 1
            assert pixels.dtype == np.uint8
            assert pixels.ndim == 3
    return read


def try_films(folder: Path, film: bytes, count: int) -> None:
    dice = np.random.default_rng(1)
    for _ in range(count):
        (folder / "a.mp4").write_bytes(mutated(film, dice))
        for frame in Sources([folder / "a.mp4"], max_pixels=1_000_000):
            assert (frame.pixels is None) == bool(frame.error)


@pytest.fixture
def short(astronaut: np.ndarray, tmp_path: Path) -> bytes:
    writer = cv2.VideoWriter(str(tmp_path / "b.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 15, (64, 48))
    for number in range(8):
        writer.write(np.ascontiguousarray(cv2.resize(astronaut[:, number * 5 :], (64, 48))))
    writer.release()
    return (tmp_path / "b.mp4").read_bytes()


def test_mutated_pictures_are_read_or_refused(astronaut: np.ndarray) -> None:
    assert 100 < try_pictures(astronaut, 2000) < 1900


def test_mutated_videos_are_read_or_refused(short: bytes, tmp_path: Path) -> None:
    try_films(tmp_path, short, 60)


@pytest.mark.soak
def test_a_hundred_thousand_mutated_files(astronaut: np.ndarray, short: bytes, tmp_path: Path) -> None:
    print("pictures read:", try_pictures(astronaut, 97_000), "of 97,000")
    try_films(tmp_path, short, 3000)

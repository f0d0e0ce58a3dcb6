"""Servers and pictures for the tests here."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

sys.path.append(str(Path(__file__).parent))  # for load, pictures and running, which stand beside

from pictures import png
from running import Served, start


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Starts servers that end with the test."""
    running: list[Served] = []

    def begin(*words: str, **how: object) -> Served:
        running.append(start(*words, **how))
        return running[-1]

    yield begin
    for served in running:
        served.end()


@pytest.fixture(scope="session")
def server() -> Iterator[Served]:
    """One server for all tests that only ask it things."""
    served = start()
    yield served
    served.end()


@pytest.fixture(scope="session")
def in_browser() -> Iterator[Served]:
    """One whose page runs the networks itself."""
    served = start("--in-browser")
    yield served
    served.end()


@pytest.fixture(scope="session")
def client(server: Served) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture(scope="session")
def crop_files() -> list[bytes]:
    """105 drawn faces as PNG files."""
    from mien.data.drawn import drawn_faces

    return [png(face) for face in drawn_faces(700).val.images]


@pytest.fixture(scope="session")
def picture(photo: Path) -> bytes:
    return photo.read_bytes()

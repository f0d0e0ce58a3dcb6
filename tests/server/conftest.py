"""Servers and pictures for the tests here."""

import shutil
import subprocess
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
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One's own certificate for 127.0.0.1, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    folder = tmp_path_factory.mktemp("https")
    paths = folder / "certificate.pem", folder / "key.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    name = ["-subj", "/CN=mien", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(["openssl", "req", "-x509", *kind, *name, "-out", paths[0], "-keyout", paths[1]], check=True)
    return paths


@pytest.fixture(scope="session")
def picture(photo: Path) -> bytes:
    return photo.read_bytes()

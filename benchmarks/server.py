"""`mien serve` beside a server that reads one request at a time, in one run: crops and photos, 64 clients.

    python benchmarks/server.py [--rounds 5] [--seconds 6] [--clients 64] [--out table.txt]

The other server is what one would write first with the same parts: FastAPI on uvicorn, and a `mien.Recognizer` that
is called where the request is answered. It does the same work for a picture: decode, find, cut, read. Both run as
processes of their own and are asked in turn, round by round; the load generator shares their cores.
"""

import argparse
import asyncio
import io
import os
import platform
import re
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

HOME = Path(__file__).parents[1]
sys.path.insert(0, str(HOME / "tests" / "server"))

from load import Load, load  # noqa: E402

CROPS, PHOTOS = "/v1/predict?detect=false", "/v1/predict"


def one_at_a_time(port: int) -> None:
    """The other server."""
    import uvicorn
    from fastapi import FastAPI, Request

    import mien

    app, photos = FastAPI(), mien.Recognizer()
    faces = mien.Recognizer(detect=False)

    @app.post("/v1/predict")
    async def predict(request: Request, detect: bool = True) -> dict:
        reading = (photos if detect else faces)(await request.body())
        return {
            "model": "small",
            "width": reading.width,
            "height": reading.height,
            "faces": [face.as_json() for face in reading],
            "request_id": os.urandom(8).hex(),
        }

    uvicorn.run(app, port=port, log_level="warning")


class Running:
    """A server's process."""

    def __init__(self, line: list[str], address: str | None = None) -> None:
        self.process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
        self.address = address or next(
            told[1] for text in self.process.stderr if (told := re.match(r"mien is at (\S+) ", text))
        )

    def wait(self) -> None:
        """Until it answers."""
        host, _, port = self.address.removeprefix("http://").partition(":")
        for _ in range(600):
            try:
                socket.create_connection((host, int(port)), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"{self.address} doesn't answer")

    def processor_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def crops() -> list[bytes]:
    from mien.data.drawn import drawn_faces

    return [_file(face, "PNG") for face in drawn_faces(700).val.images]


def photos() -> list[bytes]:
    """The astronaut, panned by a few pixels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import skimage.data
    astronaut = skimage.data.astronaut()
    return [_file(astronaut[: 480 + step, step:], "JPEG") for step in range(0, 32, 4)]


def _file(pixels: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, kind, **({"quality": 92} if kind == "JPEG" else {}))
    return buffer.getvalue()


def measure(server: Running, path: str, pictures: list[bytes], clients: int, seconds: float) -> tuple[Load, float]:
    """Load on a server; and its processor time, in milliseconds a picture."""
    before = server.processor_seconds()
    done = asyncio.run(load(server.address, pictures, path=path, clients=clients, seconds=seconds))
    return done, 1000 * (server.processor_seconds() - before) / max(1, done.statuses[200])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one-at-a-time", type=int, help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one_at_a_time:
        one_at_a_time(asked.one_at_a_time)
        return
    ours = Running([sys.executable, "-m", "mien", "serve", "--port", "0", "--log", "warning", *asked.words])
    port = free_port()
    other = Running([sys.executable, __file__, "--one-at-a-time", str(port)], f"http://127.0.0.1:{port}")
    other.wait()
    lines = [
        f"{asked.clients} clients, {asked.rounds} rounds of {asked.seconds:g} s each, "
        f"{os.cpu_count()} cores, {platform.machine()}"
    ]
    try:
        for what, path, pictures in (("crops", CROPS, crops()), ("photos", PHOTOS, photos())):
            rounds: dict[str, list[tuple[Load, float]]] = {"mien serve": [], "one at a time": []}
            for _ in range(asked.rounds):
                for name, server in zip(rounds, (ours, other), strict=True):
                    rounds[name].append(measure(server, path, pictures, asked.clients, asked.seconds))
            for name, some in rounds.items():
                rate, p50, p99 = (
                    median(values)
                    for values in zip(
                        *((one.rate, one.quantile(0.5), one.quantile(0.99)) for one, _ in some), strict=True
                    )
                )
                faces = median(one.faces / one.seconds for one, _ in some)
                wrong = sum(count for one, _ in some for status, count in one.statuses.items() if status != 200)
                lines.append(
                    f"{what:7} {name:14} {rate:8.1f} pictures/s {faces:8.1f} faces/s  "
                    f"p50 {p50:7.1f} ms  p99 {p99:7.1f} ms  "
                    f"{median(spent for _, spent in some):6.2f} ms processor a picture  {wrong} errors"
                )
                print(lines[-1], flush=True)
            ratios = [a.rate / b.rate for (a, _), (b, _) in zip(*rounds.values(), strict=True)]
            lines.append(
                f"{what:7} ratio of pictures/s: median {median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}"
            )
            print(lines[-1], flush=True)
    finally:
        for server in (ours, other):
            server.process.terminate()
            server.process.communicate(timeout=30)
    if asked.out:
        asked.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

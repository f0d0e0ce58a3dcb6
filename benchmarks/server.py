"""`mien serve` beside a server that reads one request at a time, in one run: crops and photos, 64 clients.

    python benchmarks/server.py [--rounds 3] [--seconds 3] [--clients 64] [--out table.txt] [--json table.json]

The other server is what one would write first with the same parts: FastAPI on uvicorn, a `mien.Recognizer`, and a
lock around it, since requests arrive at the same time. It does the same work for a picture: decode, find, cut, read. It
comes in two variants: "lock" reads in a thread, so that it can accept other requests meanwhile, as FastAPI's manual
advises; "blocking" reads in the event loop, which costs less and makes all others wait. All have uvloop and httptools.
Each is a process of its own, asked in turn, round by round; the load generator shares their cores. Ratios are those of
the same round.
"""

import argparse
import asyncio
import io
import json
import os
import re
import socket
import subprocess
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

HOME = Path(__file__).parents[1]
sys.path.insert(0, str(HOME / "tests" / "server"))

from load import load  # noqa: E402

from mien.environment import environment  # noqa: E402

CROPS, PHOTOS = "/v1/predict?detect=false", "/v1/predict"
CASES = (("crops", "small:int8", CROPS), ("crops", "small", CROPS), ("photos", "small:int8", PHOTOS))
OURS, OTHERS = "mien serve", ("lock", "blocking")


def one_at_a_time(how: str, model: str, port: int) -> None:
    """The other server."""
    import uvicorn
    from fastapi import FastAPI, Request

    import mien

    app, lock = FastAPI(), asyncio.Lock()
    photos, faces = mien.Recognizer(model), mien.Recognizer(model, detect=False)

    @app.post("/v1/predict")
    async def predict(request: Request, detect: bool = True) -> dict:
        picture, recognizer = await request.body(), photos if detect else faces
        if how == "blocking":
            reading = recognizer(picture)
        else:
            async with lock:
                reading = await asyncio.to_thread(recognizer, picture)
        return {
            "model": model,
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
            told[1] for text in self.process.stderr if (told := re.search(r'"address": "([^"]+)"', text))
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

    def end(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=30)


def servers(model: str) -> dict[str, Running]:
    """Ours and the others, running, with one network."""
    running = {
        OURS: Running([sys.executable, "-m", "mien", "serve", "--port", "0", "--log", "warning", "--model", model])
    }
    for how in OTHERS:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = str(listening.getsockname()[1])
        line = [sys.executable, __file__, "--one-at-a-time", how, "--model", model, "--port", port]
        running[how] = Running(line, f"http://127.0.0.1:{port}")
    for server in running.values():
        server.wait()
    return running


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


@dataclass(frozen=True)
class Round:
    """One server in one round: pictures and faces a second, latency and processor time a picture in milliseconds."""

    pictures_a_second: float
    faces_a_second: float
    p50: float
    p99: float
    processor: float
    errors: int


def measure(server: Running, path: str, pictures: list[bytes], clients: int, seconds: float) -> Round:
    """Load on a server."""
    before = server.processor_seconds()
    done = asyncio.run(load(server.address, pictures, path=path, clients=clients, seconds=seconds))
    spent = 1000 * (server.processor_seconds() - before) / max(1, done.statuses[200])
    errors = sum(count for status, count in done.statuses.items() if status != 200) + sum(done.lost.values())
    return Round(done.rate, done.faces / done.seconds, done.quantile(0.5), done.quantile(0.99), spent, errors)


def compare(
    path: str, model: str, pictures: list[bytes], rounds: int, seconds: float, clients: int
) -> dict[str, list[Round]]:
    """All servers in turn, after a short round for each that only warms it up."""
    running = servers(model)
    try:
        for server in running.values():
            measure(server, path, pictures, clients, min(0.5, seconds))
        told: dict[str, list[Round]] = {name: [] for name in running}
        for _ in range(rounds):
            for name, server in running.items():
                told[name].append(measure(server, path, pictures, clients, seconds))
        return told
    finally:
        for server in running.values():
            server.end()


HEAD = (
    f"{'what':7} {'network':11} {'server':11} {'pictures/s':>10} {'faces/s':>8} {'p50 ms':>8} {'p99 ms':>8} "
    f"{'cpu ms':>7} {'errors':>6}   times its pictures/s     times less cpu"
)
"""Of the table; `cpu ms` is processor time for a picture, and the last two are mien serve's beside this server."""


def lines(what: str, model: str, told: dict[str, list[Round]]) -> list[str]:
    """The table's lines for one case."""
    table = []
    for name, rounds in told.items():
        one = {key: median(getattr(each, key) for each in rounds) for key in Round.__dataclass_fields__}
        line = (
            f"{what:7} {model:11} {name:11} {one['pictures_a_second']:10.1f} {one['faces_a_second']:8.1f} "
            f"{one['p50']:8.1f} {one['p99']:8.1f} {one['processor']:7.3f} {sum(each.errors for each in rounds):6}"
        )
        if name != OURS:
            pairs = list(zip(told[OURS], rounds, strict=True))
            faster = [ours.pictures_a_second / other.pictures_a_second for ours, other in pairs]
            cheaper = [other.processor / ours.processor for ours, other in pairs]
            line += f"   {median(faster):4.2f} ({min(faster):.2f} to {max(faster):.2f})      {median(cheaper):4.2f}"
        table.append(line)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--out", type=Path, help="the table, as text")
    parser.add_argument("--json", type=Path, help="every round, as JSON")
    for hidden in ("--one-at-a-time", "--model"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one_at_a_time:
        one_at_a_time(asked.one_at_a_time, asked.model, asked.port)
        return
    made = {name: value for name, value in environment().items() if name != "command"}
    about = {"clients": asked.clients, "rounds": asked.rounds, "seconds": asked.seconds}
    machine = about | {"load": round(os.getloadavg()[0], 1), "environment": made}
    head = about | {name: made[name] for name in ("commit", "processor", "cores", "python")} | {"load": machine["load"]}
    table = [", ".join(f"{name} {value}" for name, value in head.items()), HEAD]
    print(*table, sep="\n", flush=True)
    cases, pictures = [], {CROPS: crops(), PHOTOS: photos()}
    for what, model, path in CASES:
        told = compare(path, model, pictures[path], asked.rounds, asked.seconds, asked.clients)
        for name, rounds in told.items():
            cases.append({"what": what, "network": model, "server": name, "rounds": list(map(asdict, rounds))})
        table += lines(what, model, told)
        print(*table[-len(told) :], sep="\n", flush=True)
    if asked.out:
        asked.out.write_text("\n".join(table) + "\n")
    if asked.json:
        asked.json.write_text(json.dumps(machine | {"cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()

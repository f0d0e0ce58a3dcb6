"""A server as a person starts one: a process of its own, asked over HTTP."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

PROGRAM = (sys.executable, "-m", "mien")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "MIEN_TOKEN"} | {"OMP_NUM_THREADS": "1"}


@dataclass
class Served:
    """A running `mien serve`: its address, its process, and all it has said on stderr so far."""

    process: "subprocess.Popen[str]"
    address: str = ""
    lines: list[str] = field(default_factory=list)
    reading: threading.Thread | None = None

    def client(self, **options: object) -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=30, **options)

    def log(self, event: str = "request") -> list[dict]:
        records = [json.loads(line) for line in self.lines if line.startswith("{")]
        return [record for record in records if record["event"] == event]

    def end(self, how: int = signal.SIGTERM) -> int:
        """End it, and wait until it has: its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(60)
        self.reading.join(10)
        self.process.stderr.close()
        return code


def start(
    *words: str, environment: dict[str, str] | None = None, program: Sequence[str] = PROGRAM, **how: object
) -> Served:
    """Start `mien serve` on a free port, and wait until it listens."""
    line = [*program, "serve", "--port", "0", *words]
    # a shell's background jobs ignore Ctrl-C, and hand that on
    how = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)} | how
    process = subprocess.Popen(
        line, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=ENVIRONMENT | (environment or {}), **how
    )
    served, listening = Served(process), threading.Event()

    def read() -> None:
        for text in process.stderr:
            served.lines.append(text)
            if '"event": "ready"' in text:
                served.address = json.loads(text)["address"]
                listening.set()
        listening.set()

    served.reading = threading.Thread(target=read, daemon=True)
    served.reading.start()
    listening.wait(120)
    if not served.address:
        served.end()
        raise AssertionError("".join(served.lines))
    return served

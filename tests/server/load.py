"""Load for a server on this machine: clients that ask again as soon as they are answered, as cheaply as asyncio can.

A client of requests' or httpx' kind costs as much processor time as the server does, and here both share the cores.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np


@dataclass
class Load:
    """What came of it: answers by status, seconds of each 200, and what happened to requests without an answer."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    faces: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    retry_after: set[str] = field(default_factory=set)
    ids: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second with status 200."""
        return self.statuses[200] / self.seconds

    def quantile(self, share: float) -> float:
        """Milliseconds within which so large a share of the 200s came."""
        return 1000 * float(np.quantile(self.times, share)) if self.times else float("nan")

    def __str__(self) -> str:
        statuses = ", ".join(f"{count:,} × {status}" for status, count in sorted(self.statuses.items()))
        return (
            f"{self.rate:8.1f} pictures/s, {self.faces / self.seconds:8.1f} faces/s, p50 {self.quantile(0.5):7.1f} ms, "
            f"p99 {self.quantile(0.99):7.1f} ms; {statuses}; lost {dict(self.lost) or 'none'}"
        )


async def load(
    address: str,
    pictures: Sequence[bytes],
    *,
    path: str = "/v1/predict",
    clients: int = 64,
    seconds: float = 5.0,
    most: int = 1_000_000,
    headers: Mapping[str, str] | None = None,
) -> Load:
    """Ask for so many seconds, or `most` times, from so many connections; every request sent is waited for."""
    where = urlsplit(address)
    assert where.hostname in ("127.0.0.1", "localhost"), "load is for this machine only"
    result, sent = Load(), 0
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = f"POST {path} HTTP/1.1\r\nHost: {where.netloc}\r\n{more}Content-Length: "
    requests = [f"{head}{len(one)}\r\n\r\n".encode() + one for one in pictures]
    began = time.perf_counter()
    until = began + seconds

    async def client(number: int) -> None:
        nonlocal sent
        at, writer = number, None
        try:
            reader, writer = await asyncio.open_connection(where.hostname, where.port)
            while time.perf_counter() < until and sent < most:
                sent += 1
                asked = time.perf_counter()
                writer.write(requests[at % len(requests)])
                at += clients
                status, told_so, body = await _answer(reader)
                result.statuses[status] += 1
                if status == 200:
                    result.times.append(time.perf_counter() - asked)
                    told: dict[str, Any] = json.loads(body)
                    result.faces += len(told.get("faces", ()))
                    result.ids.append(told["request_id"])
                elif "retry-after" in told_so:
                    result.retry_after.add(told_so["retry-after"])
                    await asyncio.sleep(0.02)
                if told_so.get("connection") == "close":
                    writer.close()
                    reader, writer = await asyncio.open_connection(where.hostname, where.port)
        except (OSError, asyncio.IncompleteReadError) as error:
            result.lost[type(error).__name__] += 1
        finally:
            if writer:
                writer.close()

    await asyncio.gather(*(client(number) for number in range(clients)))
    result.seconds = time.perf_counter() - began
    return result


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    return int(head[0].split(" ", 2)[1]), headers, await reader.readexactly(int(headers["content-length"]))

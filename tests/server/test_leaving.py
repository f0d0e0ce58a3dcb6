"""Clients that leave at any moment of anything: nothing of it is a fault, and nothing that they held stays held."""

import asyncio
import io
import json
import random
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from PIL import Image
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from mien.server import protocols, stream
from mien.server.app import create_app
from mien.server.envelope import Envelope
from mien.server.metrics import Metrics
from mien.server.protocols import BoundedHttp, BoundedSocket
from mien.server.settings import Settings

TOKEN = "a-token-of-some-length"
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def head(method: str, path: str, more: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n{more}\r\n".encode()


def upload(dice: random.Random, pictures: list[bytes]) -> bytes:
    """A picture as bytes, or several as a form."""
    picture, detect = dice.choice(pictures), dice.choice(("", "?detect=false"))
    expect = dice.choice(("", "", "Expect: 100-continue\r\n"))
    if dice.random() < 0.6:
        return head("POST", f"/v1/predict{detect}", f"{expect}Content-Length: {len(picture)}\r\n") + picture
    part = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + picture + b"\r\n"
    form = part * dice.randint(1, 6) + b"--edge--\r\n"
    kind = "Content-Type: multipart/form-data; boundary=edge\r\n"
    return head("POST", f"/v1/predict/batch{detect}", f"{kind}{expect}Content-Length: {len(form)}\r\n") + form


def look(dice: random.Random, pictures: list[bytes]) -> bytes:
    """The page and what is beside it."""
    return head("GET", dice.choice(("/", "/static/main.js", "/v1/models", "/metrics", "/openapi.json", "/nothing")))


def socket(dice: random.Random, pictures: list[bytes]) -> bytes:
    """A handshake, right or wrong, and frames: pictures, text, a damaged one, a goodbye."""
    query = dice.choice(("", "?detect=false", "?detect=false", "?model=flagship", "?model=nothing", "?smooth=x"))
    version, token = dice.choice((13, 13, 13, 12)), dice.choice((TOKEN, TOKEN, TOKEN, "not-the-right-token"))
    sent = (
        f"GET /v1/stream{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Protocol: mien, bearer.{token}\r\n"
        f"Sec-WebSocket-Version: {version}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()
    for _ in range(dice.randint(0, 4)):
        picture = dice.choice(pictures)
        size = bytes([0xFE]) + len(picture).to_bytes(2, "big") if 125 < len(picture) < 1 << 16 else b"\x80"
        sent += b"\x82" + size + bytes(4) + (picture if len(size) > 1 else b"")
    return sent + dice.choice((b"", b"", b"\x81\x80" + bytes(4), b"\xff\xff\xff", b"\x88\x82" + bytes(4) + b"\x03\xe8"))


async def leave(dice: random.Random, address: str, pictures: list[bytes]) -> None:
    """Send something or a part of it, perhaps twice at once, perhaps in pieces; wait a little, read a little, leave."""
    host, port = address.removeprefix("http://").split(":")
    what: Callable[..., bytes] = dice.choice((upload, upload, socket, socket, look))
    sent = b"".join(what(dice, pictures) for _ in range(dice.choice((1, 1, 1, 2))))
    sent = sent[: dice.choice((len(sent), len(sent), dice.randrange(len(sent))))]
    reader, writer = await asyncio.open_connection(host, port)
    try:
        cut = dice.randrange(len(sent) + 1)
        writer.write(sent[:cut])
        await asyncio.sleep(dice.choice((0, 0, 0.001, 0.01)))
        writer.write(sent[cut:])
        if dice.random() < 0.1:
            writer.write_eof()
        await asyncio.sleep(dice.choice((0, 0, dice.uniform(0, 0.003), dice.uniform(0, 0.1))))
        if dice.random() < 0.3:
            await asyncio.wait_for(reader.read(dice.choice((1, 100, 10_000))), 0.2)
    except (OSError, TimeoutError):
        pass
    finally:
        writer.transport.abort() if dice.random() < 0.6 else writer.close()


async def storm(seed: int, address: str, pictures: list[bytes], count: int) -> None:
    """So many, twenty at a time; once the server is gone they give up."""
    dices = iter([random.Random(f"{seed} {number}") for number in range(count)])

    async def one_after_another() -> None:
        for dice in dices:
            try:
                await leave(dice, address, pictures)
            except OSError:
                return

    await asyncio.gather(*(one_after_another() for _ in range(20)))


def held(client: httpx.Client) -> list[float]:
    """Pictures in the queue and open streams, as /metrics has them."""
    said = client.get("/metrics").text
    names = ("mien_queue_pictures", "mien_streams")
    return [float(re.search(rf"^{name} (\S+)", said, re.MULTILINE)[1]) for name in names]


def test_clients_that_leave_at_any_moment_leave_nothing_behind(serve, crop_files: list[bytes], picture: bytes) -> None:
    leaving(serve, [*crop_files[:20], picture, b"nothing"], seed=1, count=500)


def test_a_damaged_frame_before_the_stream_is_open_is_no_fault() -> None:
    """Before an application that is slow to let clients in: the client is hung up on, and nothing fails."""
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        told.extend([(await receive())["type"], (await receive())["type"]])

    async def hasty() -> bytes:
        async with serving(app) as (server, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HANDSHAKE)
            while told != ["websocket.connect"] and not server.server_state.tasks:
                await asyncio.sleep(0.01)
            writer.write(b"\xff\xff\xff")
            answer = await asyncio.wait_for(reader.read(), 10)
            writer.close()
            await writer.wait_closed()
            return answer

    assert b" 101 " not in asyncio.run(hasty())
    assert told == ["websocket.connect", "websocket.disconnect"]


@pytest.mark.parametrize(
    "frames",
    [
        b"\x02\x80" + bytes(4) + (b"\x00\x80" + bytes(4)) * 200_000,  # a message in empty pieces, which never ends
        (b"\x82\x80" + bytes(4)) * 200_000,
        (b"\x89\x80" + bytes(4)) * 200_000,
    ],
    ids=["pieces", "messages", "pings"],
)
def test_a_client_that_sends_empty_frames_is_hung_up_on(frames: bytes) -> None:
    """They weigh nothing, and each takes its time."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    async def talk() -> None:
        async with serving(app) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HANDSHAKE)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(frames)
            with suppress(ConnectionError):
                await asyncio.wait_for(reader.read(), 10)
            writer.close()

    asyncio.run(talk())


def _large() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (1300, 1300, 3), np.uint8)
    held = io.BytesIO()
    Image.fromarray(noise).save(held, "PNG", compress_level=0)
    return held.getvalue()


@pytest.mark.parametrize("piece", [10, 4096])
def test_a_picture_in_pieces_is_one(server, crop_files: list[bytes], piece: int) -> None:
    picture = crop_files[0] if piece == 10 else _large()

    async def talk() -> dict[str, Any]:
        address = server.address.replace("http", "ws", 1)
        async with connect(f"{address}/v1/stream?detect=false") as socket:
            await socket.send(picture[at : at + piece] for at in range(0, len(picture), piece))
            told: dict[str, Any] = json.loads(await socket.recv())
            return told

    assert len(asyncio.run(talk())["faces"]) == 1


def test_a_stream_on_which_nothing_comes_is_closed(crop_files: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """But not while it waits for an answer."""
    monkeypatch.setattr(stream, "IDLE_SECONDS", 0.3)
    app = create_app(Settings())
    reader = app.state.reader
    read = reader.read

    async def slowly(*what: Any, **how: Any) -> Any:
        await asyncio.sleep(1)
        return await read(*what, **how)

    monkeypatch.setattr(reader, "read", slowly)

    async def talk() -> None:
        async with serving(app) as (_, port), connect(f"ws://127.0.0.1:{port}/v1/stream?detect=false") as socket:
            await socket.send(crop_files[0])
            assert len(json.loads(await socket.recv())["faces"]) == 1
            with pytest.raises(ConnectionClosed, match="no picture came"):
                await asyncio.wait_for(socket.recv(), 10)
            while reader.streams:
                await asyncio.sleep(0.01)

    asyncio.run(talk())
    reader.close()


def test_a_client_that_doesnt_read_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over HTTP and a WebSocket; but not one that is slow to read: whatever it takes counts."""
    monkeypatch.setattr(protocols, "UNREAD_SECONDS", 1.0)
    sent: dict[str, tuple[str, dict[str, Any]]] = {
        "http": ("http.response.start", {"type": "http.response.body", "body": bytes(1 << 20), "more_body": True}),
        "websocket": ("websocket.accept", {"type": "websocket.send", "bytes": bytes(1 << 20)}),
    }

    async def app(scope: Any, receive: Any, send: Any) -> None:
        first, more = sent[scope["type"]]
        await send({"type": first, "status": 200})
        with suppress(OSError):
            for _ in range(100):
                await send(more)

    async def slow(port: int, asking: bytes) -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 10)
        writer.write(asking)
        for _ in range(5):
            await asyncio.sleep(0.3)
            await reader.readexactly(3 << 20)
        return writer

    async def talk() -> None:
        async with serving(app) as (server, port):
            writers = await asyncio.gather(*(slow(port, asking) for asking in (head("GET", "/"), HANDSHAKE)))
            assert len(server.server_state.connections) == 2
            until = time.monotonic() + 10
            while server.server_state.connections and time.monotonic() < until:
                await asyncio.sleep(0.01)
            assert not server.server_state.connections
            for writer in writers:
                writer.close()

    asyncio.run(talk())


def test_a_fault_whose_client_has_left_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def failing(*how: Any) -> None:
        raise ValueError

    async def gone(message: Any) -> None:
        raise OSError

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"127.0.0.1")]}
    asyncio.run(Envelope(failing, Settings(), Metrics())(scope, failing, gone))
    assert [one.message for one in caplog.records] == ["failed"]


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    """An application behind the server's own protocols, in this process: the server, its port."""
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
    config = uvicorn.Config(app, http=BoundedHttp, ws=BoundedSocket, port=0, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server, server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await running
    assert faults == []


@pytest.mark.soak
def test_many_more_clients_that_leave(serve, crop_files: list[bytes], picture: bytes) -> None:
    for seed in range(2, 12):
        leaving(serve, [*crop_files[:20], picture, b"nothing"], seed=seed, count=1000)


def leaving(serve, pictures: list[bytes], seed: int, count: int) -> None:
    server = serve("--queue", "32", "--token", TOKEN, "--timeout", "5")
    asyncio.run(storm(seed, server.address, pictures, count))
    with server.client(headers={"authorization": f"Bearer {TOKEN}"}) as client:
        until = time.monotonic() + 20
        while held(client) != [0, 0] and time.monotonic() < until:
            time.sleep(0.1)
        assert held(client) == [0, 0]
        assert client.post("/v1/predict?detect=false", content=pictures[0]).json()["faces"]

    async def ending() -> int:
        going = asyncio.create_task(storm(seed + 1000, server.address, pictures, count))
        await asyncio.sleep(0.5)
        code = await asyncio.to_thread(server.end)
        await going
        return code

    assert asyncio.run(ending()) == 0
    odd = [line for line in server.lines if not line.startswith("{")]
    faults = [json.loads(line) for line in server.lines if '"failed"' in line or '"traceback"' in line]
    assert "\n".join([*odd, *(fault["traceback"] for fault in faults)]) == ""
    statuses = {one["status"] for one in server.log()}
    assert not {500, 504} & statuses
    assert {101, 200, 401} <= statuses

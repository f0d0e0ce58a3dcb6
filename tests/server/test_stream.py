"""The WebSocket: answers to frames, faces that keep their numbers, the newest frame before all others."""

import asyncio
import io
import json
from contextlib import AsyncExitStack

import numpy as np
import pytest
from PIL import Image
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

import mien

PATH = "/v1/stream"


def frame(astronaut: np.ndarray, left: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(astronaut[20:260, left : left + 320])).save(buffer, "JPEG")
    return buffer.getvalue()


def url(address: str, query: str = "") -> str:
    return address.replace("http", "ws", 1) + PATH + query


def test_faces_keep_their_numbers(server, astronaut: np.ndarray) -> None:
    async def talk() -> list[dict]:
        told = []
        async with connect(url(server.address)) as socket:
            for left in range(90, 50, -4):
                await socket.send(frame(astronaut, left))
                told.append(json.loads(await socket.recv()))
            await socket.send(b"nothing")
            told.append(json.loads(await socket.recv()))
        return told

    *told, wrong = asyncio.run(talk())
    assert [one["frame"] for one in told] == list(range(10))
    assert [[face["face"] for face in one["faces"]] for one in told] == [[1]] * 10
    assert {one["faces"][0]["label"] for one in told} == {"happy"}
    assert told[0]["model"] == "small:int8"
    assert wrong["error"]["code"] == "bad_picture"
    seen = [one["faces"][0]["box"][0] for one in told]
    assert seen == sorted(seen)


def test_probabilities_are_smoothed(server, astronaut: np.ndarray) -> None:
    """Smoothed over a minute, a face whose mouth is then hidden hardly moves from its first answer."""
    hidden = astronaut.copy()
    hidden[132:176, 179:270] = hidden[132:176, 179:270].mean((0, 1))
    frames = [frame(astronaut, 90), frame(hidden, 90)]

    async def talk(smooth: float) -> list[float]:
        async with connect(url(server.address, f"?smooth={smooth}")) as socket:
            told = []
            for one in frames:
                await socket.send(one)
                told.append(json.loads(await socket.recv())["faces"][0]["probabilities"]["happy"])
            return told

    plain, smoothed = asyncio.run(talk(0)), asyncio.run(talk(60))
    assert abs(plain[1] - plain[0]) > 0.02
    assert abs(smoothed[1] - smoothed[0]) < 0.1 * abs(plain[1] - plain[0])
    alone = mien.Recognizer()(frames[1]).faces[0].probabilities["happy"]
    assert plain[1] == pytest.approx(alone, abs=1e-4)


def test_the_newest_frame_wins(server, astronaut: np.ndarray) -> None:
    async def talk() -> list[int]:
        async with connect(url(server.address)) as socket:
            for number in range(40):
                await socket.send(frame(astronaut, 90 - number))
            numbers = []
            while not numbers or numbers[-1] != 39:
                numbers.append(json.loads(await asyncio.wait_for(socket.recv(), 20))["frame"])
            return numbers

    numbers = asyncio.run(talk())
    assert numbers == sorted(set(numbers))
    assert len(numbers) < 40


def test_who_may_not_is_told_so_before_it_opens(server, serve) -> None:
    async def refused(address: str, **how: object) -> tuple[int, str]:
        with pytest.raises(InvalidStatus) as error:
            async with connect(address, **how):
                pass
        return error.value.response.status_code, json.loads(error.value.response.body)["error"]["code"]

    assert asyncio.run(refused(url(server.address), origin="http://elsewhere.example")) == (403, "foreign_origin")
    assert asyncio.run(refused(url(server.address, "?model=nothing"))) == (404, "unknown_model")
    assert asyncio.run(refused(url(server.address, "?smooth=-1"))) == (422, "bad_parameter")
    assert asyncio.run(refused(url(server.address, "?bogus=1"))) == (422, "bad_parameter")
    token = "a-token-of-some-length"
    guarded = serve("--token", token)

    async def protocol() -> str | None:
        async with connect(url(guarded.address), subprotocols=["mien", f"bearer.{token}"]) as socket:
            return socket.subprotocol

    assert asyncio.run(refused(url(guarded.address))) == (401, "no_token")
    assert asyncio.run(protocol()) == "mien"


def test_of_too_many_streams_a_page_is_told_as_it_can_see_it(server) -> None:
    """A browser shows no answer to a handshake; whoever offers no protocol gets the 429."""

    async def talk() -> None:
        async with AsyncExitStack() as stack:
            for _ in range(16):
                await stack.enter_async_context(connect(url(server.address)))
            with pytest.raises(InvalidStatus) as refused:
                await stack.enter_async_context(connect(url(server.address)))
            assert refused.value.response.status_code == 429
            page = await stack.enter_async_context(connect(url(server.address), subprotocols=["mien"]))
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(page.recv(), 10)
            assert (closed.value.rcvd.code, closed.value.rcvd.reason[:10]) == (1013, "16 streams")

    asyncio.run(talk())


def test_text_ends_it_and_so_does_the_server_ending(server, serve) -> None:
    async def text() -> int:
        async with connect(url(server.address)) as socket:
            await socket.send("hello")
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(socket.recv(), 10)
            return closed.value.rcvd.code

    assert asyncio.run(text()) == 1003
    other = serve()

    async def end() -> int:
        async with connect(url(other.address)) as socket:
            await asyncio.to_thread(other.end)
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(socket.recv(), 10)
            return closed.value.rcvd.code

    assert asyncio.run(end()) == 1012


HANDSHAKE = (
    b"GET /v1/stream?model=flagship HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def test_a_client_that_leaves_in_the_middle_is_no_fault(serve, crop_files: list[bytes]) -> None:
    server = serve()
    host, port = server.address.removeprefix("http://").split(":")

    async def before_it_is_let_in(number: int) -> None:
        _, writer = await asyncio.open_connection(host, port)
        writer.write(HANDSHAKE)
        await asyncio.sleep(0.0005 * (number % 5))
        writer.transport.abort()

    async def before_its_answer(number: int) -> None:
        async with connect(url(server.address, "?detect=false")) as socket:
            for picture in crop_files[:5]:
                await socket.send(picture)
                await asyncio.sleep(0.0003 * (number % 40))
            socket.transport.abort() if number % 2 else await socket.close()

    async def many() -> None:
        for first in range(0, 400, 8):
            numbers = range(first, first + 8)
            await asyncio.gather(
                *(leave(number) for leave in (before_it_is_let_in, before_its_answer) for number in numbers)
            )

    asyncio.run(many())
    server.end()
    assert len(server.log("request")) > 400
    assert [failure["traceback"] for failure in server.log("failed")] == []

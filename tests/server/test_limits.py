"""How many streams may be open, and how long a picture may take."""

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from mien.server import bodies, reader
from mien.server.app import create_app
from mien.server.settings import Settings

ONE_STREAM = """
import dataclasses
from mien.cli import run
from mien.server import settings

@dataclasses.dataclass(frozen=True)
class Small(settings.Settings):
    streams: int = 1

settings.Settings = Small
run()
"""


def test_a_stream_beyond_the_limit_is_told_to_come_again(serve, crop_files: list[bytes]) -> None:
    served = serve("--model", "small:int8", program=[sys.executable, "-c", ONE_STREAM])
    address = served.address.replace("http", "ws", 1) + "/v1/stream?detect=false"

    async def answered(socket: object) -> int:
        await socket.send(crop_files[0])
        return len(json.loads(await asyncio.wait_for(socket.recv(), 20))["faces"])

    async def talk() -> None:
        async with connect(address) as first:
            with pytest.raises(InvalidStatus) as refused:
                await connect(address)
            response = refused.value.response
            told = json.loads(response.body)["error"]
            assert (response.status_code, response.headers["retry-after"], told["code"]) == (429, "5", "busy")
            assert told["message"] == "1 streams are open; that is the limit."
            assert await answered(first) == 1  # the one that is open goes on
        for _ in range(50):  # its place is free again, as soon as the server has seen it go
            try:
                async with connect(address) as another:
                    assert await answered(another) == 1
                    return
            except InvalidStatus:
                await asyncio.sleep(0.1)
        pytest.fail("the place of a stream that has ended stays taken")

    asyncio.run(talk())


@pytest.mark.parametrize(("path", "count"), [("/v1/predict", 1), ("/v1/predict/batch", 6)])
def test_a_picture_that_takes_too_long_is_given_up(
    crop_files: list[bytes], monkeypatch: pytest.MonkeyPatch, path: str, count: int
) -> None:
    """A reading that ends only when it is let go, and then ends for nobody."""
    go_on, own = threading.Event(), reader.as_frame
    meanwhile: list[int] = []

    def slow(*what: object, **how: object) -> object:
        meanwhile.append(app.state.reader.held)
        go_on.wait(20)
        return own(*what, **how)

    monkeypatch.setattr(reader, "as_frame", slow)
    app = create_app(Settings(timeout=1, workers=1))

    async def ask() -> tuple[httpx.Response, int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            told = await asyncio.wait_for(client.post(path, files=[("file", crop_files[0])] * count), 10)
        held = app.state.reader.held
        go_on.set()
        return told, held

    try:
        told, held = asyncio.run(ask())
    finally:
        go_on.set()
        app.state.reader.close()
    assert (told.status_code, told.json()["error"]["code"]) == (504, "timeout")
    assert told.json()["error"]["message"] == "It couldn't be read within 1 seconds."
    assert meanwhile[0] == count  # more than the places that a batch has while it comes
    assert held == 0  # its place in the queue is free


def test_while_a_batch_comes_it_holds_the_places_of_as_many_bytes() -> None:
    assert [Settings(max_bytes=size << 20).places_of_a_batch for size in (1, 16, 30)] == [32, 4, 3]


def test_it_is_ready_until_its_queue_is_full() -> None:
    app = create_app(Settings())

    async def ask(held: int) -> int:
        app.state.reader.held = held
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            return (await client.get("/readyz")).status_code

    assert [asyncio.run(ask(held)) for held in (0, 127, 128)] == [200, 200, 503]
    app.state.reader.close()


def test_a_place_of_the_queue_is_held_for_bodies_that_come_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that don't, even with 30 seconds for a request; one that comes steadily is taken, however long it is."""
    monkeypatch.setattr(bodies, "FIRST", 0.3, raising=False)
    app = create_app(Settings())

    async def no_more_than(some: bytes) -> AsyncIterator[bytes]:
        if some:
            yield some
        await asyncio.sleep(60)

    async def steadily() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield bytes(16 << 10)
            await asyncio.sleep(0.1)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            for some, said in ((b"x", "1 byte"), (b"", "0 bytes")):
                late = await asyncio.wait_for(client.post("/v1/predict", content=no_more_than(some)), 5)
                assert (late.status_code, app.state.reader.held) == (408, 0)
                told = late.json()["error"]["message"]
                assert told.startswith(f"The picture came too slowly: {said} in 0.3 seconds. ")
            return await client.post("/v1/predict", content=steadily())

    try:
        steady = asyncio.run(ask())
    finally:
        app.state.reader.close()
    assert steady.json()["error"]["code"] == "bad_picture"

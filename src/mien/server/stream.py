"""The WebSocket: pictures come as they are taken, answers go as they are ready, the newest picture always wins.

A picture that comes while another is being read waits; one that comes after it takes its place. So nothing queues up,
however slow the server or the line: the next picture to be read is always the newest.
"""

import asyncio
import json
import time
from contextlib import suppress
from typing import Annotated, Any, NoReturn

from fastapi import APIRouter, Query, WebSocket
from pydantic import Field
from starlette.websockets import WebSocketDisconnect, WebSocketState

from mien.recognition.track import HALF_LIFE, Tracker
from mien.server.networks import Served
from mien.server.reader import Reader
from mien.server.refusal import Refusal
from mien.server.routes import Asked, body, head

router = APIRouter()

PROTOCOL = "mien"
"""The subprotocol that a browser offers besides its token."""

TRY_LATER = 1013
"""The WebSocket close code for it, in IANA's registry."""

IDLE_SECONDS = 30.0
"""A stream on which nothing comes for so long is closed: only a few may be open, and a forgotten one would stay."""


class AskedOfStream(Asked):
    """The same for a stream."""

    smooth: float = Field(HALF_LIFE, ge=0, le=60, description="Half-life in seconds of the probabilities' smoothing.")


class Newest:
    """Holds one picture, the newest that came; `waiting` is since when (monotonic) `next` waits for one, or None."""

    def __init__(self) -> None:
        self._picture: bytes | None = None
        self._count = 0
        self._came = asyncio.Event()
        self.waiting: float | None = None

    def put(self, picture: bytes) -> None:
        """Replace the picture before it, read or not."""
        self._picture = picture
        self._count += 1
        self._came.set()

    async def next(self) -> tuple[int, bytes]:
        """The newest picture, once there is one that wasn't given yet, with its number, from 0, among all that came."""
        self.waiting = time.monotonic()
        await self._came.wait()
        self.waiting = None
        self._came.clear()
        assert self._picture is not None
        return self._count - 1, self._picture


@router.websocket("/v1/stream")
async def stream(socket: WebSocket, asked: Annotated[AskedOfStream, Query()]) -> None:
    """Frames in as binary messages, a JSON answer for each that is read."""
    reader: Reader = socket.app.state.reader
    served = await reader.networks.get(asked.model)
    offered = socket.scope.get("subprotocols", [])
    if reader.streams >= reader.settings.streams:
        full = Refusal("busy", f"{reader.streams} streams are open; that is the limit.", retry_after=5)
        if PROTOCOL not in offered:
            raise full
        socket.state.refused = full.code  # a page can't see the answer to a handshake, but why a stream was closed
        await socket.accept(PROTOCOL)
        return await socket.close(TRY_LATER, full.message)
    reader.streams += 1  # before the next await, in which others may come
    reader.metrics.streams.set(reader.streams)
    try:
        await socket.accept(PROTOCOL if PROTOCOL in offered else None)
        await _talk(socket, reader, served, asked)
    finally:
        reader.streams -= 1
        reader.metrics.streams.set(reader.streams)


async def _talk(socket: WebSocket, reader: Reader, served: Served, asked: AskedOfStream) -> None:
    newest, tracker = Newest(), Tracker(half_life=asked.smooth)
    answering = asyncio.create_task(_answer(socket, reader, served, asked.detect, newest, tracker))
    receiving = asyncio.create_task(_receive(socket, newest))
    why = (1000, "")
    try:
        done, _ = await asyncio.wait((answering, receiving), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            why = task.result()
    except WebSocketDisconnect:
        pass
    finally:
        for task in (answering, receiving):
            task.cancel()
        await asyncio.gather(answering, receiving, return_exceptions=True)
        if socket.client_state == WebSocketState.CONNECTED == socket.application_state:
            with suppress(RuntimeError, WebSocketDisconnect):
                await socket.close(*why)


async def _receive(socket: WebSocket, newest: Newest) -> tuple[int, str]:
    """Take pictures until the client leaves, sends something else, or nothing for a while: why to close."""
    while True:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                message = await socket.receive()
        except TimeoutError:
            if newest.waiting is not None and time.monotonic() - newest.waiting >= IDLE_SECONDS:
                return 1000, f"no picture came for {IDLE_SECONDS:g} seconds"
            continue  # the client waits for its answer, or had it a moment ago
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        if message.get("bytes") is None:
            return 1003, "send pictures as binary messages"
        newest.put(message["bytes"])


async def _answer(
    socket: WebSocket, reader: Reader, served: Served, detect: bool, newest: Newest, tracker: Tracker
) -> NoReturn:
    began = time.monotonic()
    same = head(served)
    while True:
        number, picture = await newest.next()
        answer: dict[str, Any]
        try:
            at = time.monotonic() - began
            with reader.slots():
                reading, timings = await reader.read(picture, served, detect=detect, tracker=tracker, at=at)
            answer = same | body(reading, timings)
            reader.metrics.pictures.inc()
            reader.metrics.faces.inc(len(reading))
        except Refusal as refusal:
            reader.metrics.refused(refusal.code).inc()
            answer = {"error": {"code": refusal.code, "message": refusal.message}}
        answer |= {"frame": number, "request_id": socket.state.request_id}
        try:
            await socket.send_text(json.dumps(answer, ensure_ascii=False, separators=(",", ":")))
        except RuntimeError:  # the connection ended during its closing handshake
            raise WebSocketDisconnect(1006) from None

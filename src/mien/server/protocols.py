"""uvicorn's protocols in bounded memory and time: by itself it takes whatever comes, however slowly, for ever."""

import asyncio
import os
import sys
from typing import Any

from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

UNREAD_SECONDS = 30.0
"""A connection may be stuck for so long while something waits to be sent."""

HEAD_BYTES = 64 << 10
HEAD_SECONDS = 10.0
CONNECTIONS = 480
"""The most at a time on Windows, whose `select` would end the server at 512."""

MOST_FRAMES = 1000
"""The most frames of a message, or that come at once, besides one for each `FULL` bytes, as a picture may have."""

FULL = 1 << 10
"""Bytes. A browser sends a picture in one frame, or in some of 128 KiB; other clients in some of 4 KiB."""

PIECE = 8 << 10
"""Bytes that are parsed at a time: all that one read brings, if it is empty frames, would block the server for half a
second."""


class Unread(asyncio.Protocol):
    """A mixin for uvicorn's protocols: hangs up on a client that for `UNREAD_SECONDS` doesn't read what it is sent.

    That would stay in memory, and the connection open, for ever. Closing isn't enough: it waits until all is read.
    """

    loop: asyncio.AbstractEventLoop
    transport: Any
    _giving_up: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._giving_up = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._go_on()
        super().connection_lost(exc)

    def _go_on(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None


class BoundedHttp(Unread, HttpToolsProtocol):
    """uvicorn's HTTP; a connection whose next head is too large gets 400, one whose head is too slow is closed.

    Most heads come whole. The time runs only for one that doesn't, from its first part on; and from the start of the
    connection, as nothing may ever come. What is neither head nor body (trailers, sizes of chunks, empty lines) may be
    as large as a head, and is dropped. After an answer only another head keeps the connection open.

    The offer of a protocol other than WebSocket is passed over: Java's HttpClient offers HTTP/2 with each request.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if os.name == "nt" and len(self.connections) > CONNECTIONS:
            transport.abort()
        self._size, self._in_head, self._heads = 0, True, 0
        self._timer: asyncio.TimerHandle | None = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # uvicorn cancels this timer at any byte, and wouldn't start it again
        idle, self.timeout_keep_alive_task = self.timeout_keep_alive_task, None
        heads, self._went_on = self._heads, False
        self._parse(data)
        if idle and heads == self._heads:
            self.timeout_keep_alive_task = idle
        elif idle:
            idle.cancel()
        if self.transport.is_closing():
            return
        self._size = 0 if self._went_on and not self._in_head else self._size + len(data)
        if self._size > HEAD_BYTES:
            self._end()
            self.send_400_response(f"A request's head may have {HEAD_BYTES:,} bytes.")
        elif self._in_head and self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _parse(self, data: bytes) -> None:
        while data:
            self._data, self._again = data, b""
            super().data_received(data)
            data = self._again

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._size, self._in_head = 0, True
        self._heads += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # a trailer would count as a header of a request that was let in already
            super().on_header(name, value)

    def on_headers_complete(self) -> Any:
        if self._offers_another():
            return None
        self._end()
        self._went_on = True
        return super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._went_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._offers_another():
            super().on_message_complete()

    def _offers_another(self) -> bool:
        offers = self.parser.should_upgrade() and any(name == b"upgrade" for name, _ in self.headers)
        return offers and not self._should_upgrade()

    def _unsupported_upgrade_warning(self) -> None:
        """uvicorn calls this where the parser stopped after such a head, and would drop the body: read both again."""
        stopped = sys.exception()
        if stopped is None or not self._offers_another():
            return
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (method, self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = HttpRequestParser(self)  # after an HTTP/1.0 request the old one wants no other
        self._again = b"\r\n".join(lines) + b"\r\n\r\n" + self._data[stopped.args[0] :]

    def _end(self) -> None:
        self._in_head = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        self.transport.close()


class BoundedSocket(Unread, WebSocketsSansIOProtocol):
    """uvicorn's WebSocket; hangs up on who sends a damaged frame before the stream is open, or more than MOST_FRAMES.

    In the first case uvicorn assumes that a close frame was sent, fails, and writes a traceback.
    """

    def data_received(self, data: bytes) -> None:
        self._came = 0
        for at in range(0, len(data), PIECE):
            super().data_received(data[at : at + PIECE])
            if self.transport.is_closing():
                return

    def handle_events(self) -> None:
        self._came += len(self.conn.events)
        held = sum(len(frame) for frame in self.frames) if len(self.frames) > MOST_FRAMES else 0
        if max(self._came, len(self.frames) - held // FULL) > MOST_FRAMES:
            self.transport.abort()
        else:
            super().handle_events()

    def handle_parser_exception(self) -> None:
        if self.conn.close_sent is None:
            self.transport.close()
        else:
            super().handle_parser_exception()

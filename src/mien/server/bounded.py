"""A connection in bounded memory and time: uvicorn's parser takes as much as comes, however slowly."""

import asyncio
import os
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mien.server.unread import Unread

HEAD_BYTES = 64 << 10
HEAD_SECONDS = 10.0
CONNECTIONS = 480
"""At a time, on Windows, whose `select` would end the server at 512."""


class BoundedHead(Unread, HttpToolsProtocol):
    """uvicorn's protocol; a connection whose next head is too large gets 400, one whose head is too slow is closed.

    Most heads come whole. Only where one doesn't is its time taken, from its first part; and from the connection's
    beginning, on which nothing may come at all. What is neither head nor body (trailers, the sizes of chunks, empty
    lines) may be as large as a head, and is dropped. After an answer only the next head keeps a connection open.
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
        # uvicorn ends this timer at any byte, and wouldn't begin it again
        idle, self.timeout_keep_alive_task = self.timeout_keep_alive_task, None
        heads, self._went_on = self._heads, False
        super().data_received(data)
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

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._size, self._in_head = 0, True
        self._heads += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # a trailer isn't, and would count as a header of a request that was let in already
            super().on_header(name, value)

    def on_headers_complete(self) -> Any:
        self._end()
        self._went_on = True
        return super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._went_on = True
        super().on_body(body)

    def _end(self) -> None:
        self._in_head = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        self.transport.close()

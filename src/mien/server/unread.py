"""A client that doesn't read: what it is sent waits in memory, and its connection would stay open for ever."""

import asyncio
from typing import Any

UNREAD_SECONDS = 30.0
"""So long a connection may stand still while something waits to be sent."""


class Unread(asyncio.Protocol):
    """Before a protocol of uvicorn's: hangs up on who reads nothing of what waits for `UNREAD_SECONDS`.

    Closing wouldn't do: that waits until all is read.
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

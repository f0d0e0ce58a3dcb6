"""A WebSocket's frames: no more than pictures need, also from clients that don't wait until they are let in."""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from mien.server.unread import Unread

MOST = 1000
"""Frames of a message, and frames that come at once, beside one for each `FULL` bytes: those hold a picture."""

FULL = 1 << 10
"""Bytes. A browser sends a picture in one frame, or in some of 128 KiB; other clients in some of 4 KiB."""

PIECE = 8 << 10
"""Bytes that are taken apart at a time; of empty frames a whole load would hold everybody up for half a second."""


class Frames(Unread, WebSocketsSansIOProtocol):
    """uvicorn's protocol; it hangs up on who sends a damaged frame before the stream is open, or more than `MOST`.

    uvicorn takes it for granted in the first case that it has said goodbye, fails at that, and writes a traceback.
    """

    def data_received(self, data: bytes) -> None:
        self._came = 0
        for at in range(0, len(data), PIECE):
            super().data_received(data[at : at + PIECE])
            if self.transport.is_closing():
                return

    def handle_events(self) -> None:
        self._came += len(self.conn.events)
        held = sum(len(frame) for frame in self.frames) if len(self.frames) > MOST else 0
        if max(self._came, len(self.frames) - held // FULL) > MOST:
            self.transport.abort()
        else:
            super().handle_events()

    def handle_parser_exception(self) -> None:
        if self.conn.close_sent is None:
            self.transport.close()
        else:
            super().handle_parser_exception()

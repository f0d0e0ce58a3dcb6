"""A WebSocket's frames, also from clients that don't wait until they are let in."""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from mien.server.unread import Unread


class Frames(Unread, WebSocketsSansIOProtocol):
    """uvicorn's protocol; it hangs up on who sends a damaged frame before the stream is open.

    uvicorn takes it for granted then that it has said goodbye, fails at that, and writes a traceback.
    """

    def handle_parser_exception(self) -> None:
        if self.conn.close_sent is None:
            self.transport.close()
        else:
            super().handle_parser_exception()

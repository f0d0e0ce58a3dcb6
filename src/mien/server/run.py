"""Running a server until it is told to end; what it has accepted by then is answered first."""

import asyncio
import errno
import os
import signal
import socket
import sys
from collections.abc import Callable

import uvicorn

from mien.errors import MienError
from mien.server.app import create_app
from mien.server.logs import at_any_level, log, to_stderr
from mien.server.protocols import BoundedHttp, BoundedSocket
from mien.server.reader import Reader
from mien.server.settings import Settings
from mien.server.tls import renew, tls


class Server(uvicorn.Server):
    """uvicorn's server; it tells `began` when it listens, and the reader when it is told to end."""

    def __init__(self, config: uvicorn.Config, reader: Reader, began: Callable[[], None]) -> None:
        super().__init__(config)
        self._reader, self._began = reader, began

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._began()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._reader.drain()
        log.info("ending", extra={"fields": {"waiting": self._reader.held}})
        await super().shutdown(sockets)
        if self.force_exit:  # then uvicorn skips this, and the application fails when it is cancelled
            self._reader.hurry()
            await self.lifespan.shutdown()


def serve(settings: Settings, *, level: str = "info", announce: Callable[[str], None] = lambda address: None) -> int:
    """Serve until SIGTERM, Ctrl-C or SIGHUP; with a certificate and no terminal SIGHUP reads the certificate again.

    Args:
        level: of the log. announce: called with the address as soon as the server listens.

    Returns:
        How many requests were answered.

    If a picture is still being read after `settings.drain`, the whole process ends here, with code 1.

    Raises:
        MienError: the address is taken, or isn't this machine's; or the certificate can't be used.
    """
    to_stderr(level)
    context = tls(settings)
    app = create_app(settings)
    reader: Reader = app.state.reader
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # anyone could claim to be another client by their headers
        ws_max_size=settings.max_bytes,
        ws_per_message_deflate=False,  # pictures are compressed already
        timeout_graceful_shutdown=max(1, round(settings.drain)),
        http=BoundedHttp,
        ws=BoundedSocket,
        # Windows' own loop stops listening when a client resets its connection too early (cpython issue 93821)
        loop="asyncio:SelectorEventLoop" if os.name == "nt" else "auto",
        workers=1,  # else uvicorn reads WEB_CONCURRENCY, and fails where that is empty or no number
    )
    config.load()
    config.ssl = context

    renews = context is not None and not sys.stderr.isatty()  # a terminal sends SIGHUP when it is closed

    def hung_up() -> None:
        if context is None or not renews:
            server.handle_exit(signal.SIGTERM, None)
            return
        try:
            renew(context, settings)
            log.info("certificate read again")
        except MienError as error:
            log.error("certificate kept", extra={"fields": {"why": str(error)}})

    def began() -> None:
        if hasattr(signal, "SIGHUP") and (renews or signal.getsignal(signal.SIGHUP) is signal.SIG_DFL):  # not for nohup
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up)
        at_any_level("ready", address=address, models=settings.models)
        announce(address)

    server = Server(config, reader, began)
    # from before anyone can connect until uvicorn has its own handler; after its end it raises the signal again, which
    # would kill the process
    signal.signal(signal.SIGTERM, server.handle_exit)
    listening = _bind(settings)
    scheme = "https" if context else "http"
    host = settings.host.strip("[]")
    host = f"[{host}]" if ":" in host else host
    address = f"{scheme}://{host}:{listening.getsockname()[1]}"
    try:
        server.run(sockets=[listening])
    finally:
        log.info("ended", extra={"fields": {"answered": server.server_state.total_requests, "stuck": reader.stuck}})
        if reader.stuck:
            os._exit(1)  # an ordinary exit would wait for the thread
    return server.server_state.total_requests


def _bind(settings: Settings) -> socket.socket:
    host = settings.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == "::" and socket.has_dualstack_ipv6()  # all addresses, IPv4 included
    try:
        return socket.create_server((host, settings.port), family=family, backlog=2048, dualstack_ipv6=both)
    except OSError as error:
        why = str(error.strerror or error).partition(" (while ")[0]  # Python repeats the address there
        taken = error.errno in (errno.EADDRINUSE, errno.EACCES)  # the latter of the low ports
        other = "--port; 0 takes any that is free" if taken else "--host"
        raise MienError(
            f"{settings.host}:{settings.port}: can't listen there ({why}). Choose another with {other}."
        ) from None

"""Middleware around every request: its id, the gate, security headers, a line in the log, metrics."""

import asyncio
import json
import random
import re
import time
from contextlib import suppress
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.server.gate import Gate
from mien.server.headers import security_headers
from mien.server.logs import log
from mien.server.metrics import Metrics
from mien.server.refusal import Refusal
from mien.server.settings import Settings

ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""An X-Request-ID of a client that is kept; other requests get a new one."""

PATHS = frozenset(
    ("/", "/v1/predict", "/v1/predict/batch", "/v1/models", "/v1/stream", "/healthz", "/readyz", "/metrics")
)
METHODS = frozenset(("GET", "HEAD", "POST", "OPTIONS", "WEBSOCKET"))
"""Paths and methods that the log and the metrics name; all else is "other" there."""

GONE = "handler is closed"
"""In uvloop's RuntimeError for a connection that is gone, before uvicorn knows it."""


class Left(OSError):  # an OSError, as starlette expects
    """The client had left when something was sent to it."""


class Envelope:
    """An ASGI application around another. It logs no query, no header and no body."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics
        self._gate = Gate(settings)
        told = security_headers(in_browser=settings.in_browser)
        self._headers = [(name.encode(), value.encode()) for name, value in told.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        # of a repeated header the first counts, as for starlette
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}
        asked = headers.get("x-request-id", "")
        request_id = asked if ID.fullmatch(asked) else f"{random.getrandbits(64):016x}"  # it needn't be a secret
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        began, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
                there = {name for name, _ in message["headers"]}
                added = [pair for pair in self._headers if pair[0] not in there]
                message["headers"] = [*message["headers"], *added, (b"x-request-id", request_id.encode())]
            elif message["type"] == "websocket.accept":
                status = 101
            try:
                await send(message)
            except (OSError, RuntimeError) as error:
                if isinstance(error, RuntimeError) and GONE not in str(error):
                    raise
                raise Left from error

        client = (scope.get("client") or ("", 0))[0]
        try:
            try:
                self._gate.check(scope["path"], headers, client)
                await self.app(as_get(scope), receive, sending)
            except Refusal as refusal:
                await refuse(refusal, request_id, scope, receive, sending)
                state["refused"] = refusal.code
        except Left:
            state["refused"] = "left"
        except asyncio.CancelledError:  # uvicorn does that when it ends and `drain` is over
            if status:
                raise
            state["refused"] = "not_ready"
            late = Refusal("not_ready", "The server is ending, and had no time left for this.", retry_after=1)
            with suppress(Left):
                await refuse(late, request_id, scope, receive, sending)
        except Exception:
            log.error("failed", exc_info=True, extra={"fields": {"request_id": request_id}})
            if not status:
                state["refused"] = "internal"
                failed = Refusal("internal", "Something went wrong here; the server's log has it by this request_id.")
                with suppress(Left):
                    await refuse(failed, request_id, scope, receive, sending)
        finally:
            self._note(scope, state, status, time.perf_counter() - began, client)

    def _note(self, scope: Scope, state: dict[str, Any], status: int, seconds: float, client: str) -> None:
        path = (
            scope["path"] if scope["path"] in PATHS else "/static" if scope["path"].startswith("/static/") else "other"
        )
        method = scope.get("method", "WEBSOCKET")
        method = method if method in METHODS else "other"
        self.metrics.requests(path, method, str(status)).inc()
        self.metrics.seconds(path).observe(seconds)
        if refused := state.get("refused"):
            self.metrics.refused(refused).inc()
        fields = {
            "request_id": state["request_id"],
            "client": client,
            "method": method,
            "path": path,
            "status": status,
            "ms": round(1000 * seconds, 2),
            **({"refused": refused} if refused else {}),
            **({"faces": state["faces"]} if "faces" in state else {}),
        }
        log.info("request", extra={"fields": fields})


def as_get(scope: Scope) -> Scope:
    """A HEAD request is a GET to the application: uvicorn leaves the body of its answer out."""
    return {**scope, "method": "GET"} if scope.get("method") == "HEAD" else scope


async def refuse(refusal: Refusal, request_id: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with a refusal; a WebSocket that isn't open yet gets it as the answer to its handshake."""
    response = as_json(refusal.as_json(request_id), refusal.status, dict(refusal.headers))
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.code})
        return
    await response(scope, receive, send)


def as_json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False),
        status,
        headers,
        media_type="application/json",
    )

"""The application: routes, errors, the page's files, and the middleware around them."""

import asyncio
import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from mien.server import routes, stream
from mien.server.browser import add_page
from mien.server.envelope import Envelope, as_json
from mien.server.reader import Reader
from mien.server.refusal import Refusal
from mien.server.settings import Settings
from mien.server.straight import Straight
from mien.version import VERSION

PAGE = Path(__file__).with_name("page")

_KINDS = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}
"""Media types of the page's files. Windows may have others, and a browser runs no script that comes as plain text."""

_CODES = {404: "not_found", 405: "wrong_method"}


def create_app(settings: Settings) -> FastAPI:
    """A server's ASGI application; its first network is open when this returns.

    Raises:
        CheckpointError: a network isn't there, or the first is damaged. MienError: no such device.
    """
    for suffix, kind in _KINDS.items():
        mimetypes.add_type(kind, suffix)
    reader = Reader(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(reader.close)  # in a thread: requests that are given up get their answer meanwhile

    app = FastAPI(
        title="mien",
        version=VERSION,
        description="Facial-expression recognition. An expression is not an emotion; nothing that is sent is kept.",
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # a redirect would lead to http, and lose a proxy's prefix
    )
    app.state.reader = reader
    app.include_router(routes.router)
    app.include_router(stream.router)
    app.add_api_route("/", _index, include_in_schema=False)
    add_page(app, settings)
    app.mount("/static", StaticFiles(directory=PAGE), name="static")
    app.add_exception_handler(RequestValidationError, _wrong)
    app.add_exception_handler(WebSocketRequestValidationError, _wrong)
    app.add_exception_handler(HTTPException, _missing)
    app.add_middleware(Straight)
    app.add_middleware(Envelope, settings=settings, metrics=reader.metrics)
    if settings.origins:  # outermost: a browser's preflight request has no token
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", "x-request-id"],
            expose_headers=["x-request-id", "retry-after"],
        )
    return app


async def _index() -> Response:
    return FileResponse(PAGE / "index.html")


async def _wrong(request: Request | WebSocket, error: Any) -> NoReturn:
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"][1:]))
    if first["type"] == "extra_forbidden":
        asked = stream.AskedOfStream if request.scope["type"] == "websocket" else routes.Asked
        first["msg"] = f"There is no such parameter; there are {', '.join(asked.model_fields)}"
    raise Refusal("bad_parameter", f"{name}: {first['msg']}.")


async def _missing(request: Request, error: Any) -> Response:
    code = _CODES.get(error.status_code, "bad_request")
    refusal = Refusal(code, f"{request.method} {request.url.path}: {error.detail}.")
    request.state.refused = code
    return as_json(refusal.as_json(request.state.request_id), refusal.status, error.headers)

"""Client: recognition by a server of mien's (`mien serve`), with the records of `mien.Recognizer`."""

import asyncio
import io
import os
import time
from collections.abc import AsyncIterator, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
import numpy as np
from PIL import Image

from mien.errors import MediaError, ServerError
from mien.recognition.records import Face, Reading

ADDRESS = "http://127.0.0.1:8000"

TOGETHER, TOGETHER_BYTES = 16, 32 << 20
"""So much goes into one request of `predict_many`: pictures, and bytes of them."""


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    query: dict[str, str]
    what: dict[str, Any]


Steps = Generator[_Request | float, httpx.Response, Any]
"""What a call does, for both clients alike: requests to send, and seconds to wait; at the end its result."""


@dataclass(frozen=True)
class ServedNetwork:
    """A network that a server has: `name` is what `model=` takes; the scores are None where it wasn't judged."""

    name: str
    kind: str
    classes: tuple[str, ...]
    uncertain_below: float
    parameters: int
    accuracy: float | None
    balanced_accuracy: float | None


class _Calls:
    """The calls as steps; the two clients only differ in how they take them."""

    def __init__(self, address: str, token: str, timeout: float, patience: float) -> None:
        self.address, self.patience = address.rstrip("/"), patience
        self.options: dict[str, Any] = {"base_url": self.address, "timeout": timeout, "trust_env": False}
        if token:
            self.options["headers"] = {"authorization": f"Bearer {token}"}

    def predict(self, picture: Any, model: str | None, detect: bool) -> Steps:
        name, data = _file(picture)
        told = yield from self._ask("POST", "/v1/predict", _query(model, detect), content=data)
        return _reading(name, told)

    def predict_batch(self, files: Sequence[tuple[str, bytes]], model: str | None, detect: bool) -> Steps:
        form = [("file", (Path(name).name, data)) for name, data in files]
        told = yield from self._ask("POST", "/v1/predict/batch", _query(model, detect), files=form)
        return [_reading(name, one) for (name, _), one in zip(files, told["pictures"], strict=True)]

    def networks(self) -> Steps:
        told = yield from self._ask("GET", "/v1/models", {})
        return tuple(
            ServedNetwork(
                name=one["name"],
                kind=one["kind"],
                classes=tuple(one["classes"]),
                uncertain_below=one["uncertain_below"],
                parameters=one["parameters"],
                accuracy=one["accuracy"],
                balanced_accuracy=one["balanced_accuracy"],
            )
            for one in told["models"]
        )

    def _ask(self, method: str, path: str, query: dict[str, str], **what: Any) -> Steps:
        """One request; while the server is busy, again after the time that it says."""
        until = time.monotonic() + self.patience
        while True:
            response = yield _Request(method, path, query, what)
            if response.is_success:
                return response.json()
            wait = float(response.headers.get("retry-after") or 1)
            if response.status_code != 429 or time.monotonic() + wait > until:
                raise _error(response)
            yield wait


class Client:
    """Asks a server for the faces of pictures.

    Args:
        address: the server's. token: what it was started with. timeout: seconds for an answer.
        patience: seconds to go on trying while the server is busy.

    A picture is a path, a file's bytes, or an array, uint8 `(H, W)` gray or `(H, W, 3)` RGB.

    Raises (from every call):
        ServerError: there is no server, or it refuses. MediaError: it can't read the picture.
    """

    def __init__(
        self, address: str = ADDRESS, *, token: str = "", timeout: float = 60.0, patience: float = 30.0
    ) -> None:
        self._calls = _Calls(address, token, timeout, patience)
        self._http = httpx.Client(**self._calls.options)

    def __call__(self, picture: Any, *, model: str | None = None, detect: bool = True) -> Reading:
        """The same as `predict`."""
        return self.predict(picture, model=model, detect=detect)

    def predict(self, picture: Any, *, model: str | None = None, detect: bool = True) -> Reading:
        """Read one picture.

        Args:
            model: one of `networks()`. detect: False takes it for one face that is cropped already.
        """
        reading: Reading = self._run(self._calls.predict(picture, model, detect))
        return reading

    def predict_many(
        self, pictures: Iterable[Any], *, model: str | None = None, detect: bool = True
    ) -> Iterator[Reading]:
        """Read many pictures, several in a request. What can't be read gives a Reading with an `error`."""
        for files in _together(pictures):
            yield from self._run(self._calls.predict_batch(files, model, detect))

    def networks(self) -> tuple[ServedNetwork, ...]:
        """What the server can be asked for; the first is its default."""
        networks: tuple[ServedNetwork, ...] = self._run(self._calls.networks())
        return networks

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _run(self, steps: Steps) -> Any:
        try:
            step = next(steps)
            while True:
                if isinstance(step, float):
                    time.sleep(step)
                    step = next(steps)
                else:
                    step = steps.send(self._send(step))
        except StopIteration as done:
            return done.value

    def _send(self, request: _Request) -> httpx.Response:
        try:
            return self._http.request(request.method, request.path, params=request.query, **request.what)
        except httpx.HTTPError as error:
            raise _lost(self._calls.address, error) from None


class AsyncClient:
    """The same for asyncio: `async with AsyncClient() as client: await client.predict("photo.jpg")`."""

    def __init__(
        self, address: str = ADDRESS, *, token: str = "", timeout: float = 60.0, patience: float = 30.0
    ) -> None:
        self._calls = _Calls(address, token, timeout, patience)
        self._http = httpx.AsyncClient(**self._calls.options)

    async def __call__(self, picture: Any, *, model: str | None = None, detect: bool = True) -> Reading:
        """The same as `predict`."""
        return await self.predict(picture, model=model, detect=detect)

    async def predict(self, picture: Any, *, model: str | None = None, detect: bool = True) -> Reading:
        """As `Client.predict`."""
        reading: Reading = await self._run(self._calls.predict(picture, model, detect))
        return reading

    async def predict_many(
        self, pictures: Iterable[Any], *, model: str | None = None, detect: bool = True
    ) -> AsyncIterator[Reading]:
        """As `Client.predict_many`."""
        for files in _together(pictures):
            for reading in await self._run(self._calls.predict_batch(files, model, detect)):
                yield reading

    async def networks(self) -> tuple[ServedNetwork, ...]:
        """As `Client.networks`."""
        networks: tuple[ServedNetwork, ...] = await self._run(self._calls.networks())
        return networks

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.close()

    async def _run(self, steps: Steps) -> Any:
        try:
            step = next(steps)
            while True:
                if isinstance(step, float):
                    await asyncio.sleep(step)
                    step = next(steps)
                else:
                    step = steps.send(await self._send(step))
        except StopIteration as done:
            return done.value

    async def _send(self, request: _Request) -> httpx.Response:
        try:
            return await self._http.request(request.method, request.path, params=request.query, **request.what)
        except httpx.HTTPError as error:
            raise _lost(self._calls.address, error) from None


def _query(model: str | None, detect: bool) -> dict[str, str]:
    return ({"model": model} if model else {}) | ({} if detect else {"detect": "false"})


def _file(picture: Any) -> tuple[str, bytes]:
    """A picture's name and the bytes that are sent for it; an array goes as PNG, which loses nothing."""
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return "bytes", bytes(picture)
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or not picture.size or picture.shape[2:] not in ((), (3,)) or picture.ndim < 2:
            raise MediaError(
                "A picture as an array is uint8, (H, W) gray or (H, W, 3) RGB; "
                f"found {picture.dtype} of shape {picture.shape}."
            )
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "PNG", compress_level=1)
        return "array", buffer.getvalue()
    try:
        return str(picture), Path(os.fspath(picture)).read_bytes()
    except OSError as error:
        raise MediaError(f"{picture}: can't be read ({error.strerror}).") from None


def _together(pictures: Iterable[Any]) -> Iterator[list[tuple[str, bytes]]]:
    """The pictures' files in groups that a request may have."""
    files: list[tuple[str, bytes]] = []
    for picture in pictures:
        file = _file(picture)
        if files and (len(files) == TOGETHER or sum(len(data) for _, data in files) + len(file[1]) > TOGETHER_BYTES):
            yield files
            files = []
        files.append(file)
    if files:
        yield files


def _reading(name: str, told: dict[str, Any]) -> Reading:
    faces = tuple(Face.from_json(face) for face in told.get("faces", ()))
    error = told.get("error") or {}
    return Reading(
        name, width=told.get("width", 0), height=told.get("height", 0), faces=faces, error=error.get("message", "")
    )


def _error(response: httpx.Response) -> MediaError | ServerError:
    try:
        told = response.json()["error"]
        code, message = told["code"], told["message"]
    except (ValueError, KeyError, TypeError):
        code, message = "", f"not an answer of mien's: HTTP {response.status_code}"
    if code == "bad_picture":
        return MediaError(message)
    return ServerError(f"{response.request.url}: {message}", code=code, status=response.status_code)


def _lost(address: str, error: httpx.HTTPError) -> ServerError:
    said = str(error) or type(error).__name__
    return ServerError(f"{address}: no answer ({said}). `mien serve` starts a server.")

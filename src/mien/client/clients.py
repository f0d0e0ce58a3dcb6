"""The two clients, a blocking one and one for asyncio. They differ only in how they take a call's steps."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice
from typing import Any, Self

import httpx

from mien.client.calls import ADDRESS, Calls, Request, ServedNetwork, Steps, lost
from mien.client.files import TOGETHER, as_file, together
from mien.errors import ServerError
from mien.images import several
from mien.recognition.records import Reading


class Client:
    """Asks a server for the faces of pictures.

    Args:
        address: the server's, with http:// or https://. token: what it was started with. timeout: seconds in which a
            connection, then each next part of an answer, must come; a whole answer may take longer.
        patience: seconds to go on trying while the server is busy.
        certificate: a file with the server's own certificate (PEM), the only one that is trusted then.

    A picture is a path, a file's bytes, or an array, uint8 `(H, W)` gray or `(H, W, 3)` RGB. Other processes can't use
    its connections: make a client in each.

    Raises:
        MienError: the address, the token, the timeout or the certificate isn't valid.

    Raises (from every call):
        ServerError: there is no mien server, or it refuses. MediaError: it can't read the picture.
    """

    def __init__(
        self,
        address: str = ADDRESS,
        *,
        token: str = "",
        timeout: float = 60.0,
        patience: float = 30.0,
        certificate: str | os.PathLike[str] | None = None,
    ) -> None:
        self._calls = Calls(address, token, timeout, patience, certificate)
        self._http = httpx.Client(**self._calls.options)

    def __call__(self, picture: Any, *, model: str | None = None, detect: bool = True) -> Reading:
        """The same as `predict`."""
        return self.predict(picture, model=model, detect=detect)

    def predict(self, picture: Any, *, model: str | None = None, detect: bool = True) -> Reading:
        """Read one picture.

        Args:
            model: one of `networks()`. detect: False takes it for one cropped face.
        """
        reading: Reading = self._run(self._calls.predict(as_file(picture), model, detect))
        return reading

    def predict_many(
        self, pictures: Iterable[Any], *, model: str | None = None, detect: bool = True
    ) -> Iterator[Reading]:
        """Read many pictures, several in a request. What can't be read gives a Reading with an `error`."""
        for files in together(several(pictures, "predict")):
            yield from self._run(self._calls.predict_batch(files, model, detect))

    def networks(self) -> tuple[ServedNetwork, ...]:
        """What the server can be asked for; the first is its default."""
        networks: tuple[ServedNetwork, ...] = self._run(self._calls.networks())
        return networks

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def __repr__(self) -> str:
        return f"Client({self._calls.address})"

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

    def _send(self, request: Request) -> httpx.Response:
        _check_open(self._http, self._calls)
        try:
            return self._http.request(request.method, request.path, params=request.query, **request.what)
        except httpx.HTTPError as error:
            raise lost(self._calls.address, error) from None


class AsyncClient:
    """The same for asyncio: `async with AsyncClient() as client: await client.predict("photo.jpg")`.

    It belongs to the event loop in which it is first used: make one in each `asyncio.run`.
    """

    def __init__(
        self,
        address: str = ADDRESS,
        *,
        token: str = "",
        timeout: float = 60.0,
        patience: float = 30.0,
        certificate: str | os.PathLike[str] | None = None,
    ) -> None:
        self._calls = Calls(address, token, timeout, patience, certificate)
        self._http = httpx.AsyncClient(**self._calls.options)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, picture: Any, *, model: str | None = None, detect: bool = True) -> Reading:
        """The same as `predict`."""
        return await self.predict(picture, model=model, detect=detect)

    async def predict(self, picture: Any, *, model: str | None = None, detect: bool = True) -> Reading:
        """As `Client.predict`."""
        file = await asyncio.to_thread(as_file, picture)  # packing an array mustn't block the loop
        reading: Reading = await self._run(self._calls.predict(file, model, detect))
        return reading

    async def predict_many(
        self, pictures: Iterable[Any], *, model: str | None = None, detect: bool = True
    ) -> AsyncIterator[Reading]:
        """As `Client.predict_many`."""
        left = several(pictures, "predict")
        while some := list(islice(left, TOGETHER)):
            groups = together(some)
            while files := await asyncio.to_thread(next, groups, None):
                for reading in await self._run(self._calls.predict_batch(files, model, detect)):
                    yield reading

    async def networks(self) -> tuple[ServedNetwork, ...]:
        """As `Client.networks`."""
        networks: tuple[ServedNetwork, ...] = await self._run(self._calls.networks())
        return networks

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    def __repr__(self) -> str:
        return f"AsyncClient({self._calls.address})"

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

    async def _send(self, request: Request) -> httpx.Response:
        _check_open(self._http, self._calls)
        self._loop = self._loop or asyncio.get_running_loop()
        if self._loop is not asyncio.get_running_loop():
            raise ServerError(
                f"{self._calls.address}: this client's connections belong to another event loop; make a client in each "
                "asyncio.run."
            )
        try:
            return await self._http.request(request.method, request.path, params=request.query, **request.what)
        except httpx.HTTPError as error:
            raise lost(self._calls.address, error) from None


def _check_open(http: httpx.Client | httpx.AsyncClient, calls: Calls) -> None:
    if http.is_closed:
        raise ServerError(f"{calls.address}: this client is closed; make another one.")

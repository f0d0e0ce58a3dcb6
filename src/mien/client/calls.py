"""What a client's calls are: the requests of each, step by step, and what becomes of the answers."""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from mien.client.files import as_file
from mien.errors import MediaError, ServerError
from mien.recognition.records import Face, Reading


@dataclass(frozen=True)
class Request:
    """One HTTP request: `query` its parameters, `what` httpx's keywords for its body."""

    method: str
    path: str
    query: dict[str, str]
    what: dict[str, Any]


Steps = Generator[Request | float, httpx.Response, Any]
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


class Calls:
    """The calls as steps; the two clients only differ in how they take them."""

    def __init__(self, address: str, token: str, timeout: float, patience: float) -> None:
        self.address, self.patience = address.rstrip("/"), patience
        self.options: dict[str, Any] = {"base_url": self.address, "timeout": timeout, "trust_env": False}
        if token:
            self.options["headers"] = {"authorization": f"Bearer {token}"}

    def predict(self, picture: Any, model: str | None, detect: bool) -> Steps:
        """One picture -> its Reading."""
        name, data = as_file(picture)
        told = yield from self._ask("POST", "/v1/predict", _query(model, detect), content=data)
        return _reading(name, told)

    def predict_batch(self, files: Sequence[tuple[str, bytes]], model: str | None, detect: bool) -> Steps:
        """Many pictures, each `(name, bytes)`, in one request -> a Reading of each, in their order."""
        form = [("file", (Path(name).name, data)) for name, data in files]
        told = yield from self._ask("POST", "/v1/predict/batch", _query(model, detect), files=form)
        return [_reading(name, one) for (name, _), one in zip(files, told["pictures"], strict=True)]

    def networks(self) -> Steps:
        """What the server has -> a tuple of ServedNetwork, its default first."""
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
            response = yield Request(method, path, query, what)
            if response.is_success:
                return response.json()
            wait = float(response.headers.get("retry-after") or 1)
            if response.status_code != 429 or time.monotonic() + wait > until:
                raise _error(response)
            yield wait


def _query(model: str | None, detect: bool) -> dict[str, str]:
    return ({"model": model} if model else {}) | ({} if detect else {"detect": "false"})


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


def lost(address: str, error: httpx.HTTPError) -> ServerError:
    """What to raise where no answer came at all."""
    said = str(error) or type(error).__name__
    return ServerError(f"{address}: no answer ({said}). `mien serve` starts a server.")

"""A client's calls: the requests of each, step by step, and what is made of the answers."""

import math
import os
import ssl
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from mien.client.files import File
from mien.errors import MediaError, MienError, ServerError
from mien.names import printable
from mien.recognition.records import Face, Reading


@dataclass(frozen=True)
class Request:
    """One HTTP request: `query` its parameters, `what` httpx's keywords for its body."""

    method: str
    path: str
    query: dict[str, str]
    what: dict[str, Any]


Steps = Generator[Request | float, httpx.Response, Any]
"""A call, the same for both clients: it yields requests to send and seconds to wait, and returns its result."""


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


class _Told(BaseModel):
    """What a server answers, of exactly these types; further fields are ignored."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)


_Shown = Annotated[str, AfterValidator(printable)]
"""Text that people are shown, without the characters that control a terminal."""


class _Face(_Told):
    label: _Shown
    confidence: float
    uncertain: bool
    probabilities: dict[_Shown, float]
    box: tuple[float, float, float, float] | None
    landmarks: tuple[tuple[float, float], ...] | None
    detection: float | None
    face: int | None


class _Picture(_Told):
    width: int
    height: int
    faces: tuple[_Face, ...]


class _Problem(_Told):
    code: _Shown
    message: _Shown = Field(min_length=1)


class _Failed(_Told):
    error: _Problem


class _Pictures(_Told):
    pictures: tuple[_Picture | _Failed, ...]


class _Networks(_Told):
    models: tuple[ServedNetwork, ...]


ADDRESS = "http://127.0.0.1:8000"

LEAST, MOST = 0.1, 1.0
"""Seconds after which a busy server is asked again, unless it asks for more: from LEAST, doubled up to MOST."""

IDLE = 2.0
"""Seconds after which an idle connection isn't used again: the server closes it after 5, perhaps during a request."""


class Calls:
    """The calls as steps; the two clients differ only in how they take them."""

    def __init__(
        self,
        address: str,
        token: str,
        timeout: float,
        patience: float,
        certificate: str | os.PathLike[str] | None = None,
    ) -> None:
        self.address, self.patience = _checked(address), patience
        if not (token.isascii() and token.isprintable()):
            raise MienError("A token has letters, digits or . _ ~ - and nothing else.")
        if not (isinstance(timeout, (int, float)) and 0 < timeout < math.inf):
            raise MienError(f"timeout is {timeout}; it is seconds, more than 0.")
        self.options: dict[str, Any] = {
            "base_url": self.address,
            "timeout": httpx.Timeout(timeout, pool=None),  # no limit on waiting for this client's other calls
            "trust_env": False,
            "headers": {"authorization": f"Bearer {token}"} if token else {},
            "limits": httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=IDLE),
        }
        if certificate is not None:
            self.options["verify"] = _trusting(certificate)

    def predict(self, file: File, model: str | None, detect: bool) -> Steps:
        """One picture -> its Reading."""
        read, query = partial(_reading, file), _query(model, detect)
        return (yield from self._ask(_Picture, read, "POST", "/v1/predict", query, content=file.data))

    def predict_batch(self, files: Sequence[File], model: str | None, detect: bool) -> Steps:
        """Several pictures in one request -> a Reading of each, in their order; of one without bytes its error."""
        sent = [file for file in files if not file.error]
        readings = iter((yield from self._sent(sent, model, detect)) if sent else ())
        return [Reading(file.name, error=file.error) if file.error else next(readings) for file in files]

    def _sent(self, files: Sequence[File], model: str | None, detect: bool) -> Steps:
        def read(told: _Pictures) -> list[Reading]:
            return [_reading(file, one) for file, one in zip(files, told.pictures, strict=True)]

        form, query = [("file", ("picture", file.data)) for file in files], _query(model, detect)
        try:
            return (yield from self._ask(_Pictures, read, "POST", "/v1/predict/batch", query, files=form))
        except ServerError as error:
            large = error.status == 413  # for the server, or a proxy before it
            if len(files) > 1 and (large or error.code == "bad_request"):  # this server takes fewer in a request
                half = len(files) // 2
                first = yield from self._sent(files[:half], model, detect)
                return first + (yield from self._sent(files[half:], model, detect))
            if not large:
                raise
            return [Reading(files[0].name, error=str(error))]

    def networks(self) -> Steps:
        """What the server has -> a tuple of ServedNetwork, its default first."""
        return (yield from self._ask(_Networks, _networks, "GET", "/v1/models", {}))

    def _ask(
        self, kind: type[_Told], read: Callable[[Any], Any], method: str, path: str, query: dict[str, str], **what: Any
    ) -> Steps:
        """One request, and what `read` makes of its answer, which must be of that kind; sent again while the server is
        busy, after the time that it asks for."""
        until, least = time.monotonic() + self.patience, LEAST
        while True:
            response = yield Request(method, path, query, what)
            if response.is_success:
                try:
                    return read(kind.model_validate_json(response.content))
                except ValueError:  # pydantic's are, too; or another number of pictures
                    raise _odd(response) from None
            told = response.headers.get("retry-after", "")
            wait = max(least, float(told) if told.isdecimal() else 1.0)  # a proxy may send a date, or 0
            least = min(2 * least, MOST)
            busy = response.status_code == 429 or (response.status_code == 503 and told.isdecimal())
            if not busy or time.monotonic() + wait > until:
                raise _error(response)
            yield wait


def _checked(address: str) -> str:
    """The address without a slash at its end. Raises MienError unless it has a scheme and a host."""
    try:
        url, why = httpx.URL(address), ""
        url.host.encode("idna")
        if url.scheme in ("http", "https") and url.host:
            return address.rstrip("/")
    except (httpx.InvalidURL, UnicodeError) as error:
        why = f" ({error})"
    guess = f" Do you mean http://{address}?" if address and "://" not in address else ""
    raise MienError(f"{address!r}: not an address{why}, which is http:// or https:// and a server: {ADDRESS}.{guess}")


def _trusting(certificate: str | os.PathLike[str]) -> ssl.SSLContext:
    """A TLS context that trusts this certificate alone. Raises MienError if the file is none."""
    try:
        return ssl.create_default_context(cafile=certificate)
    except ssl.SSLError:
        raise MienError(f"{certificate}: not a certificate, as PEM.") from None
    except OSError as error:
        raise MienError(f"{certificate}: can't be read ({error.strerror}).") from None


def _query(model: str | None, detect: bool) -> dict[str, str]:
    return ({"model": model} if model else {}) | ({} if detect else {"detect": "false"})


def _networks(told: _Networks) -> tuple[ServedNetwork, ...]:
    return tuple(
        replace(one, kind=printable(one.kind), classes=tuple(map(printable, one.classes))) for one in told.models
    )


def _reading(file: File, told: _Picture | _Failed) -> Reading:
    if isinstance(told, _Failed):
        return Reading(file.name, error=told.error.message)
    faces = tuple(Face.from_json(face.model_dump()) for face in told.faces)
    return Reading(file.name, width=told.width, height=told.height, faces=faces)


def _error(response: httpx.Response) -> MediaError | ServerError:
    try:
        told = _Failed.model_validate_json(response.content).error
    except ValidationError:
        proxy = ": a proxy before it takes less; raise its limit (nginx: client_max_body_size 65m)"
        return _odd(response, proxy if response.status_code == 413 else "")
    if told.code == "bad_picture":
        return MediaError(told.message)
    return ServerError(f"{response.request.url}: {told.message}", code=told.code, status=response.status_code)


def _odd(response: httpx.Response, why: str = "") -> ServerError:
    said = f"{response.request.url}: not an answer of mien's: HTTP {response.status_code}{why}"
    return ServerError(said, status=response.status_code)


def lost(address: str, error: httpx.HTTPError) -> ServerError:
    """The error for an answer that never came, or broke off."""
    if isinstance(error, (httpx.ReadTimeout, httpx.WriteTimeout)):
        return ServerError(f"{address}: the server fell silent, or is slow; a larger `timeout` waits longer for it.")
    said = str(error) or type(error).__name__
    if isinstance(error, (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)):
        return ServerError(
            f"{address}: the server hung up, or what it said is no answer ({said}): it ended, a picture is larger than "
            "its --max-bytes, it speaks https (or http alone), or it is none of mien's."
        )
    if "CERTIFICATE_VERIFY_FAILED" in said:
        reason = said.partition("failed: ")[2].partition(" (_ssl")[0] or said
        return ServerError(
            f"{address}: its certificate isn't trusted ({reason}). For one's own: Client(certificate=\"FILE.pem\"), "
            "the file that `mien serve --certificate` has; the address must be one that it names."
        )
    return ServerError(f"{address}: no answer ({said}). `mien serve` starts a server.")

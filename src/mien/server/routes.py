"""The HTTP routes: pictures to faces, the networks there are, the server's state."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from mien.recognition.records import Reading
from mien.server.answers import BatchPrediction, ErrorAnswer, ModelsAnswer, Prediction, Status
from mien.server.bodies import FIELD, Picture, pictures
from mien.server.envelope import as_json
from mien.server.networks import Served
from mien.server.reader import Reader, Timings
from mien.server.refusal import Refusal
from mien.server.settings import Settings

router = APIRouter()

PREDICT = "/v1/predict"


class Asked(BaseModel):
    """What a request may say about how to read its pictures. Another parameter is an error."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = Field(None, max_length=300, description="A network of `/v1/models`; the first without it.")
    detect: bool = Field(True, description="false: each picture is one face, cropped as FER2013's are.")


Responses = dict[int | str, dict[str, Any]]

_REFUSED: Responses = {
    status: {"model": ErrorAnswer, "description": said}
    for status, said in {
        400: "Not a picture that can be read, or a damaged form",
        401: "The token is missing or wrong",
        403: "Another site's page, or a foreign name of this server",
        404: "No such network",
        408: "The request came too slowly",
        413: "Larger than the limits",
        415: "A form that isn't multipart/form-data, or a compressed body",
        422: "An unknown or wrong parameter",
        429: "The queue is full, or too many requests: try again after Retry-After seconds",
        500: "Something went wrong: the server's log has it by its request_id",
        503: "The server is ending; /readyz: its queue is full",
        504: "It took too long",
    }.items()
}
_GUARDED: Responses = {status: _REFUSED[status] for status in (401, 403, 429, 500, 503)}
_OPEN: Responses = {status: _REFUSED[status] for status in (403, 500, 503)}

_TOKEN = Security(HTTPBearer(auto_error=False, scheme_name="token", description="Where the server has one."))
"""For the OpenAPI document only: the gate has checked it by then."""

_FILE = {"type": "string", "format": "binary"}


def _takes(many: bool) -> dict[str, Any]:
    field = {"type": "array", "items": _FILE, "minItems": 1} if many else _FILE
    form = {"type": "object", "required": [FIELD], "properties": {FIELD: field}, "additionalProperties": False}
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    if not many:
        content |= {
            kind: {"schema": _FILE} for kind in ("image/jpeg", "image/png", "image/webp", "application/octet-stream")
        }
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    PREDICT,
    response_class=Response,
    responses={200: {"model": Prediction}, **_REFUSED},
    dependencies=[_TOKEN],
    openapi_extra=_takes(False),
)
async def predict(request: Request, asked: Annotated[Asked, Query()]) -> Response:
    """Read the faces of one picture: a file's bytes, or a form with it in the field `file`."""
    reader, settings = reader_of(request), _settings(request)
    with reader.slots():
        served = await reader.networks.get(asked.model)
        [picture] = await pictures(request, most=1, most_bytes=settings.max_bytes, seconds=settings.timeout)
        reading, timings = await _in_time(request, reader.read(picture.data, served, detect=asked.detect))
    _count(request, [reading])
    return as_json(head(served) | body(reading, timings) | {"request_id": request.state.request_id})


@router.post(
    "/v1/predict/batch",
    response_class=Response,
    responses={200: {"model": BatchPrediction}, **_REFUSED},
    dependencies=[_TOKEN],
    openapi_extra=_takes(True),
)
async def predict_batch(request: Request, asked: Annotated[Asked, Query()]) -> Response:
    """Read several pictures: a form with each in a field `file`. One that can't be read doesn't stop the others."""
    reader, settings = reader_of(request), _settings(request)
    places = settings.places_of_a_batch
    with reader.slots(places):
        served = await reader.networks.get(asked.model)
        sent = await pictures(
            request, most=settings.max_pictures, most_bytes=settings.max_batch_bytes, seconds=settings.timeout
        )
        with reader.slots(max(0, len(sent) - places)):
            each = (_item(request, one, served, asked.detect) for one in sent)
            items = await _in_time(request, asyncio.gather(*each))
    _count(request, [reading for _, reading in items if reading])
    answer = {"pictures": [item for item, _ in items], "request_id": request.state.request_id}
    return as_json(head(served) | answer)


@router.get(
    "/v1/models",
    response_class=Response,
    responses={200: {"model": ModelsAnswer}, **_GUARDED},
    dependencies=[_TOKEN],
)
async def models(request: Request) -> Response:
    """The networks that may be asked for, with their scores; and the limits of a request."""
    reader, settings = reader_of(request), _settings(request)
    served = await reader.networks.all()
    limits = {
        "bytes": settings.max_bytes,
        "pixels": settings.max_pixels,
        "pictures": settings.max_pictures,
        "batch_bytes": settings.max_batch_bytes,
        "seconds": settings.timeout,
    }
    return as_json(
        {
            "default": served[0].name,
            "device": served[0].net.device,
            "in_browser": settings.in_browser,
            "limits": limits,
            "models": [one.as_json() for one in served],
            "request_id": request.state.request_id,
        }
    )


@router.get("/healthz", response_class=Response, responses={200: {"model": Status}, **_OPEN})
async def healthz() -> Response:
    """Whether the process lives."""
    return as_json({"status": "ok"})


@router.get("/readyz", response_class=Response, responses={200: {"model": Status}, **_OPEN})
async def readyz(request: Request) -> Response:
    """Whether it takes pictures now: 503 while its queue is full. While it ends it takes no connections."""
    reader = reader_of(request)
    if reader.held >= reader.settings.queue:
        raise Refusal("not_ready", "Its queue is full.", retry_after=1)
    return as_json({"status": "ready"})


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, **_GUARDED},
    dependencies=[_TOKEN],
)
async def metrics(request: Request) -> Response:
    """Counters in Prometheus' text format."""
    reader = reader_of(request)
    reader.metrics.held.set(reader.held)
    return Response(reader.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def head(served: Served) -> dict[str, Any]:
    """What an answer says about the network that gave it."""
    card = served.net.card
    return {
        "model": served.name,
        "device": served.net.device,
        "classes": list(card.classes),
        "uncertain_below": card.uncertain,
    }


def body(reading: Reading, timings: Timings) -> dict[str, Any]:
    """What an answer says about a picture."""
    return {
        "width": reading.width,
        "height": reading.height,
        "faces": [face.as_json() for face in reading],
        "timings_ms": timings.as_json(),
    }


async def _item(
    request: Request, picture: Picture, served: Served, detect: bool
) -> tuple[dict[str, Any], Reading | None]:
    try:
        reading, timings = await reader_of(request).read(picture.data, served, detect=detect)
    except Refusal as refusal:
        reader_of(request).metrics.refused(refusal.code).inc()
        return {"name": picture.name, "error": {"code": refusal.code, "message": refusal.message}}, None
    return {"name": picture.name} | body(reading, timings), reading


async def _in_time(request: Request, work: Any) -> Any:
    seconds = _settings(request).timeout
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise Refusal("timeout", f"It couldn't be read within {seconds:g} seconds.") from None


def _count(request: Request, readings: list[Reading]) -> None:
    known, faces = reader_of(request).metrics, sum(len(reading) for reading in readings)
    known.pictures.inc(len(readings))
    known.faces.inc(faces)
    request.state.faces = faces


def reader_of(request: Request) -> Reader:
    """What reads this server's pictures."""
    reader: Reader = request.app.state.reader
    return reader


def _settings(request: Request) -> Settings:
    return reader_of(request).settings

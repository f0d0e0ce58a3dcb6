"""The server's answers as schemas with examples, for the OpenAPI document. Tests check real answers against them."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]

_FACE: dict[str, Any] = {
    "face": None,
    "label": "happy",
    "confidence": 0.98214,
    "uncertain": False,
    "probabilities": {
        "angry": 0.00112, "disgust": 0.00031, "fear": 0.00214, "happy": 0.98214, "sad": 0.00107, "surprise": 0.00301,
        "neutral": 0.01021,
    },
    "box": [178.1, 61.9, 92.6, 111.5],
    "landmarks": [[205.3, 108.2], [248.9, 107.1], [231.4, 131.0], [211.2, 150.3], [245.8, 149.2]],
    "detection": 0.9321,
}  # fmt: skip
_TIMINGS = {"decode": 3.1, "detect": 11.4, "network": 1.6, "total": 16.1}


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class Answer(BaseModel):
    """An answer has the fields of its schema and no others."""

    model_config = ConfigDict(extra="forbid")


class FaceAnswer(Answer):
    """A face: what it shows, and where it is."""

    model_config = _example(**_FACE)

    face: int | None = Field(None, description="In a stream the face's number, which stays; else null.")
    label: str = Field(description="The most likely class.")
    confidence: Share = Field(description="Its probability.")
    uncertain: bool = Field(description="Whether that is below the network's threshold, or the face too dark.")
    probabilities: dict[str, Share] = Field(description="Of each class.")
    box: list[float] | None = Field(description="x, y, width, height in pixels; null with detect=false.")
    landmarks: list[list[float]] | None = Field(description="Right eye, left eye, nose, mouth's right and left corner.")
    detection: Share | None = Field(description="How sure the detector is that it is a face.")


class TimingsAnswer(Answer):
    """Milliseconds on the server, without the transfer; `network` includes waiting for its turn."""

    model_config = _example(**_TIMINGS)

    decode: float
    detect: float
    network: float
    total: float


class NetworkAnswer(Answer):
    """What a network answered."""

    model: str = Field(description="The network that answered.")
    device: str
    classes: list[str]
    uncertain_below: Share
    request_id: str


class Prediction(NetworkAnswer):
    """The answer for a picture; the largest face first."""

    model_config = _example(
        model="small:int8", device="cpu", classes=list(_FACE["probabilities"]), uncertain_below=0.5681,
        width=512, height=512, faces=[_FACE], timings_ms=_TIMINGS, request_id="5f0c2f6d9e1b4a77",
    )  # fmt: skip

    width: int
    height: int
    faces: list[FaceAnswer]
    timings_ms: TimingsAnswer


class Detail(Answer):
    """What went wrong: a code for programs, a sentence for people."""

    model_config = _example(code="bad_picture", message="the image: not an image (JPEG, PNG, ...).")

    code: str
    message: str


class ErrorAnswer(Answer):
    """A request that was refused."""

    model_config = _example(
        error={"code": "busy", "message": "128 pictures are waiting; the limit is 128. Try again later."},
        request_id="5f0c2f6d9e1b4a77",
    )

    error: Detail
    request_id: str


class BatchItem(Answer):
    """One picture of a batch: what was read, or why it couldn't be."""

    name: str
    width: int = 0
    height: int = 0
    faces: list[FaceAnswer] = []
    timings_ms: TimingsAnswer | None = None
    error: Detail | None = None


class BatchPrediction(NetworkAnswer):
    """The answers for several pictures, in their order."""

    pictures: list[BatchItem]


class ModelAnswer(Answer):
    """A network that may be asked for."""

    name: str
    architecture: str
    kind: str
    classes: list[str]
    uncertain_below: Share
    input_shape: list[int]
    trained_on: str = Field(description="The file or folder of its data, as its card has it; may be empty.")
    parameters: int
    bytes: int
    files: list[str] = Field(description="The ONNX file, and the file beside it that it takes its weights from, if so.")
    accuracy: Share | None = Field(description="On the validation faces of its data; null where it wasn't judged.")
    balanced_accuracy: Share | None
    interval: list[float] | None = Field(description="95 % interval of the accuracy.")
    faces_judged: int | None
    licence: str
    limits: str


class Limits(Answer):
    """What a request may have."""

    bytes: int
    pixels: int
    pictures: int
    batch_bytes: int
    seconds: float


class ModelsAnswer(Answer):
    """The networks, and which one answers if none is named."""

    default: str
    device: str
    in_browser: bool
    limits: Limits
    models: list[ModelAnswer]
    request_id: str


class Status(Answer):
    """That the server is alive, or ready."""

    model_config = _example(status="ok")

    status: str

"""Card: what stands beside a network's weights, so that they never travel alone."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from mien.errors import CheckpointError
from mien.files import atomic_write, read_small, regular
from mien.names import plain_name
from mien.prior import Prior, shares
from mien.shipped import find
from mien.version import VERSION

TAUGHT = "of each of its training targets is the mean answer of"
"""Words in the notes of a network that learned what others answer, before the names of those."""

CARD = "card.json"
"""The card's name in a run folder."""

STATE = "state.pt"
"""The name there of what a training resumes from."""

NUMBERS = frozenset(("n", "accuracy", "balanced_accuracy", "macro_f1", "ece", "loss"))
"""What a card's scores have as one number each."""


class TrainedOn(BaseModel):
    """The data that a network learned from: where it came from, and the checksum of each split's `FaceSet`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = ""
    checksums: dict[str, str] = Field(default_factory=dict)


class Card(BaseModel):
    """What a network is, what it learned from, and how well it did.

    Its constructor raises pydantic's ValidationError for what can't be, its readers CheckpointError.

    `model` and `options` rebuild the network (`create_model(card.model, **card.options)`); `classes` are its labels in
    the order of its outputs; `input_shape` is `(C, H, W)`, pixels uint8 0..255; `recipe` is how it was trained, as
    plain data, and `init` the SHA-256 of the weights that it went on from, "" of none; `checksums` has the SHA-256 of
    the files beside the card; `scores` has a `Report.as_json()` under "before" or "after" training and the split's
    name; `temperature` divides the logits before the softmax (1 = as trained); an answer whose highest probability is
    below `uncertain` counts as uncertain, where that is 1 every answer; `calibration` says how these two were found (a
    `Calibration.as_json()`); `prior` has the share of each class for which its answers hold, in the order of `classes`
    (empty: it isn't known): that in its training, all alike where rare classes counted for more there.

    >>> card = Card(model="cnn", classes=("sad", "happy"))
    >>> card.input_shape, Card.from_json(card.to_json()) == card
    ((1, 48, 48), True)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(min_length=1)
    options: dict[str, Any] = Field(default_factory=dict)
    classes: tuple[str, ...] = Field(min_length=2)
    input_shape: tuple[int, int, int] = (1, 48, 48)
    preset: str = ""
    recipe: dict[str, Any] = Field(default_factory=dict)
    init: str = ""
    parameters: int = Field(default=0, ge=0)
    macs: int = Field(default=0, ge=0)
    data: TrainedOn = TrainedOn()
    checksums: dict[str, str] = Field(default_factory=dict)
    scores: dict[str, dict[str, dict[str, Any]]] = Field(default_factory=dict)
    epoch: int | None = Field(default=None, ge=0)
    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    uncertain: float = Field(default=0.0, ge=0, le=1)
    calibration: dict[str, Any] = Field(default_factory=dict)
    prior: tuple[float, ...] = ()
    licence: str = ""
    limits: str = ""
    mien_version: str = VERSION
    created: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    notes: str = ""

    @field_validator("classes")
    @classmethod
    def _different(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError("a class name appears twice")
        return names

    @field_validator("prior")
    @classmethod
    def _shares(cls, prior: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        if prior and (len(prior) != len(info.data.get("classes", prior)) or not min(prior) >= 0):
            raise ValueError("it isn't a share for each class")
        if prior and not abs(sum(prior) - 1) < 0.001:
            raise ValueError("the shares don't add to 1")
        return prior

    @field_validator("input_shape")
    @classmethod
    def _positive(cls, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        if min(shape) < 1:
            raise ValueError("every size must be at least 1")
        return shape

    @field_validator("checksums")
    @classmethod
    def _beside(cls, sums: dict[str, str]) -> dict[str, str]:
        for name in sums:  # a card from elsewhere mustn't make mien read files elsewhere
            if not plain_name(name):
                raise ValueError(f"{name!r} isn't the name of a file beside the card")
        return sums

    @field_validator("scores")
    @classmethod
    def _numbers(cls, scores: dict[str, dict[str, dict[str, Any]]]) -> dict[str, dict[str, dict[str, Any]]]:
        json.dumps(scores, allow_nan=False)  # ValueError: NaN or infinity, which no answer of a server may hold
        for when, splits in scores.items():
            for split, report in splits.items():
                for name in report.keys() & NUMBERS:
                    if not _number(report[name]):
                        raise ValueError(f"{name} ({when}, {split}) is no number")
                ends = report.get("interval", (0, 1))
                if not (isinstance(ends, (list, tuple)) and len(ends) == 2 and all(map(_number, ends))):
                    raise ValueError(f"the interval ({when}, {split}) isn't two numbers")
        return scores

    def to_json(self) -> str:
        """This card as JSON text. Raises ValueError when `options`, `recipe` or `scores` hold NaN or infinity."""
        text = json.dumps(self.model_dump(), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
        return text.encode(errors="replace").decode()  # a path may hold bytes that are no text

    @classmethod
    def from_json(cls, text: str | bytes, source: str = "card") -> "Card":
        """The card that `to_json` wrote; `source` is what errors call it. Raises CheckpointError when it isn't one."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise CheckpointError(f"{source}: not a card of mien's, or damaged ({_found(error)}).") from None

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = True) -> "Card":
        """This card with other fields, which are checked. Raises CheckpointError for what can't be."""
        try:
            return Card.model_validate({**self.model_dump(), **(update or {})})
        except ValidationError as error:
            raise CheckpointError(f"A card can't have this: {_found(error)}.") from None

    def expecting(self, prior: Prior) -> tuple[float, ...]:
        """The share of each class by another prior, in the order of `classes`.

        Raises:
            DataError: a prior that can't be (`mien.prior.shares`). CheckpointError: this network's own isn't known.
        """
        if not self.prior:
            raise CheckpointError(
                f"The card of this {self.model} doesn't say how frequent each class was in its training, so no other "
                "prior can be taken. Networks that this version of mien trains say so."
            )
        return tuple(shares(prior, self.classes, self.prior).tolist())

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write this card to a file, in one step."""
        atomic_write(path, self.to_json())

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Card":
        """Read a card from a file, a run folder, or a network in the box. Raises CheckpointError when it can't."""
        given = find(path)
        path = given / CARD if os.path.isdir(given) else given
        if path.suffix in (".onnx", ".safetensors"):
            raise CheckpointError(
                f"{given}: a network's file; here its folder is wanted, or the name of one in the box without `:int8`."
            )
        try:
            text = read_small(path)
        except FileNotFoundError:
            raise CheckpointError(_no_run(given)) from None
        except OSError as error:
            raise CheckpointError(f"{path}: can't read the card ({error.strerror}).") from None
        return cls.from_json(text, str(path))

    def verify(self, folder: str | os.PathLike[str], names: Iterable[str] | None = None) -> None:
        """Check the files beside this card (all it lists, or those of `names`) against its checksums.

        Raises:
            CheckpointError: naming the first file that is missing, not listed, or not the one that was written.
        """
        for name in self.checksums if names is None else names:
            path = Path(folder, name)
            if name not in self.checksums:
                raise CheckpointError(f"{path}: the card beside it lists no such file.")
            if checksum(path) != self.checksums[name]:
                raise CheckpointError(
                    f"{path}: changed or damaged since it was written: its SHA-256 isn't the card's. "
                    "Copy it again from where it came, or train again."
                )


def _found(error: ValidationError) -> str:
    """The first thing that is wrong, and in which field."""
    first = error.errors(include_url=False)[0]
    field = ".".join(map(str, first["loc"]))
    return f"{field}: {first['msg']}" if field else first["msg"]


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _no_run(path: Path) -> str:
    """What there is where a run was looked for."""
    if not os.path.isdir(path):
        return f"{path}: no such run. Name a run folder that mien wrote, or a network in the box, such as small."
    inside = sorted(str(found.parent) for found in path.glob(f"*/{CARD}"))
    return f"{path}: no finished run in this folder" + (f"; it holds {', '.join(inside)}." if inside else ".")


def taught_by(share: float, names: Sequence[str], *, boxed: bool = False) -> str:
    """What the notes of a card say of these teachers; "" where there are none. `boxed`: they are those in the box."""
    if not names:
        return ""
    before = "; as they were in the box then" if boxed else ""
    return f" {share:g} {TAUGHT} {len(names)}: {'; '.join(names)}{before}."


def checksum(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, in hexadecimal. Raises CheckpointError when the file can't be read."""
    try:
        with open(path, "rb", opener=regular) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path}: can't read this file ({error.strerror}).") from None

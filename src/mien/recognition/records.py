"""The records of recognition: a Frame goes in, a Reading with a Face for each face in it comes out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

LANDMARKS = ("right_eye", "left_eye", "nose", "right_mouth", "left_mouth")
"""The five landmarks in order. Right and left are the person's own: the right eye is on the left in a photo."""

Box = tuple[float, float, float, float]
"""x and y of the upper left corner, width, height, in pixels of the frame; it may reach over the frame's edge."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Frame:
    """One picture from a source.

    `pixels` are uint8 `(H, W, 3)` RGB, or None where `error` says why there are none. `index` counts a video's frames
    from 0; `time` is in seconds from its start, None for a photo.
    """

    source: str
    pixels: NDArray[np.uint8] | None = field(repr=False)
    index: int = 0
    time: float | None = None
    error: str = ""


@dataclass(frozen=True)
class Face:
    """One face: what it shows and where it is.

    `probabilities` has a value 0..1 for each class, in the network's order; `confidence` is that of `label`, the most
    likely one, and `uncertain` says that it is below the network's threshold, or that the crop is too dark to tell.
    `box` and `landmarks` are in pixels of the frame, None where the whole frame was taken for a face; `detection` 0..1
    is how sure the detector was that this is one. `id` is the same for the same face through a video, None for photos.
    """

    label: str
    confidence: float
    uncertain: bool
    probabilities: dict[str, float]
    box: Box | None = None
    landmarks: tuple[Point, ...] | None = None
    detection: float | None = None
    id: int | None = None

    def as_json(self) -> dict[str, Any]:
        """This face as plain data, rounded: probabilities to 5 digits, pixels to 1."""
        return {
            "face": self.id,
            "label": self.label,
            "confidence": round(self.confidence, 5),
            "uncertain": self.uncertain,
            "probabilities": {name: round(value, 5) for name, value in self.probabilities.items()},
            "box": [round(value, 1) for value in self.box] if self.box else None,
            "landmarks": [[round(x, 1), round(y, 1)] for x, y in self.landmarks] if self.landmarks else None,
            "detection": None if self.detection is None else round(self.detection, 4),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Face":
        """The face of such data."""
        return cls(
            label=told["label"],
            confidence=told["confidence"],
            uncertain=told["uncertain"],
            probabilities=dict(told["probabilities"]),
            box=tuple(told["box"]) if told["box"] else None,
            landmarks=tuple(map(tuple, told["landmarks"])) if told["landmarks"] else None,
            detection=told["detection"],
            id=told["face"],
        )


@dataclass(frozen=True)
class Reading:
    """What was read in one frame: its faces, the largest first; none where there are none, or where `error` says why.

    Iterating over it gives the faces, `reading[0]` the largest. `width` and `height` are the frame's, in pixels; 0
    where it couldn't be read.
    """

    source: str
    frame: int = 0
    time: float | None = None
    width: int = 0
    height: int = 0
    faces: tuple[Face, ...] = ()
    error: str = ""

    def __iter__(self) -> Iterator[Face]:
        return iter(self.faces)

    def __len__(self) -> int:
        return len(self.faces)

    @overload
    def __getitem__(self, at: int) -> Face: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Face, ...]: ...
    def __getitem__(self, at: int | slice) -> Face | tuple[Face, ...]:
        return self.faces[at]

    def as_json(self) -> dict[str, Any]:
        """This reading as plain data, its faces as `Face.as_json` has them.

        >>> Reading.from_json(Reading("a.jpg", width=48, height=48).as_json())
        Reading(source='a.jpg', frame=0, time=None, width=48, height=48, faces=(), error='')
        """
        return vars(self) | {"faces": [face.as_json() for face in self.faces]}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Reading":
        """The reading of such data."""
        return cls(**{**told, "faces": tuple(map(Face.from_json, told["faces"]))})

    def rows(self) -> list[dict[str, Any]]:
        """A row for each face, as plain data for JSON; a frame without one gives a row that says so in `status`.

        `status` is "face", "no face" or "failed"; every row has the same keys.

        >>> Reading("a.jpg").rows()[0]["status"]
        'no face'
        """
        where = {"source": self.source, "frame": self.frame, "time": self.time}
        size = {"width": self.width, "height": self.height}
        if not self.faces:
            status = "failed" if self.error else "no face"
            return [where | {"status": status} | dict.fromkeys(_OF_A_FACE) | size | {"error": self.error or None}]
        return [where | {"status": "face"} | face.as_json() | size | {"error": None} for face in self.faces]


_OF_A_FACE = ("face", "label", "confidence", "uncertain", "probabilities", "box", "landmarks", "detection")

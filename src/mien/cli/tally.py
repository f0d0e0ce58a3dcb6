"""What a run of `mien predict` came to, counted as it goes, in constant memory: for its summary and its JSON."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mien.cli.options import note
from mien.cli.tables import counted, place_of, print_table
from mien.names import printable

if TYPE_CHECKING:
    from mien.recognition.records import Face, Reading

SHOWN = 40
"""The most rows of photos, and of faces in videos, that are shown to people."""

OF_A_PHOTO = 5
"""The most faces of a photo among several: a picture of a whole school shall not hide the others."""

FOLLOWED = 100
"""The most faces in videos that are kept for that; of more the one that was seen least is dropped."""

KEPT = 10_000
"""The most rows that the JSON document has; --out has no such limit."""


@dataclass
class _Seen:
    """A face of a video: when, and what it showed."""

    first: float
    last: float
    labels: Counter[str] = field(default_factory=Counter)
    uncertain: int = 0

    @property
    def mostly(self) -> str:
        """Its most frequent expression."""
        return self.labels.most_common(1)[0][0]

    @property
    def is_uncertain(self) -> bool:
        """Whether most of what was read of it is."""
        return 2 * self.uncertain > self.labels.total()


class Tally:
    """Counts Readings. An entry is a photo or a frame of a video.

    People are told of faces as they are there: a film's, which is in many frames, is one, of the expression that it
    shows most often. The JSON document counts what was read of it in every frame.

    Args:
        device: where the networks run. calibrated: whether the network has a threshold for what is uncertain.
        kept: whether every row goes into a file, too.
    """

    def __init__(self, device: str, *, calibrated: bool = True, kept: bool = False) -> None:
        self.device, self.calibrated, self.kept = device, calibrated, kept
        self.prior: dict[str, float] | None = None  # that was asked for, as the share of each class
        self.began = time.perf_counter()
        self.entries = self.faces = self.faceless = self.uncertain = self.left_out = 0
        self.others = self.drawn = self.animations = 0  # files that the sources passed over, or read in part
        self.photos = self.frames = self.videos = 0  # of those that could be read
        self.labels: Counter[str] = Counter()
        self._once: Counter[str] = Counter()  # the labels of faces, a film's counted once, when it is dropped
        self._once_uncertain = 0
        self._film = ""
        self.failures: list[str] = []
        self.failed = 0
        self.rows: list[dict[str, Any]] = []
        self._photos: list[Reading] = []  # the first ones
        self._hidden = 0  # photos, and faces in videos, that are counted and no longer kept
        self._seen: dict[tuple[str, int], _Seen] = {}

    @property
    def rate(self) -> float:
        """Entries a second."""
        return self.entries / max(time.perf_counter() - self.began, 1e-9)

    def add(self, reading: "Reading") -> None:
        """Count one reading."""
        self.entries += 1
        if reading.error:
            self.failed += 1
            if len(self.failures) < 10:
                self.failures.append(printable(f"{reading.source}: {reading.error}"))
        else:
            self.faceless += not reading.faces
            self.photos += reading.time is None
            self.frames += reading.time is not None
        if reading.time is not None:
            self.videos += reading.source != self._film  # they come one after the other
            self._film = reading.source
        for face in reading:
            self.faces += 1
            self.uncertain += face.uncertain
            self.labels[face.label] += 1
            if reading.time is None:
                self._once[face.label] += 1
                self._once_uncertain += face.uncertain
            else:
                seen = self._seen.setdefault((reading.source, face.id or 0), _Seen(reading.time, reading.time))
                seen.last = reading.time
                seen.labels[face.label] += 1
                seen.uncertain += face.uncertain
        for row in reading.rows():
            if len(self.rows) < KEPT:
                self.rows.append(row)
            else:
                self.left_out += 1
        if reading.time is None and len(self._photos) < SHOWN:
            self._photos.append(reading)
        elif reading.time is None:
            self._hidden += 1
        here = {(reading.source, face.id or 0) for face in reading}
        while len(self._seen) > FOLLOWED and (gone := [key for key in self._seen if key not in here]):
            seen = self._seen.pop(min(gone, key=lambda key: self._seen[key].labels.total()))
            self._once[seen.mostly] += 1
            self._once_uncertain += seen.is_uncertain
            self._hidden += 1

    def print(self) -> None:
        """The tables and the closing line, for people."""
        lines = self._lines()
        if lines:
            print_table(("source", "face at", "expression", "next likeliest"), lines[:SHOWN])
        if self._seen:
            longest = sorted(self._seen.items(), key=lambda item: -item[1].labels.total())[:SHOWN]
            print_table(
                ("video", "face", "from", "to", "mostly", "share"),
                [
                    (source, id or "all", _clock(seen.first), _clock(seen.last), seen.mostly, _share(seen.labels))
                    for (source, id), seen in sorted(longest)
                ],
            )
        faces = self._once + Counter(seen.mostly for seen in self._seen.values())
        if faces:
            print_table(
                ("expression", "faces", "share"),
                [(name, f"{n:,}", f"{n / faces.total():.1%}") for name, n in faces.most_common()],
            )
        uncertain = self._once_uncertain + sum(seen.is_uncertain for seen in self._seen.values())
        said = [counted(self.photos, "photo")] if self.photos or not self.videos else []
        said += [f"{counted(self.frames, 'frame')} of {counted(self.videos, 'video')}"] if self.videos else []
        said += [counted(faces.total(), "face") + (f" ({uncertain:,} uncertain)" if self.calibrated else "")]
        said += [f"{self.faceless:,} without a face", f"{self.failed:,} failed"]
        print(", ".join(said) + f"; {self.rate:.1f} a second on {self.device}" * bool(self.photos or self.frames) + ".")
        if not self.faces and (self.photos or self.frames):
            note(
                "No face was found. A lower --certain, such as --certain 0.4, finds more; where each picture is one "
                "cropped face, say --no-detect."
            )
        if self.animations:
            files = counted(self.animations, "file")
            note(f"{files} of several pictures (animations, pages): only the first picture of each was read.")
        if self.others:
            note(f"{counted(self.others, 'other file')}, neither photo nor video: passed over.")
        if self.drawn:
            note(f"{counted(self.drawn, 'drawing')} of mien's own: passed over; to read one, name it.")
        folded = any(len(reading) > self._most for reading in self._photos)
        if not self.kept and (folded or self._hidden or max(len(lines), len(self._seen)) > SHOWN):
            note("Not everything is shown; --out FILE.csv keeps every row.")

    @property
    def _most(self) -> int:
        """How many faces of a photo have a row."""
        return SHOWN if len(self._photos) == 1 else OF_A_PHOTO

    def _lines(self) -> list[tuple[object, ...]]:
        """The rows of the photos."""
        lines: list[tuple[object, ...]] = []
        for reading in self._photos:
            lines += [_line(reading, face) for face in reading[: self._most]]
            if len(reading) > self._most:
                lines.append((reading.source, f"and {counted(len(reading) - self._most, 'more face')}", "", ""))
            if not len(reading):
                lines.append((reading.source, "", "can't be read" if reading.error else "no face", ""))
        return lines

    def as_json(self) -> dict[str, Any]:
        """The same as plain data, with the first KEPT rows."""
        return {
            "device": self.device,
            "prior": self.prior,
            "entries": self.entries,
            "faces": self.faces,
            "uncertain": self.uncertain,
            "faceless": self.faceless,
            "failed": self.failed,
            "others": self.others,
            "drawn": self.drawn,
            "animations": self.animations,
            "photos": self.photos,
            "frames": self.frames,
            "videos": self.videos,
            "expressions": dict(self.labels.most_common()),
            "per_second": round(self.rate, 2),
            "rows": self.rows,
            "rows_left_out": self.left_out,
        }


def _line(reading: "Reading", face: "Face") -> tuple[object, ...]:
    second = sorted(face.probabilities.items(), key=lambda item: -item[1])[1]
    likeliest = f"{face.label} {face.confidence:.2f}{' ?' if face.uncertain else ''}"
    return reading.source, place_of(face.box), likeliest, f"{second[0]} {second[1]:.2f}"


def _share(labels: Counter[str]) -> str:
    return f"{labels.most_common(1)[0][1] / labels.total():.0%}"


def _clock(seconds: float) -> str:
    """
    >>> _clock(75.25)
    '1:15.2'
    >>> _clock(59.97)
    '1:00.0'
    """
    seconds = round(seconds, 1)
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"

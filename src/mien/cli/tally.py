"""What a run of `mien predict` came to, counted as it goes, in constant memory: for its summary and its JSON."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mien.cli.options import note
from mien.cli.tables import print_table

if TYPE_CHECKING:
    from mien.recognition.records import Face, Reading

SHOWN = 40
"""The most rows of photos, and of faces in videos, that are shown to people."""

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


class Tally:
    """Counts Readings. An entry is a photo or a frame of a video."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.began = time.perf_counter()
        self.entries = self.faces = self.faceless = self.uncertain = self.left_out = 0
        self.others = self.drawn = 0  # files that the sources passed over
        self.labels: Counter[str] = Counter()
        self.failures: list[str] = []
        self.failed = 0
        self.rows: list[dict[str, Any]] = []
        self._photos: list[tuple[object, ...]] = []
        self._hidden = 0  # rows of photos, and faces in videos, that are counted and no longer kept
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
                self.failures.append(f"{reading.source}: {reading.error}")
        elif not reading.faces:
            self.faceless += 1
        for face in reading:
            self.faces += 1
            self.uncertain += face.uncertain
            self.labels[face.label] += 1
            if face.id is not None and reading.time is not None:
                seen = self._seen.setdefault((reading.source, face.id), _Seen(reading.time, reading.time))
                seen.last = reading.time
                seen.labels[face.label] += 1
        for row in reading.rows():
            if len(self.rows) < KEPT:
                self.rows.append(row)
            else:
                self.left_out += 1
        if reading.time is None:
            lines = [_line(reading, face) for face in reading] or [
                (reading.source, "", "can't be read" if reading.error else "no face", "", "")
            ]
            room = SHOWN - len(self._photos)
            self._photos += lines[:room]
            self._hidden += len(lines[room:])
        here = {(reading.source, face.id) for face in reading}
        while len(self._seen) > FOLLOWED and (gone := [key for key in self._seen if key not in here]):
            del self._seen[min(gone, key=lambda key: self._seen[key].labels.total())]
            self._hidden += 1

    def print(self) -> None:
        """The tables and the closing line, for people."""
        if self._photos:
            print_table(("source", "face at", "expression", "confidence", "or else"), self._photos)
        if self._seen:
            longest = sorted(self._seen.items(), key=lambda item: -item[1].labels.total())[:SHOWN]
            print_table(
                ("video", "face", "from", "to", "mostly", "share"),
                [
                    (source, id, _clock(seen.first), _clock(seen.last), *_mostly(seen.labels))
                    for (source, id), seen in sorted(longest)
                ],
            )
        if self.labels:
            print_table(
                ("expression", "faces", "share"),
                [(name, f"{count:,}", f"{count / self.faces:.1%}") for name, count in self.labels.most_common()],
            )
        said = [_count(self.entries, "picture"), f"{_count(self.faces, 'face')} ({self.uncertain:,} uncertain)"]
        said += [f"{self.faceless:,} without a face", f"{self.failed:,} failed"]
        print(", ".join(said) + f"; {self.rate:.1f} a second on {self.device}.")
        if self.others:
            note(f"{_count(self.others, 'other file')}, neither photo nor video: passed over.")
        if self.drawn:
            note(f"{_count(self.drawn, 'drawing')} of mien's own: passed over; to read one, name it.")
        if self._hidden or len(self._seen) > SHOWN:
            note("Not everything is shown; --out FILE.csv keeps every row.")

    def as_json(self) -> dict[str, Any]:
        """The same as plain data, with the first KEPT rows."""
        return {
            "device": self.device,
            "entries": self.entries,
            "faces": self.faces,
            "uncertain": self.uncertain,
            "faceless": self.faceless,
            "failed": self.failed,
            "others": self.others,
            "drawn": self.drawn,
            "expressions": dict(self.labels.most_common()),
            "per_second": round(self.rate, 2),
            "rows": self.rows,
            "rows_left_out": self.left_out,
        }


def _line(reading: "Reading", face: "Face") -> tuple[object, ...]:
    where = "all of it" if face.box is None else "{}, {}, {} × {}".format(*map(round, face.box))
    second = sorted(face.probabilities.items(), key=lambda item: -item[1])[1]
    sure = f"{face.confidence:.2f}{' ?' if face.uncertain else ''}"
    return reading.source, where, face.label, sure, f"{second[0]} {second[1]:.2f}"


def _mostly(labels: Counter[str]) -> tuple[str, str]:
    [(name, count)] = labels.most_common(1)
    return name, f"{count / labels.total():.0%}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _clock(seconds: float) -> str:
    """
    >>> _clock(75.25)
    '1:15.2'
    """
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"

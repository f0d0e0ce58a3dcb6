"""The doctor's findings for people: a table, and one HTML page with the faces in question, which needs nothing else."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.doctor.examine import KINDS, Diagnosis
from mien.evaluation.page import Picture, picture, render
from mien.files import atomic_write

EACH = 48
"""At most so many faces, or groups of faces, are shown of each finding."""

TOGETHER = 8
"""At most so many of a group."""

WIDEST = 96
"""Pixels. Larger faces are shrunk for the page."""


@dataclass(frozen=True)
class Thumb:
    """A face on the page and its caption: its label, names with scores, and where it is."""

    picture: Picture
    label: str
    split: str
    place: str
    scores: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Section:
    """A finding on the page: how many faces, what it means, and some of them, in groups where they belong together."""

    name: str
    count: str
    meaning: str
    groups: tuple[tuple[Thumb, ...], ...]


def findings(found: Diagnosis) -> list[tuple[str, str, str]]:
    """(finding, how many faces, what it means) of everything that was looked for, and of what wasn't."""
    plain = found.as_json()
    copies, near, leaks = plain["duplicates"], plain["near"], plain["leaks"]
    where = "val ({val:,}) or test ({test:,})"
    rows = [
        ("copies", f"{copies['copies']:,}", f"identical to an earlier face, in {_of_groups(copies['groups'])}"),
        (
            "conflicts",
            _faces(found, "conflicts"),
            f"identical, with other labels, in {_of_groups(copies['conflicting'])}",
        ),
        ("leaks", _faces(found, "leaks"), f"in {where.format(**leaks)}, identical to a face in train"),
        ("leaking", _faces(found, "leaking"), "in train, identical to one in val or test"),
        ("near", _faces(found, "near"), f"nearly identical to an earlier face, in {_of_groups(near['groups'])}"),
        (
            "near: labels",
            "",
            f"of these {_of_groups(near['conflicting'], ' has', ' have')} several labels; "
            f"{where.format(**near['leaks'])} leak, without being identical to a face in train",
        ),
        ("constant", _faces(found, "constant"), "every pixel the same"),
        ("faint", _faces(found, "faint"), "hardly anything to see"),
    ]
    if plain["nonfaces"]:
        rows.append(("nonfaces", f"{plain['nonfaces']['count']:,}", "the detector finds no face"))
    if plain["mislabels"]:
        agree = f"{plain['mislabels']['accuracy']:.1%}"
        agrees = f"contradicted by what learned from other faces, which agrees with {agree} of all labels"
        rows.append(("mislabels", f"{plain['mislabels']['count']:,}", agrees))
    rows += [(name, "-", f"not looked for: {why}") for name, why in found.left_out]
    if found.imbalance:
        larger = "times as many training faces in the largest class as in the smallest"
        rows.append(("imbalance", f"{found.imbalance:.1f}", larger))
    size = plain["resolution"]
    rows.append(("resolution", f"{size['height']}×{size['width']}", "RGB" if size["channels"] == 3 else "gray"))
    return rows + _votes(found)


def _of_groups(count: int, one: str = "", more: str = "") -> str:
    return f"1 group{one}" if count == 1 else f"{count:,} groups{more}"


def _faces(found: Diagnosis, kind: str) -> str:
    return f"{int(found.mask(kind).sum()):,}"


def write_page(found: Diagnosis, path: str | os.PathLike[str]) -> None:
    """Write the page in one step. Raises MissingExtra without jinja2 (the extra `figures`)."""
    rows = findings(found)
    sections = [
        Section(name, count, meaning, tuple(_groups(found, name)))
        for name, count, meaning in rows
        if count != "-" and name in KINDS and name != "leaking"
    ]
    page = render(
        "mien.doctor", "doctor.html.j2", title="What is wrong with this data set", source=found.pool.source,
        counts={name: len(faces) for name, faces in found.pool.splits}, rows=rows,
        sections=[section for section in sections if section.groups],
        classes=found.pool.splits.counts, each=EACH,
    )  # fmt: skip
    atomic_write(path, page)


def _votes(found: Diagnosis) -> list[tuple[str, str, str]]:
    if (said := found.judged) is None:
        return []
    rows = []
    if said.precision is not None:
        exact = f"precision {said.precision:.2f}, recall {said.recall:.2f}"
        rows.append(("FER+: nonfaces", f"{said.no_face:,}", f"by its plurality; the doctor's {exact}"))
    if said.lift is not None:
        share = f"the first ones; of the decided {said.among_first:.3f} have another plurality"
        all_told = f"{said.base:.3f} of all {said.clear:,} (undecided: {said.undecided:.3f} of the labels)"
        rows.append(("FER+: mislabels", f"{said.first:,}", f"{share}, {said.lift:.2f} times the {all_told}"))
    if said.apart_near is not None:
        identical = "" if said.apart_identical is None else f", of identical ones {said.apart_identical:.3f}"
        apart = f"mean distance {said.apart_near:.3f} of their votes{identical}, of any two {said.apart_any:.3f}"
        rows.append(("FER+: near", _faces(found, "near"), apart))
    return rows


def _groups(found: Diagnosis, kind: str) -> Iterator[tuple[Thumb, ...]]:
    if kind in ("copies", "conflicts", "leaks", "near"):
        groups = found.near if kind == "near" else found.identical
        for first in np.unique(groups.first[found.mask(kind)])[:EACH]:
            together = np.flatnonzero(groups.first == first)[:TOGETHER]
            yield tuple(_thumb(found, int(number), "") for number in together)
        return
    if kind == "mislabels" and found.suspects is not None:
        numbers = found.suspects.order[: min(EACH, found.suspects.count)]
    elif kind == "nonfaces" and found.faceness is not None:
        numbers = np.flatnonzero(found.mask(kind))
        numbers = numbers[np.argsort(found.faceness[numbers], kind="stable")][:EACH]
    else:
        numbers = np.flatnonzero(found.mask(kind))[:EACH]
    if len(numbers):
        yield tuple(_thumb(found, int(number), kind) for number in numbers)


def _thumb(found: Diagnosis, number: int, kind: str) -> Thumb:
    where = found.where(number)
    label, at = where["label"] or "no label", where.get("file") or f"row {where['row']}"
    scores: tuple[tuple[str, float], ...] = ()
    if kind == "mislabels" and found.suspects is not None:
        suggested = found.pool.classes[found.suspects.suggested[number]]
        scores = (f"{suggested}?", found.suspects.other[number]), (label, found.suspects.own[number])
    if kind == "nonfaces" and found.faceness is not None:
        scores = (("detector", found.faceness[number]),)
    shown = picture(_fitting(found.pool.take(np.array([number]))[0]), f"A picture labelled {label}.")
    return Thumb(shown, label, where["split"], at, scores)


def _fitting(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if max(image.shape[:2]) <= WIDEST:
        return image
    shrunk = Image.fromarray(image)
    shrunk.thumbnail((WIDEST, WIDEST))
    return np.asarray(shrunk)

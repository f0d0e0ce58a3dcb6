"""A cleaned data set: what was chosen is left out, or set aside to be looked at; every decision is written down."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data.splits import Splits
from mien.doctor.examine import KINDS, Diagnosis
from mien.errors import DataError
from mien.files import replacing


@dataclass(frozen=True)
class Cleaned:
    """What was written: the data set `path`, the faces set `aside` in a file of their own, the `manifest`; how many.

    `lost` says how many of each split were dropped or moved.
    """

    path: Path
    aside: Path | None
    manifest: Path
    kept: int
    dropped: int
    moved: int
    lost: dict[str, int]


AMONG_THE_REST = ("leaking", "leaks", "copies", "near")
"""Kinds that a face is of because of another one. They are looked for in this order among the faces that are left by
then, so that no picture goes with all of its copies."""


def check(
    drop: Sequence[str],
    move: Sequence[str],
    out: str | os.PathLike[str] | None = None,
    source: str | os.PathLike[str] | None = None,
) -> None:
    """Raise DataError for a kind of finding that doesn't exist, or that is to be both dropped and moved.

    Where `out` is given, also for a file that wouldn't be an .npz, or would overwrite the `source`.
    """
    for kind in (*drop, *move):
        if kind not in KINDS:
            raise DataError(f"There is no finding {kind!r}; findings are {', '.join(KINDS)}.")
    if both := set(drop) & set(move):
        raise DataError(f"{', '.join(sorted(both))} can't be both dropped and moved.")
    if out is None:
        return
    if Path(out).suffix.lower() != ".npz":
        raise DataError(f"{out}: a cleaned data set is an .npz file; let the name end in .npz.")
    for path in _files(Path(out)):
        if source and path.exists() and os.path.exists(source) and path.samefile(source):
            raise DataError(f"{path}: it is the data set itself, which would be overwritten. Name another place.")


def _files(out: Path) -> tuple[Path, Path, Path]:
    """The cleaned data set, what is set aside, and the manifest."""
    return out, out.with_name(f"{out.stem}.aside.npz"), out.with_name(f"{out.stem}.manifest.jsonl")


def write_clean(
    diagnosis: Diagnosis, out: str | os.PathLike[str], *, drop: Sequence[str] = (), move: Sequence[str] = ()
) -> Cleaned:
    """Write the data set without the faces of the kinds in `drop` and `move`; those of `move` into a file beside.

    `out` is an .npz that `--data` takes; `OUT.aside.npz` has what was moved, `OUT.manifest.jsonl` a line for the whole
    and one for each face that any examination named: what it was found to be, and whether it was kept, dropped or
    moved. Each is written in one step, the data set last. A face that is to be dropped and moved is dropped.

    Copies and leaks are told among the faces that the other kinds leave, `leaking` first: of each picture that is
    worth keeping one stays, and a face whose earlier copy goes as a likely mislabel is no copy any more.

    Raises:
        DataError: another kind of file, the data set itself, a kind that wasn't examined, or nothing would remain to
            train on.
    """
    pool = diagnosis.pool
    origin = pool.splits.origin
    check(drop, move, out, origin.path if origin else pool.source)
    out, aside, manifest = _files(Path(out))
    masks = {kind: diagnosis.mask(kind) for kind in KINDS if kind in (*diagnosis.examined, *drop, *move)}
    kept, dropped = _decided(diagnosis, masks, drop, move)
    moved = ~(kept | dropped)
    if not (kept & (pool.split == 0)).any():
        raise DataError("No training face would remain: choose less to drop or to move.")
    with replacing(manifest) as beside:
        _write_manifest(beside, diagnosis, masks, dropped, moved, {"drop": list(drop), "move": list(move)})
    if moved.any():
        _some(diagnosis, moved).save(aside)
    else:
        aside.unlink(missing_ok=True)  # an earlier run's, which this manifest doesn't describe
    _some(diagnosis, kept).save(out)
    lost = {name: int((~kept & (pool.split == place)).sum()) for place, name in enumerate(pool.names)}
    left, gone, put = (int(mask.sum()) for mask in (kept, dropped, moved))
    return Cleaned(out, aside if put else None, manifest, left, gone, put, lost)


def _decided(
    diagnosis: Diagnosis, masks: dict[str, NDArray[np.bool_]], drop: Sequence[str], move: Sequence[str]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which faces are kept, and which are dropped."""
    kept, dropped = np.ones(len(diagnosis.pool), np.bool_), np.zeros(len(diagnosis.pool), np.bool_)
    for kind in (*(kind for kind in KINDS if kind not in AMONG_THE_REST), *AMONG_THE_REST):
        if kind in (*drop, *move):
            hit = kept & masks[kind] if kind not in AMONG_THE_REST else diagnosis.mask(kind, kept)
            kept &= ~hit
            if kind in drop:
                dropped |= hit
    for kind in drop:  # also what went as another kind: a face to be dropped and moved is dropped
        dropped |= ~kept & masks[kind]
    return kept, dropped


def _some(diagnosis: Diagnosis, chosen: NDArray[np.bool_]) -> Splits:
    """The chosen faces, each in its split."""
    pool = diagnosis.pool
    places = pool.places(np.flatnonzero(chosen))
    train, val, test = (pool.splits.train, pool.splits.val, pool.splits.test)
    return Splits(train[places["train"]], val[places["val"]], test[places["test"]], pool.source)


def _write_manifest(
    path: Path,
    diagnosis: Diagnosis,
    masks: dict[str, NDArray[np.bool_]],
    dropped: NDArray[np.bool_],
    moved: NDArray[np.bool_],
    asked: dict[str, Any],
) -> None:
    pool = diagnosis.pool
    whole = asked | {
        "source": pool.source,
        "checksums": pool.splits.checksums,
        "found": {kind: int(mask.sum()) for kind, mask in masks.items()},
    }
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(whole) + "\n")
        for number in np.flatnonzero(np.logical_or.reduce(list(masks.values()))).tolist():
            decision = "dropped" if dropped[number] else "moved" if moved[number] else "kept"
            found = [kind for kind, mask in masks.items() if mask[number]]
            line = diagnosis.where(number) | {"found": found, "decision": decision}
            if (first := int(diagnosis.near.first[number])) != number:
                line["like"] = diagnosis.where(first)
            file.write(json.dumps(line) + "\n")

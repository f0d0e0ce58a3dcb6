"""A cleaned data set: what was chosen is left out, or set aside to be looked at; every decision is written down."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data.faces import Splits
from mien.doctor.examine import KINDS, SLOW, Diagnosis
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


def check(drop: Sequence[str], move: Sequence[str]) -> None:
    """Raise DataError for a kind of finding that there isn't, or that shall be both dropped and moved."""
    for kind in (*drop, *move):
        if kind not in KINDS:
            raise DataError(f"There is no finding {kind!r}; findings are {', '.join(KINDS)}.")
    if both := set(drop) & set(move):
        raise DataError(f"{', '.join(sorted(both))} can't be both dropped and moved.")


def write_clean(
    diagnosis: Diagnosis, out: str | os.PathLike[str], *, drop: Sequence[str] = (), move: Sequence[str] = ()
) -> Cleaned:
    """Write the data set without the faces of the kinds in `drop` and `move`; those of `move` into a file beside.

    `out` is an .npz that `--data` takes; `OUT.aside.npz` has what was moved, `OUT.manifest.jsonl` a line for the whole
    and one for each face that any examination named: what it was found to be, and whether it was kept, dropped or
    moved. Each is written in one step, the data set last. A face that is to be dropped and moved is dropped.

    Raises:
        DataError: another kind of file, a kind that nobody looked for, or nothing would remain to train on.
    """
    out = Path(out)
    check(drop, move)
    if out.suffix.lower() != ".npz":
        raise DataError(f"{out}: a cleaned data set is an .npz file; let the name end in .npz.")
    pool = diagnosis.pool
    masks = {kind: diagnosis.mask(kind) for kind in KINDS if kind not in SLOW or kind in (*drop, *move)}
    for kind in SLOW:
        if kind not in masks and kind not in dict(diagnosis.left_out):
            masks[kind] = diagnosis.mask(kind)
    nobody = np.zeros(len(pool), np.bool_)
    dropped = np.logical_or.reduce([nobody, *(masks[kind] for kind in drop)])
    moved = np.logical_or.reduce([nobody, *(masks[kind] for kind in move)]) & ~dropped
    kept = ~(dropped | moved)
    if not (kept & (pool.split == 0)).any():
        raise DataError("No training face would remain: choose less to drop or to move.")
    manifest = out.with_name(f"{out.stem}.manifest.jsonl")
    aside = out.with_name(f"{out.stem}.aside.npz") if moved.any() else None
    with replacing(manifest) as beside:
        _write_manifest(beside, diagnosis, masks, dropped, moved, {"drop": list(drop), "move": list(move)})
    if aside:
        _some(diagnosis, moved).save(aside)
    _some(diagnosis, kept).save(out)
    lost = {name: int((~kept & (pool.split == place)).sum()) for place, name in enumerate(pool.names)}
    return Cleaned(out, aside, manifest, int(kept.sum()), int(dropped.sum()), int(moved.sum()), lost)


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
            file.write(json.dumps(_decision(diagnosis, number, masks, dropped, moved)) + "\n")


def _decision(
    diagnosis: Diagnosis,
    number: int,
    masks: dict[str, NDArray[np.bool_]],
    dropped: NDArray[np.bool_],
    moved: NDArray[np.bool_],
) -> dict[str, Any]:
    decision = "dropped" if dropped[number] else "moved" if moved[number] else "kept"
    found = [kind for kind, mask in masks.items() if mask[number]]
    line = diagnosis.where(number) | {"found": found, "decision": decision}
    first = int(diagnosis.near.first[number])
    if first != number:
        line["like"] = diagnosis.where(first)
    return line

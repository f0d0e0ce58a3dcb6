"""All examinations of a data set, one after the other, and their findings."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data.faces import UNLABELLED
from mien.data.splits import Splits
from mien.doctor.blank import Looks, looks
from mien.doctor.copies import identical
from mien.doctor.groups import Groups
from mien.doctor.mislabels import Suspects, suspects
from mien.doctor.near import near
from mien.doctor.nonfaces import NO_FACE, faceness
from mien.doctor.outside import FOLDS, out_of_sample
from mien.doctor.pool import Pool
from mien.doctor.votes import Judged, judge
from mien.errors import CheckpointError, DataError, MissingExtra

SLOW = ("nonfaces", "mislabels")
"""The examinations that may take minutes; the others take seconds."""

LISTED = 1000
"""At most so many non-faces, and so many mislabels, are listed in the JSON document."""

KINDS = ("copies", "near", "leaks", "leaking", "conflicts", "constant", "faint", "nonfaces", "mislabels")
"""What a face can be found to be; `leaking` are the training faces that the `leaks` are copies of."""

Tick = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What was found in the faces of `pool`. `looks`, `faceness` `(N,)` and `suspects` are None where nobody looked.

    `left_out` says which examinations were left out, and why.
    """

    pool: Pool
    identical: Groups
    near: Groups
    looks: Looks
    faceness: NDArray[np.float32] | None = None
    suspects: Suspects | None = None
    judged: Judged | None = None
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def examined(self) -> tuple[str, ...]:
        """The KINDS that were looked for; some of SLOW may not have been, or not yet."""
        slow = dict(zip(SLOW, (self.faceness, self.suspects), strict=True))
        return tuple(kind for kind in KINDS if kind not in slow or slow[kind] is not None)

    def mask(self, kind: str, among: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """A mask `(N,)` of the faces of one of KINDS; copies and leaks only `among` the faces of another mask.

        Raises:
            DataError: it wasn't examined.
        """
        pool = self.pool
        some = np.ones(len(pool), np.bool_) if among is None else among
        train, judged = some & (pool.split == 0), some & (pool.split != 0)
        match kind:
            case "copies":
                return self.identical.later(some)
            case "near":
                return self.near.later(some) & ~self.identical.later(some)
            case "leaks":
                return self.identical.shared(judged, train)
            case "leaking":
                return self.identical.shared(train, judged)
            case "conflicts":
                return self.identical.conflicting(pool.labels)
            case "constant":
                return self.looks.constant
            case "faint":
                return self.looks.faint
            case "nonfaces" if self.faceness is not None:
                return np.asarray(self.faceness < NO_FACE)
            case "mislabels" if self.suspects is not None:
                return np.isin(np.arange(len(pool)), self.suspects.order[: self.suspects.count])
        why = dict(self.left_out).get(kind, "the examination stopped before that")
        raise DataError(f"{kind} wasn't examined: {why}.")

    def as_json(self) -> dict[str, Any]:
        """The findings as plain data: counts, and for the uncertain ones the faces, the most suspicious first."""
        pool, groups, alike = self.pool, self.identical, self.near
        nearly = np.unique(alike.first[self.mask("near")])  # without groups of identical faces alone
        none = None if self.faceness is None else np.flatnonzero(self.faceness < NO_FACE)
        return {
            "source": pool.source,
            "faces": {name: len(faces) for name, faces in pool.splits},
            "duplicates": {
                "groups": groups.count,
                "copies": int(groups.copies.sum()),
                "conflicting": _count(groups, groups.conflicting(pool.labels)),
            },
            "leaks": {name: int(self._leaks(groups, name).sum()) for name in ("val", "test")},
            "near": {
                "groups": len(nearly),
                "copies": int(self.mask("near").sum()),
                "conflicting": _count(alike, alike.conflicting(pool.labels) & np.isin(alike.first, nearly)),
                "leaks": {
                    name: int((self._leaks(alike, name) & ~self._leaks(groups, name)).sum()) for name in ("val", "test")
                },
            },
            "constant": int(self.looks.constant.sum()),
            "faint": int(self.looks.faint.sum()),
            "nonfaces": None if none is None else {"count": len(none), "faces": self._nonfaces(none)},
            "mislabels": self._mislabels(),
            "classes": pool.splits.counts,
            "unlabelled": int((pool.labels == UNLABELLED).sum()),
            "imbalance": self.imbalance,
            "resolution": dict(zip(("height", "width", "channels"), (*pool.shape, 1), strict=False)),
            "votes": None if self.judged is None else {**asdict(self.judged), "lift": self.judged.lift},
            "left_out": dict(self.left_out),
        }

    @property
    def imbalance(self) -> float | None:
        """The ratio of training faces in the largest class to those in the smallest that has any; None without any."""
        counts = [count for count in self.pool.splits.train.counts.values() if count]
        return max(counts) / min(counts) if counts else None

    def where(self, number: int) -> dict[str, Any]:
        """Which face that is: its split, its row in the file (from 0), its label; of a folder its file, too."""
        label, row = int(self.pool.labels[number]), int(self.pool.rows[number])
        where = {
            "split": self.pool.names[self.pool.split[number]],
            "row": row,
            "label": None if label == UNLABELLED else self.pool.classes[label],
        }
        file = self.pool.splits.file(row)
        return where if file is None else where | {"file": file}

    def _leaks(self, groups: Groups, name: str) -> NDArray[np.bool_]:
        return groups.shared(self.pool.split == self.pool.names.index(name), self.pool.split == 0)

    def _nonfaces(self, none: NDArray[np.int64]) -> list[dict[str, Any]]:
        assert self.faceness is not None
        order = none[np.argsort(self.faceness[none], kind="stable")][:LISTED]
        return [self.where(i) | {"detection": round(float(self.faceness[i]), 3)} for i in order]

    def _mislabels(self) -> dict[str, Any] | None:
        if (found := self.suspects) is None:
            return None
        faces = [
            self.where(i)
            | {
                "suggested": self.pool.classes[found.suggested[i]],
                "p_label": round(float(found.own[i]), 4),
                "p_suggested": round(float(found.other[i]), 4),
            }
            for i in found.order[: min(LISTED, found.count)]
        ]
        return {"count": found.count, "accuracy": found.accuracy, "faces": faces}


def examine(
    splits: Splits,
    *,
    skip: Sequence[str] = (),
    votes: Splits | None = None,
    folds: int = FOLDS,
    seed: int = 0,
    device: str | None = None,
    tick: Tick | None = None,
) -> Iterator[Diagnosis]:
    """Examine a data set, and yield what is known after each step: the quick ones, non-faces, mislabels.

    A caller that stops early keeps what was found until then.

    Args:
        skip: some of SLOW, to be left out.
        votes: the same faces with FER+'s votes (`load_ferplus`), by which the findings are judged; not used to find.
        folds, seed, device: of what says which labels are likely wrong (`out_of_sample`).
        tick: called with the name of the examination and the share of it that is done.

    Raises:
        DataError: no faces, or `votes` has other faces.
    """
    pool = Pool(splits)
    if votes is not None and [len(faces) for _, faces in votes] != [len(faces) for faces in pool]:
        raise DataError("The votes aren't for the same faces.")
    same, seen = identical(pool), looks(pool)
    alike = near(pool, same, seen.constant | seen.faint)
    left_out = tuple((name, "it was skipped") for name in SLOW if name in skip)
    found = Diagnosis(pool, same, alike, seen, left_out=left_out)

    def told(found: Diagnosis) -> Diagnosis:
        if votes is None:
            return found
        none = None if found.faceness is None else found.mask("nonfaces")
        return replace(found, judged=judge(votes, pool.labels, none, found.suspects, same, alike))

    yield told(found)
    if "nonfaces" not in skip:
        found = replace(found, faceness=faceness(pool, tick and partial(tick, "nonfaces")))
        yield told(found)
    if "mislabels" not in skip:
        ticked = tick and partial(tick, "mislabels")
        try:
            answers = out_of_sample(pool, alike, folds=folds, seed=seed, device=device, tick=ticked)
        except (DataError, MissingExtra, CheckpointError) as error:
            # too few faces, no torch, or a damaged network in the box: the other findings stand
            found = replace(found, left_out=(*left_out, ("mislabels", str(error).rstrip("."))))
        else:
            found = replace(found, suspects=suspects(answers, pool.labels))
        yield told(found)


def _count(groups: Groups, mask: NDArray[np.bool_]) -> int:
    return len(np.unique(groups.first[mask]))

"""The faces that a command line names: reading them, and what a person should know about them."""

import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from mien.cli.options import ALL, note
from mien.errors import CheckpointError, DataError
from mien.labels import FER2013, SPLITS

if TYPE_CHECKING:
    from mien.cards import Card
    from mien.data.origin import DataPath
    from mien.data.splits import Splits
    from mien.net import Net


def read_faces(
    data: str | None,
    votes: str | None,
    skip_bad_rows: bool,
    *,
    groups: str | None = None,
    shape: tuple[int, int, int] | None = None,
    only: Collection[str] = SPLITS,
) -> "Splits":
    """Read the faces that a line names: image files in the `shape`, (C, H, W), that a network takes.

    `only`: the splits that will be looked at; of drawn faces, no others are drawn.
    """
    from mien.data.origin import DataPath

    source = DataPath(data, votes, skip_bad_rows, groups=groups)
    if shape and of_images(data):
        source = replace(source, size=shape[1], rgb=shape[0] == 3)
    return read_source(source, only)


def of_images(data: str | os.PathLike[str] | None) -> TypeGuard[str | os.PathLike[str]]:
    """Whether faces are read from image files, in any size and colours; those in other files are as they are."""
    from mien.data.mapped import is_mapped

    return bool(data and os.path.isdir(data) and not is_mapped(Path(data)))


def read_source(source: "DataPath", only: Collection[str] = SPLITS) -> "Splits":
    """Read these faces, with a bar while a folder is read or faces are drawn, and note what was left out or renamed."""
    from mien.cli.progress import shares
    from mien.data.load import load_faces

    what = "reading" if source.path else "drawing faces"
    with shares() as show:
        splits = load_faces(**vars(source), only=only, tick=lambda done, total: show(what, done / total))
    say_left_out(splits.left_out, splits.source)
    say_read_as(splits)
    return splits


def say_left_out(count: int, source: str) -> None:
    """Say how many bad rows were left out, if any were."""
    if count:
        note(f"{count:,} bad {'row was' if count == 1 else 'rows were'} left out of {source}.")


def say_read_as(splits: "Splits") -> None:
    """Say so where folders became other classes than their names, or the classes are more than the folders."""
    from mien.data.folder import read_as

    found = read_as(splits)
    if not found or (len(found) == len(splits.classes) and not any(name.isdigit() for name in found)):
        return
    folders = f"{'Folder' if len(found) == 1 else 'Folders'} {', '.join(found)} {'is' if len(found) == 1 else 'are'}"
    of = f"of {'FER+' if len(splits.classes) > len(FER2013) else 'FER2013'}'s {len(splits.classes)} classes"
    note(
        f"{folders} read as {', '.join(found.values())}, {of}; the network has them all. Where one folder has another "
        f"name, such as my_{next(iter(found))}, the folders themselves are the classes."
    )


def say_leaked(splits: "Splits") -> None:
    """Say so where copies of training faces stand in val. Mapped faces aren't read."""
    from mien.data.copies import leaked
    from mien.data.pages import mapped
    from mien.data.split import DRAWN

    if not len(splits.val) or mapped(splits.train.images):
        return
    doctor = "`mien data doctor` shows them and can write the data without copies; "  # another val isn't comparable
    if count := int(leaked(splits.train, splits.val).sum()):
        note(
            f"{count:,} validation {'face is' if count == 1 else 'faces are'} identical to one in train, so scores "
            f"flatter. {doctor if DRAWN in splits.source else ''}`mien evaluate --without-leaks` leaves them out."
        )


def begun_on(run: Path, noted: "DataPath | None", said: "DataPath") -> "DataPath":
    """The faces that a run was begun on, where they are by what the line says, else by what the run noted.

    Raises:
        CheckpointError: they were moved, or the run came from another machine, and the line doesn't say where they are.
    """
    from mien.data.origin import DataPath

    moved = {name: value for name, value in vars(said).items() if value}
    source = replace(noted or DataPath(), **moved)
    for name, option in (("path", "--data"), ("votes", "--votes"), ("groups", "--groups")):
        place = getattr(source, name)
        if place and name not in moved and not os.path.exists(place):
            raise CheckpointError(
                f"{run}: it was begun with {place}, which isn't there. Say where it is with {option}."
            )
    return source


def as_words(source: "DataPath") -> list[str]:
    """The words of a command line that name these faces, without the size and colours that images are read in."""
    named = {"--data": source.path, "--votes": source.votes, "--groups": source.groups}
    words = [word for name, value in named.items() if value for word in (name, os.fspath(value))]
    return [*words, "--skip-bad-rows"] if source.skip_bad_rows else words


def check_data(target: str, classes: tuple[str, ...], splits: "Splits", split: str, data: str | None) -> None:
    """Say so where a network is asked about fewer classes than it knows, about drawn faces though it learned others, or
    about faces that it may have learned.

    Raises:
        DataError: a network of other classes would be asked about these faces, or about drawn ones, as nobody said
            --data.
    """
    from mien.environment import as_typed

    noted = _noted(target)
    if data and (unknown := [name for name in splits.classes if name not in classes]):
        raise DataError(
            f"{target} doesn't fit these faces: it tells apart {', '.join(classes)}. Give {', '.join(unknown)} the "
            "network's names, or train one on these faces."
        )
    if not data and not set(classes) >= set(splits.classes):
        raise DataError(
            f"{target} tells apart {', '.join(classes)}; without --data the faces are drawn, with other expressions. "
            f"Say which faces: {as_typed(_own(noted) or ['--data', 'PATH'])}"
        )
    if asks_drawn(target, data):
        begun = f"learned from {noted['path']}" if noted.get("path") else "was begun on faces made by a program"
        asks = f"{as_typed(_own(noted))} asks about its own" if noted.get("path") else "Say which with --data"
        note(f"{target} {begun}; without --data these are drawn faces. {asks}.")
    if set(classes) > set(splits.classes):
        gone = ", ".join(name for name in classes if name not in splits.classes)
        note(
            f"{target} also knows {gone}, which isn't among the classes of these faces: it is asked about "
            f"{', '.join(splits.classes)} alone, which is easier than what it does with photos."
        )
    say_changed(target, splits, split, data)


def _own(noted: dict[str, Any]) -> list[str]:
    """The words that name what a run was begun on, its votes and groups among them: without these val is another."""
    from mien.data.origin import DataPath

    kept = ("path", "votes", "skip_bad_rows", "groups")
    return as_words(DataPath(**{name: noted[name] for name in kept if name in noted})) if noted.get("path") else []


def asks_drawn(target: str, data: str | None) -> bool:
    """Whether a run that learned from somebody's faces is asked about drawn ones, as nobody said --data."""
    noted = _noted(target)
    return not data and bool(noted) and noted.get("path", "a program's") is not None


def say_changed(target: str, splits: "Splits", split: str, data: str | os.PathLike[str] | None) -> None:
    """Say so where a run is judged by what was its data, and has changed since: it may have learned these faces."""
    from mien.data.listing import SIZE

    noted = _noted(target)
    if split == ALL or not data or noted.get("path") != os.path.abspath(data):
        return
    asked = splits.origin
    if asked and (noted.get("size") or SIZE, bool(noted.get("rgb"))) != (asked.size or SIZE, asked.rgb):
        return  # the same pictures may have other pixels now
    known = noted.get("checksums", {}).get(split)
    if known and known != splits[split].checksum:
        note(
            f"{target} was begun with another {split!r} of {data}: with other --groups or --votes, or pictures have "
            f"come or gone since. It may have learned from faces that are {split} now."
        )


def learned(target: str, card: "Card", splits: "Splits", data: str | None) -> bool:
    """Whether a network learned from these faces: its data had the same path, or the same validation faces."""
    noted = _noted(target)
    if "path" in noted and noted["path"] == (data and os.path.abspath(data)):
        return True
    return len(splits.val) > 0 and card.data.checksums.get("val") == splits.val.checksum


def _noted(target: str) -> dict[str, Any]:
    """What a run was begun on; nothing of networks elsewhere."""
    from mien.runs import DATA, RECIPE, read_note
    from mien.shipped import find

    home = find(target) if find(target).is_dir() else find(target).parent
    return read_note(home / DATA) if (home / RECIPE).is_file() and (home / DATA).is_file() else {}


def shape_of(nets: dict[str, "Net"]) -> tuple[int, int, int] | None:
    """The shape, (C, H, W), of the faces that all these networks take; None of none. Raises DataError of several."""
    shapes = {net.card.input_shape for net in nets.values()}
    if len(shapes) > 1:
        found = ", ".join(f"{target} {'×'.join(map(str, net.card.input_shape))}" for target, net in nets.items())
        raise DataError(f"Networks that are judged together must take faces of one shape; these take: {found}.")
    return shapes.pop() if shapes else None

"""A folder as a few files of limited size, and back: for carrying a training's state between machines.

The folder becomes one zip archive, cut into pieces; `shards.json` lists the pieces and their checksums. It is written
last, and older pieces are removed only after that, so that a stop at any moment leaves one whole state.
"""

import hashlib
import json
import os
import re
import struct
import tempfile
import zipfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from mien.errors import CheckpointError
from mien.files import atomic_write
from mien.names import plain_name

INDEX = "shards.json"
_PIECE = re.compile(r"(\.[0-9a-f]{8}\.)?state-[0-9a-f]{8}\.\d{3,}")
"""The name of a piece, or of the temporary file that a killed writer left of one."""

_DAMAGE = (
    *(zipfile.BadZipFile, RuntimeError, ValueError, EOFError, struct.error),
    *(FileExistsError, NotADirectoryError, IsADirectoryError),
)
"""What zipfile raises of an archive that `pack` didn't write; RuntimeError where it is encrypted."""


def pack(
    folder: str | os.PathLike[str], out: str | os.PathLike[str], shard_bytes: int, left_out: Collection[Path] = ()
) -> list[Path]:
    """Write the files of `folder` into `out` as pieces of at most `shard_bytes` bytes; returns the pieces.

    Files in `left_out` aren't packed. If it fails, `out` holds the previous state and nothing else.
    """
    folder, out = Path(folder), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    _tidy(out)  # now, too: the pieces that a killed process left may fill the disk
    try:
        return _write(folder, out, shard_bytes, left_out)
    finally:
        _tidy(out)


def _write(folder: Path, out: Path, shard_bytes: int, left_out: Collection[Path]) -> list[Path]:
    pieces: dict[str, str] = {}
    with tempfile.TemporaryFile() as whole:
        with zipfile.ZipFile(whole, "w", strict_timestamps=False) as archive:  # stored, for weights don't shrink
            for path in sorted(path for path in folder.rglob("*") if path.is_file() and path not in left_out):
                archive.write(path, path.relative_to(folder).as_posix())
        size, total = 0, whole.tell()
        whole.seek(0)
        generation = os.urandom(4).hex()  # so that no piece has the name of an earlier one
        while size < total:
            piece = whole.read(shard_bytes)
            name = f"state-{generation}.{len(pieces):03d}"
            atomic_write(out / name, piece)
            pieces[name] = hashlib.sha256(piece).hexdigest()
            size += len(piece)
    atomic_write(out / INDEX, json.dumps({"shards": pieces}, indent=2))
    return [out / name for name in pieces]


def _tidy(out: Path) -> None:
    """Remove the pieces that the index doesn't list; none where it is damaged and can't tell."""
    try:
        named = _index(out) if (out / INDEX).exists() else {}
    except CheckpointError:
        return
    for path in out.iterdir():
        if _PIECE.fullmatch(path.name) and path.name not in named:
            with suppress(OSError):  # the next call tries again; an error here would hide why this one failed
                path.unlink()


def unpack(out: str | os.PathLike[str], folder: str | os.PathLike[str]) -> bool:
    """Put what `pack` wrote into `out` back into `folder`; False when there is nothing to put back.

    Raises:
        CheckpointError: a piece is missing or damaged, or the pieces aren't a state.
    """
    out, folder = Path(out), Path(folder)
    if not (out / INDEX).exists():
        return False
    with tempfile.TemporaryFile() as whole:
        for name, known in _index(out).items():
            try:
                piece = (out / name).read_bytes()
            except (OSError, ValueError) as error:  # ValueError: a NUL in the name
                said = error.strerror if isinstance(error, OSError) else error
                raise CheckpointError(f"{out / name}: can't read this piece of the state ({said}).") from None
            if hashlib.sha256(piece).hexdigest() != known:
                raise CheckpointError(f"{out / name}: damaged: its SHA-256 isn't the one in {INDEX}. Copy it again.")
            whole.write(piece)
        size = whole.tell()
        try:
            with zipfile.ZipFile(whole) as archive:  # zipfile keeps names inside the folder
                members = archive.infolist()
                if any(one.compress_type for one in members) or sum(one.file_size for one in members) > size:
                    raise zipfile.BadZipFile("what is in them is compressed")
                archive.extractall(folder)
        except _DAMAGE as error:
            raise CheckpointError(f"{out / INDEX}: its pieces aren't a state of mien's ({error}).") from None
    return True


def _index(out: Path) -> dict[str, str]:
    """The checksum of each piece by its name, in their order."""
    try:
        pieces = dict(json.loads((out / INDEX).read_bytes())["shards"])
        if not all(map(plain_name, pieces)):
            raise ValueError("a piece's name isn't the name of a file here")
        return pieces
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{out / INDEX}: not an index of shards, or damaged ({error}).") from None

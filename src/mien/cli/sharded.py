"""The state of a release that travels: a folder to work in, and what of it is put into shards, and when."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mien.cli.options import note
from mien.errors import CheckpointError


class Shards:
    """The state of a release as a folder to work in, and as shards in `out`."""

    def __init__(self, work: Path, out: Path, shard_mb: int, total_mb: int | None) -> None:
        self.work, self.out, self.shard_mb, self.total_mb = work, out, shard_mb, total_mb
        self.name, self.packed, self.whole = "", time.monotonic(), True
        self.left_out: list[Path] = []

    def keep_up(self, name: str) -> None:
        """After an epoch of the network `name`: pack when one before it is finished, and once a minute."""
        if name != (self.name or name) or time.monotonic() > self.packed + 60:
            self.pack()
        self.name = name

    def pack(self) -> None:
        """Put what was done so far into the shards."""
        from mien.checkpoint import STATE
        from mien.release import spare
        from mien.shards import pack

        files, self.whole = set(files_of(self.work)) - spare(self.work), False
        large = self.total_mb and sum(path.stat().st_size for path in files) > self.total_mb * 1_000_000
        self.left_out = sorted(path for path in files if large and path.name == STATE)
        try:
            if files:
                pack(self.work, self.out, self.shard_mb * 1_000_000, {*spare(self.work), *self.left_out})
        except OSError as error:
            raise CheckpointError(f"{self.out}: can't put the state there ({error.strerror}).") from None
        self.whole, self.packed = True, time.monotonic()

    def say_left_out(self) -> None:
        for path in self.left_out:
            size = f"{path.stat().st_size / 1e6:,.0f} MB"
            note(f"{path.parent.name} is left out: its training has {size}. The next call begins it anew.")


@contextmanager
def sharded(state: Path, out: Path, shard_mb: int, total_mb: int | None) -> Iterator[Shards]:
    """The state that lies in shards in `state`; its folder goes when all of it lies in `out`."""
    from mien.shards import unpack

    shards = Shards(Path(tempfile.mkdtemp(prefix="mien-")), out, shard_mb, total_mb)
    try:
        unpack(state, shards.work)
        yield shards
    finally:
        if shards.whole:
            shutil.rmtree(shards.work)
        else:
            note(f"The state is in {shards.work}: go on with --out {shards.work}, without --shard-mb and --state.")


def files_of(folder: Path) -> list[Path]:
    """The files in a folder and below, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())

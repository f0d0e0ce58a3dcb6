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

    def __init__(self, work: Path, out: Path, shard_mb: int) -> None:
        self.work, self.out, self.shard_mb = work, out, shard_mb
        self.name, self.packed, self.whole = "", time.monotonic(), True

    def keep_up(self, name: str) -> None:
        """After an epoch of the network `name`: pack when one before it is finished, and once a minute."""
        if name != (self.name or name) or time.monotonic() > self.packed + 60:
            self.pack()
        self.name = name

    def pack(self) -> None:
        """Put what was done so far into the shards."""
        from mien.release import spare
        from mien.shards import pack

        self.whole = False
        left_out = spare(self.work)
        try:
            if set(files_of(self.work)) - left_out:
                pack(self.work, self.out, self.shard_mb * 1_000_000, left_out)
        except OSError as error:
            raise CheckpointError(f"{self.out}: can't put the state there ({error.strerror}).") from None
        self.whole, self.packed = True, time.monotonic()


@contextmanager
def sharded(state: Path, out: Path, shard_mb: int) -> Iterator[Shards]:
    """The state that lies in shards in `state`; its folder goes when all of it lies in `out`."""
    from mien.shards import unpack

    shards = Shards(Path(tempfile.mkdtemp(prefix="mien-")), out, shard_mb)
    try:
        unpack(state, shards.work)
        yield shards
    finally:
        if shards.whole:
            shutil.rmtree(shards.work, ignore_errors=True)  # what failed before mustn't be hidden
        else:
            note(f"The state is in {shards.work}: go on with --out {shards.work}, without --shard-mb and --state.")


def files_of(folder: Path) -> list[Path]:
    """The files in a folder and below, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())

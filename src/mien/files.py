"""Files that others read or write, too: written in one step, so that nobody finds half of one; folders held alone."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A name beside `path` to write to. When the block ends well the file takes its place there, else it is removed.

    Folders on the way are made. For writers that want a file name; `atomic_write` is for content at hand.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{secrets.token_hex(4)}.{path.name}")  # keeps the ending, which some writers look at
    try:
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())  # the content reaches the disk before the name does
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def atomic_write(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write `content` (text as UTF-8) to `path` in one step, in place of what stands there.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     atomic_write(Path(folder, "new", "note.txt"), "done")
    ...     Path(folder, "new", "note.txt").read_text()
    'done'
    """
    with replacing(path) as beside:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def holding(lock: Path, other: Exception) -> Iterator[None]:
    """Hold the folder that the file `lock` lies in, alone among those who ask; whoever is killed holds it no longer.

    Folders on the way are made. Where the file system has no locks, nobody is kept out.

    Raises:
        other: somebody else holds it.
    """
    from filelock import FileLock, Timeout  # comes with the extras whose commands hold folders

    lock.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock, blocking=False, thread_local=False)
    try:
        with suppress(NotImplementedError):
            held.acquire()
    except Timeout:
        raise other from None
    try:
        yield
    finally:
        held.release()

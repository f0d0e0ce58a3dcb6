"""Files that other programs use, too: opened with care, and written in one step, so that nobody finds half of one."""

import errno
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_HELD_SECONDS = 1.0 if os.name == "nt" else 0.0
"""How long to retry where another program holds the file to replace: Windows refuses, but a scanner soon lets go."""

_LONGEST = 255
"""Bytes in the longest file name that file systems take."""

SMALL_BYTES = 32 << 20
"""Bytes that a card or another note may have: a thousand times their usual size, and still easily held."""

_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
"""Errors of a write for which there is no room; they don't say in which file."""


class NoFile(OSError):
    """What was to be opened isn't a file but a folder, a pipe or a device; its text is the reason alone."""

    def __str__(self) -> str:
        return str(self.strerror)


def regular(name: str, flags: int) -> int:
    """An `opener` for `open` that opens files and nothing else: reading a pipe could block for ever."""
    file = os.open(name, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    raise NoFile(errno.EINVAL, "no file (a folder, a pipe or a device)", name)


def unfollowed(name: str, flags: int) -> int:
    """As `regular`, but follows no link: for hidden files whose names others could guess and link elsewhere."""
    return regular(name, flags | getattr(os, "O_NOFOLLOW", 0))


def read_small(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a small file from anywhere. Raises OSError where it is none, or larger than SMALL_BYTES."""
    with open(path, "rb", opener=regular) as file:
        content = file.read(SMALL_BYTES + 1)
    if len(content) > SMALL_BYTES:
        raise OSError(errno.EFBIG, f"larger than {SMALL_BYTES:,} bytes", os.fspath(path))
    return content


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Make the OSError that says there is no room name the file."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL and error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from None  # PyAV's can't be given a name
        raise


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary name beside `path`. When the block ends well, the file written there replaces it, else it is removed.

    Missing folders are made. For writers that want a file name; `atomic_write` is for content at hand.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(4)
    name = f".{token}.{path.name}"
    if len(os.fsencode(name)) > _LONGEST:  # the ending stays: some writers go by it
        name = f".{token}{path.suffix}"
    beside = path.with_name(name)
    try:
        with naming(path):
            yield beside
            with beside.open("rb+") as file:
                os.fsync(file.fileno())  # the content reaches the disk before the name does
        put_in_place(beside, path)
    except OSError as error:
        if error.filename is not None and Path(os.fsdecode(error.filename)) == beside:
            # the caller knows `path` alone; a new error, as the name in PyAV's can't be changed
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise
    finally:
        with suppress(OSError):  # it was moved, or is held open: that mustn't hide why the block failed
            beside.unlink()


def put_in_place(beside: Path, path: Path) -> None:
    """Give a finished file or folder the name `path`, in one step."""
    until = time.monotonic() + _HELD_SECONDS
    while True:
        try:
            os.replace(beside, path)
            return
        except PermissionError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.02)


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


def companion(path: Path, ending: str) -> Path:
    """The hidden file beside `path` that belongs to it: `.NAME.ending`, with a digest for a NAME that is too long.

    >>> companion(Path("runs/rows.csv"), "lock").as_posix()
    'runs/.rows.csv.lock'
    """
    name = f".{path.name}.{ending}"
    if len(os.fsencode(name)) > _LONGEST:
        name = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}.{ending}"
    return path.with_name(name)

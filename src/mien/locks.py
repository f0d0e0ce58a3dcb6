"""Holding a folder, or the place of a file to be written, for one process at a time."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mien.files import companion

_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
"""Errors of file systems without locks, such as some network shares."""

_TRIES = 50
"""How often to try for a lock that was held but whose file is gone at the next look: its holder has just removed it."""


@contextmanager
def holding(lock: Path, other: Exception) -> Iterator[None]:
    """Hold the folder that the file `lock` lies in, for this process alone; the lock of a killed process is free again.

    Missing folders are made, and removed again if they are left empty. Where the file system has no locks, nobody is
    kept out.

    Raises:
        other: somebody else holds it.
    """
    from filelock import FileLock, Timeout

    made = [folder for folder in lock.parents if not folder.exists()]
    held = FileLock(lock, blocking=False, thread_local=False)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        for left in reversed(range(_TRIES)):
            try:
                with suppress(NotImplementedError):
                    held.acquire()
                break
            except Timeout:
                if os.path.lexists(lock):
                    raise other from None
                if not left:
                    lock.stat()  # raises the reason where no file can be made, as in /proc
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                break
        yield
    finally:
        held.release()
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def alone(path: str | os.PathLike[str], other: Exception) -> Iterator[None]:
    """Hold the place `path`, where a file or folder is to be written, as `holding` does; the lock file beside it is
    removed at the end.

    Raises:
        other: somebody else holds it.
    """
    path = Path(path)
    lock = companion(path, "lock")
    try:
        with holding(lock, other):
            try:
                yield
            finally:
                with suppress(OSError):  # while still held, so that who has opened it meanwhile notices
                    lock.unlink()
    except OSError as error:
        named = isinstance(error.filename, (str, bytes)) and os.path.realpath(os.fsdecode(error.filename))
        if named == os.path.realpath(lock):
            error.filename = str(path)  # the caller knows this name alone
        raise

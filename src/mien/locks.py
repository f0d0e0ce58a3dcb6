"""Holding a folder, or the place of a file that is to come, alone among the processes that ask."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mien.files import companion

_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
"""What a file system answers that has no locks, such as some that are shared over a network."""

_TRIES = 50
"""How often a lock is tried for that is gone when it is looked at: whoever held it has just taken it along."""


@contextmanager
def holding(lock: Path, other: Exception) -> Iterator[None]:
    """Hold the folder that the file `lock` lies in, alone among those who ask; whoever is killed holds it no longer.

    Folders on the way are made, and go again where they are left empty. Where the file system has no locks, nobody is
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
                    lock.stat()  # where no file can be made, as in /proc, that is what is wrong
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
    """Hold the place `path`, where a file or a folder is to come, as `holding` does; the lock lies beside it only
    meanwhile.

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
                with suppress(OSError):  # while it is held: whoever has opened it meanwhile finds that it is gone
                    lock.unlink()
    except OSError as error:
        named = isinstance(error.filename, (str, bytes)) and os.path.realpath(os.fsdecode(error.filename))
        if named == os.path.realpath(lock):
            error.filename = str(path)  # whoever reads of it knows this name alone
        raise

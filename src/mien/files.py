"""Files that others read or write, too: written in one step, so that nobody finds half of one; folders held alone, or
gone through."""

import errno
import glob
import hashlib
import os
import re
import secrets
import stat
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mien.errors import DataError

_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
"""What a file system answers that has no locks, such as some that are shared over a network."""

_HELD_SECONDS = 1.0 if os.name == "nt" else 0.0
"""How long another program may hold a file that is to be replaced: Windows refuses, and a scanner soon lets go."""

_TRIES = 50
"""How often a lock is tried for that is gone when it is looked at: whoever held it has just taken it along."""

_LONGEST = 255
"""Bytes of a name that file systems take."""

SMALL_BYTES = 32 << 20
"""Bytes that a card or another note may have: a thousand times what they have, and no trouble to hold."""

_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
"""What writing answers where there is no room; that error doesn't say in which file."""

_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"

_LITTER = {"thumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "system volume information", "icon\r"}


class NoFile(OSError):
    """What was to be opened is a folder, a pipe or a device."""

    def __str__(self) -> str:
        return str(self.strerror)


def regular(name: str, flags: int) -> int:
    """An `opener` for `open` that opens files and nothing else: a pipe would let whoever reads it wait for ever."""
    file = os.open(name, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    raise NoFile(errno.EINVAL, "no file (a folder, a pipe or a device)", name)


def unfollowed(name: str, flags: int) -> int:
    """As `regular`, and through no link: for hidden files whose names others could guess, and lead elsewhere."""
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
    """Where there is no room to write to a file, the OSError names it."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL and error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from None  # PyAV's can't be given a name
        raise


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A name beside `path` to write to. When the block ends well the file takes its place there, else it is removed.

    Folders on the way are made. For writers that want a file name; `atomic_write` is for content at hand.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(4)
    name = f".{token}.{path.name}"
    if len(os.fsencode(name)) > _LONGEST:  # what some writers look at is the ending
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
            # whoever reads of it knows this name alone; PyAV's errors let theirs not be changed
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise
    finally:
        with suppress(OSError):  # it is gone, or held, which mustn't hide why the block failed
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


def put_between(path: str | os.PathLike[str], verb: str, text: str) -> None:
    """Put `text`, which `mien VERB` made, between the two lines of a Markdown file that mark its place.

    Raises:
        DataError: the file can't be read, or has no such lines.
    """
    atomic_write(path, _filled(path, verb, text))


def check_marks(path: str | os.PathLike[str], verb: str) -> None:
    """Raise DataError when `put_between` would, before there is a text to put there."""
    _filled(path, verb, "")


def _filled(path: str | os.PathLike[str], verb: str, text: str) -> str:
    try:
        whole = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: can't read this file ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a text in UTF-8.") from None
    return between(whole, verb, text, maker=f"`mien {verb}`", path=path)


def between(whole: str, name: str, text: str, *, maker: str, path: str | os.PathLike[str]) -> str:
    """`whole` with `text` between the two lines that mark the place called `name`.

    Raises:
        DataError: it has no such lines; the message names `path`.
    """
    begin, end = f"<!-- {name}: made by {maker}, don't edit -->", f"<!-- /{name} -->"
    before, first, rest = whole.partition(begin)
    _, last, after = rest.partition(end)
    if not (first and last):
        raise DataError(f"{path}: no place for the table; put these two lines where it shall be:\n{begin}\n{end}")
    return f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}"


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


def companion(path: Path, ending: str) -> Path:
    """The hidden file beside `path` that belongs to it: `.NAME.ending`, or where that is too long a name, by a digest.

    >>> companion(Path("runs/rows.csv"), "lock").as_posix()
    'runs/.rows.csv.lock'
    """
    name = f".{path.name}.{ending}"
    if len(os.fsencode(name)) > _LONGEST:
        name = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}.{ending}"
    return path.with_name(name)


def printable(name: str) -> str:
    """A file's name as people can be shown it: signs that would steer a terminal, or are no text, are replaced; a tab
    becomes a blank.

    >>> printable("a\\tb.jpg"), printable(chr(27) + "[2J.jpg")
    ('a b.jpg', '�[2J.jpg')
    """
    return "".join(sign if _shown(sign) else "\N{REPLACEMENT CHARACTER}" for sign in name.replace("\t", " "))


def _shown(sign: str) -> bool:
    """Spaces of other widths are, and what joins letters or keeps them apart: in Persian words, in emoji."""
    return sign.isprintable() or unicodedata.category(sign) == "Zs" or sign in _JOINERS


def is_text(name: str) -> bool:
    """Whether a file's name is text, which others than Python take alone: what isn't UTF-8 comes from the system as
    surrogates.

    >>> is_text("a.mp4"), is_text(chr(0xDCFF) + ".mp4")
    (True, False)
    """
    return escaped(name) == name


def escaped(name: str) -> str:
    r"""A file's name as text: a byte that is none stands there as its surrogate's number.

    >>> escaped("a " + chr(0xDCFF)), unescaped(escaped("a " + chr(0xDCFF))) == "a " + chr(0xDCFF)
    ('a \\udcff', True)
    """
    return name.encode(errors="backslashreplace").decode()


def unescaped(text: str) -> str:
    """The opposite of `escaped`."""
    return re.sub(r"\\u(dc[89a-f][0-9a-f])", lambda found: chr(int(found[1], 16)), text)


def plain_name(name: str) -> bool:
    """Whether it names a file in the folder that it is asked for in, and none elsewhere.

    >>> [plain_name(name) for name in ("card.json", "..", "a/b", "C:a", "")]
    [True, False, False, False, False]
    """
    return name not in ("", ".", "..") and not any(sign in name for sign in "/\\:")


def composed(name: str) -> str:
    """A name as it is compared: Finder takes letters apart (e and its accent), others don't."""
    return unicodedata.normalize("NFC", name)


def litter(name: str) -> bool:
    """Whether a file or folder of this name is one that systems leave in folders, and nobody's own.

    >>> [litter(name) for name in (".DS_Store", "Thumbs.db", "$RECYCLE.BIN", "photo.jpg")]
    [True, True, True, False]
    """
    return name.startswith(".") or name.lower() in _LITTER


def files_below(
    folder: str | os.PathLike[str], *, left_out: Callable[[str], bool], unread: Callable[[OSError], None]
) -> Iterator[Path]:
    """The files in a folder, then those of the folders in it, by their names; what `left_out` says of a name isn't
    looked at.

    Links to folders are followed, but each folder is gone through once, however many lead to it, so that a circle ends.
    `unread` is called for folders that can't be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as top:
    ...     for name in ("a/b.png", ".hidden.png", "c.png"):
    ...         atomic_write(Path(top, name), "")
    ...     [path.name for path in files_below(top, left_out=lambda name: name.startswith("."), unread=print)]
    ['c.png', 'b.png']
    """
    gone: set[str] = set()
    for place, inner, names in os.walk(folder, followlinks=True, onerror=unread):
        if (real := os.path.realpath(place)) in gone:
            inner.clear()
            continue
        gone.add(real)
        # what is there itself comes before what a link leads to, and so keeps its own name
        kept = (name for name in inner if not left_out(name))
        inner[:] = sorted(kept, key=lambda name: (os.path.islink(os.path.join(place, name)), name))
        yield from (Path(place, name) for name in sorted(names) if not left_out(name))


def matching(pattern: str, *, left_out: Callable[[str], bool], unread: Callable[[OSError], object]) -> Iterator[str]:
    """What a pattern stands for, as `glob` has it, folders too; some of it more than once.

    `**` goes through each folder once, as `files_below` does; `glob` goes round in circles of links. What `left_out`
    says of a folder's name isn't gone through.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as top:
    ...     atomic_write(Path(top, "a/b.png"), "")
    ...     found = list(matching(top + "/**/*.png", left_out=litter, unread=print))
    >>> [Path(name).name for name in found]
    ['b.png']
    """
    ends = re.escape(os.sep + (os.altsep or ""))
    found = re.search(rf"(?:^|(?<=[{ends}]))(?:\*\*(?:$|[{ends}]+))+", pattern)
    if not found:
        yield from glob.iglob(pattern)
        return
    rest = pattern[found.end() :] or "*"
    for top in glob.iglob(pattern[: found.start()] or os.curdir):
        for folder in _folders(top, left_out, unread):
            if found.end() == len(pattern):  # as glob has it: the folders, too, each before what lies in it
                yield folder
            yield from matching(os.path.join(glob.escape(folder), rest), left_out=left_out, unread=unread)


def _folders(top: str, left_out: Callable[[str], bool], unread: Callable[[OSError], object]) -> Iterator[str]:
    """It and the folders in it, each once, by its own name where it lies here."""
    left, links, gone = [top], list[str](), set[str]()
    while left or links:
        folder = left.pop() if left else links.pop()
        if (real := os.path.realpath(folder)) in gone:
            continue
        gone.add(real)
        yield folder
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(OSError):  # of a link that leads to itself, say; the others are looked at
                        if not left_out(entry.name) and entry.is_dir():
                            (links if entry.is_symlink() else left).append(entry.path)
        except NotADirectoryError:
            continue
        except OSError as error:
            unread(error)
        links.sort(reverse=True)

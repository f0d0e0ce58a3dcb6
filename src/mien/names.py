"""Names of files: made safe to show, turned into valid text, compared, and checked."""

import re
import unicodedata

_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"

_LITTER = {"thumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "system volume information", "@eadir", "icon\r"}


def printable(name: str) -> str:
    """A file's name that is safe to show: characters that would control a terminal, or aren't text, are replaced; a tab
    becomes a space.

    >>> printable("a\\tb.jpg"), printable(chr(27) + "[2J.jpg")
    ('a b.jpg', '�[2J.jpg')
    """
    return "".join(sign if _shown(sign) else "\N{REPLACEMENT CHARACTER}" for sign in name.replace("\t", " "))


def _shown(sign: str) -> bool:
    """Besides what Python calls printable: spaces of other widths, and the joiners in Persian words and emoji."""
    return sign.isprintable() or unicodedata.category(sign) == "Zs" or sign in _JOINERS


def is_text(name: str) -> bool:
    """Whether a file's name is valid text: bytes that aren't UTF-8 come from the system as surrogates, which libraries
    outside of Python don't take.

    >>> is_text("a.mp4"), is_text(chr(0xDCFF) + ".mp4")
    (True, False)
    """
    return escaped(name) == name


def escaped(name: str) -> str:
    r"""A file's name as valid text, each surrogate written as its number.

    >>> escaped("a " + chr(0xDCFF)), unescaped(escaped("a " + chr(0xDCFF))) == "a " + chr(0xDCFF)
    ('a \\udcff', True)
    """
    return name.encode(errors="backslashreplace").decode()


def unescaped(text: str) -> str:
    """The opposite of `escaped`."""
    return re.sub(r"\\u(dc[89a-f][0-9a-f])", lambda found: chr(int(found[1], 16)), text)


def plain_name(name: str) -> bool:
    """Whether this names a file directly in a given folder, and can't lead elsewhere.

    >>> [plain_name(name) for name in ("card.json", "..", "a/b", "C:a", "")]
    [True, False, False, False, False]
    """
    return name not in ("", ".", "..") and not any(sign in name for sign in "/\\:")


def composed(name: str) -> str:
    """A name normalised for comparing: macOS writes e and its accent apart, others together."""
    return unicodedata.normalize("NFC", name)


def litter(name: str) -> bool:
    """Whether a file or folder of this name is hidden or one that systems leave in folders, and so nobody's data.

    >>> [litter(name) for name in (".DS_Store", "Thumbs.db", "$RECYCLE.BIN", "photo.jpg")]
    [True, True, True, False]
    """
    return name.startswith(".") or name.lower() in _LITTER

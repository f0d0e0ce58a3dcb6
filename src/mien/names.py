"""What files are called: as people can be shown it, as text, as it is compared."""

import re
import unicodedata

_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"

_LITTER = {"thumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "system volume information", "icon\r"}


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

"""Every error that mien raises on purpose. Each says what was found, where, and what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any


class MienError(Exception):
    """The root of mien's errors: something that the person at the keyboard can mend."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles as any exception does, but without calling __init__, which in some takes more than the message."""
        return type(self).__new__, (type(self), *self.args), self.__dict__


@dataclass(frozen=True)
class BadRow:
    """One row (or file) of a data set that can't be used: where it stands and what was found there."""

    where: str
    found: str

    def __str__(self) -> str:
        return f"{self.where}: {self.found}"


class DataError(MienError):
    """A data set that can't be read, or can't be used for what was asked of it."""

    bad: tuple[BadRow, ...] = ()

    @classmethod
    def of_rows(cls, source: str, bad: Sequence[BadRow], count: int | None = None) -> "DataError":
        """The error for a file with bad rows: names the first ten, counts all (`count`, default `len(bad)`)."""
        count = len(bad) if count is None else count
        shown = "\n".join(f"  {row}" for row in bad[:10])
        more = f"\n  and {count - 10:,} more" if count > 10 else ""
        error = cls(
            f"{source}: {count:,} bad {'row' if count == 1 else 'rows'}:\n{shown}{more}\n"
            "Mend them, or leave them out with --skip-bad-rows (skip_bad_rows=True in Python)."
        )
        error.bad = tuple(bad)
        return error


class Diverged(DataError):
    """A training whose loss is no longer a number; the message says what to lower."""


class MediaError(MienError):
    """An image or a video that can't be read: not one, damaged, or larger than the limits."""


class UnknownModel(MienError):
    """A model name that isn't registered; the message lists those that are."""


class RecipeError(MienError):
    """A recipe field or value that doesn't exist, or one that the network, the faces or the memory don't allow."""


class TooLittleMemory(RecipeError):
    """The memory of the device is too small for the recipe's batch; perhaps only now."""


class CheckpointError(MienError):
    """A run folder, a weights file or a card that is missing, damaged or somebody else's."""


class ServerError(MienError):
    """A server that isn't there or refuses: its `code` and HTTP `status`, empty and 0 where there is none."""

    def __init__(self, message: str, *, code: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class Incomplete(MienError):
    """The work is done except for some entries; `result` has the outcome of the others, as plain data."""

    def __init__(self, message: str, result: dict[str, Any]) -> None:
        super().__init__(message)
        self.result = result


class Stopped(KeyboardInterrupt):
    """Ctrl-C: `result` has what was done until then, as plain data; the message says what is kept, if anything is."""

    def __init__(self, message: str, result: dict[str, Any]) -> None:
        super().__init__(message)
        self.result = result

    __reduce__ = MienError.__reduce__


class MissingExtra(MienError):
    """An optional dependency that the called function needs; the message has the install command."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f'{purpose} needs {package}. Install it with: pip install "mien[{extra}]"')


def check_kind(given: object, kind: type | UnionType, error: type[MienError], instead: str) -> None:
    """Raise `error` where an argument isn't of this `kind`, saying what to give `instead` and what was found.

    >>> check_kind("article", dict, RecipeError, "Give a dict.")
    Traceback (most recent call last):
    mien.errors.RecipeError: Give a dict. Found a str.
    """
    if not isinstance(given, kind):
        name = type(given).__name__
        raise error(f"{instead} Found {'an' if name[0] in 'AEIOUaeio' else 'a'} {name}.")


def first_line(error: Exception) -> str:
    """The first line of another library's error message, or the error's type where it has none."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)

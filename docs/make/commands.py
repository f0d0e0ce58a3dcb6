"""docs/cli.md: every verb's `--help`."""

import contextlib
import io
import os
from collections.abc import Iterator
from typing import Any

WIDTH = 80
"""Columns that fit the page."""

HEAD = """\
# The command line

<!-- made by docs/make/pages.py from `--help`; don't edit -->

`--json` and `--debug` are understood wherever they stand on the line.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | something you can fix: one message says what was found, where, and what to do |
| 2 | wrong usage |
| 130 | interrupted |

Completion of verbs and options in bash, zsh, fish and PowerShell: `mien --install-completion`, then a new shell.
"""


def commands() -> str:
    """The whole page."""
    os.environ["COLUMNS"] = str(WIDTH)  # the same on every terminal
    from typer.main import get_command

    from mien.cli.app import build

    parts = [HEAD]
    for words in _verbs(get_command(build()), ()):
        title = " ".join(("mien", *words))
        parts.append(f"## {title}\n\n```text\n{_help(*words)}\n```\n")
    return "\n".join(parts)


def _verbs(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield words
    for name, below in getattr(command, "commands", {}).items():
        yield from _verbs(below, (*words, name))


def _help(*words: str) -> str:
    from mien.cli import main

    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = main([*words, "--help"])
    if code:
        raise SystemExit(f"mien {' '.join(words)} --help ended with {code}")
    return "\n".join(line.rstrip() for line in said.getvalue().strip("\n").splitlines())

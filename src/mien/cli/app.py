"""The verbs put together, and one line of the command line run."""

import inspect
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand
from typer.main import get_command

from mien.cli import DONE
from mien.version import VERSION

Verb = Callable[..., dict[str, Any]]

VERBS = (
    "predict", "explain", "ladder", "train", "sweep", "evaluate", "calibrate", "show", "compare", "leaderboard",
    "robustness", "models", "export", "score", "release", "serve",
)  # fmt: skip
"""Each has a module of its name."""

DATA_VERBS = {"get": "data", "show": "data", "convert": "data", "doctor": "doctor"}
"""The verbs of `mien data`, and the module that has each."""

USAGE = 2
_UsageError: Any = typer.BadParameter.__bases__[0]  # click's or typer's own: typer has no public name for it

FIRST = (
    "Try first: `mien predict photo.jpg`, or the name of a folder of photos, says which expressions the faces show. "
    "`mien ladder` trains the four networks on drawn faces, in minutes and without a download, and ends "
    "by naming the page to open. `mien data get` says where the real faces are; then `mien ladder --data fer2013.csv`. "
    "`mien VERB --help` tells the rest."
)

COMPLETE = "_MIEN_COMPLETE"
"""Set by the shell's completion script, which `--install-completion` puts in place."""


LEAST, NARROW, MOST = 20, 60, 100
"""Columns of help: the fewest; those up to which explanations stand below their options; the most."""


class _Said(typer.Exit):
    """Ends the command well, with a result for `--json`."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__(DONE)
        self.result = result


class _Verb(TyperCommand):
    """A verb whose options stand below their headings (`rich_help_panel`): typer prints these in its boxes only."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        told: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(ctx):
            heading = "Arguments" if option.param_type_name == "argument" else "Options"
            if record := option.get_help_record(ctx):
                if heading == "Arguments":
                    record = record[0].partition(" <")[0], record[1]  # without Python's name of its type
                told.setdefault(getattr(option, "rich_help_panel", None) or heading, []).append(record)
        for heading, records in told.items():
            with formatter.section(heading):
                formatter.write_dl(records, col_max=30 if formatter.width > NARROW else 6)


def _root(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="With --version: what is installed here, too, for a bug report.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; anywhere on the line.")
    ] = False,
) -> None:
    """Facial-expression recognition: read photos and videos; train networks of rising depth; measure honestly."""
    if show_version and verbose:
        from mien.cli.version import describe

        raise _Said(describe())
    if show_version:
        print(f"mien {VERSION}")
        raise _Said({"mien": VERSION})
    if verbose:
        raise typer.BadParameter("it goes with --version.", param_hint="--verbose")
    _help_when_alone(context)


def _data(context: typer.Context) -> None:
    """Get data sets of faces, look at them, convert them, find what is wrong with them."""
    _help_when_alone(context)


def _help_when_alone(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit


def _with_flags(verb: Verb) -> Verb:
    """Put `--json` and `--debug` into a verb's help; `mien.cli.main` has taken them off the line by then."""

    @wraps(verb)
    def run(*, json: bool, debug: bool, **options: Any) -> dict[str, Any]:
        return verb(**options)

    flags = {
        "json": "One JSON document on stdout; everything for people goes to stderr.",
        "debug": "Show the traceback of an error.",
    }
    signature = inspect.signature(verb)
    added = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False,
            annotation=Annotated[bool, typer.Option(f"--{name}", help=said)],
        )
        for name, said in flags.items()
    ]
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *added])  # type: ignore[attr-defined]
    return run


def _group(
    callback: Callable[..., None], verbs: dict[str, Verb], epilog: str | None = None, completion: bool = False
) -> typer.Typer:
    group = typer.Typer(
        callback=callback,
        invoke_without_command=True,
        epilog=epilog,
        add_completion=completion,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # its boxes are read aloud by screen readers, and cut options off in narrow terminals
        context_settings={
            "help_option_names": ["-h", "--help"],
            "terminal_width": min(max(LEAST, shutil.get_terminal_size().columns), MOST) - 2,
        },
    )
    for name, verb in verbs.items():
        first = (inspect.getdoc(verb) or "").partition("\n\n")[0]
        group.command(name, cls=_Verb, short_help=" ".join(first.split()))(_with_flags(verb))
    return group


def build(only: str | None = None) -> typer.Typer:
    """The whole command line, or with `only` as much of it as that verb needs: the others cost a tenth of a second."""
    names = [only] if only in VERBS else VERBS
    app = _group(_root, {name: getattr(import_module(f"mien.cli.{name}"), name) for name in names}, FIRST, True)
    if only not in VERBS:
        data = {name: getattr(import_module(f"mien.cli.{module}"), name) for name, module in DATA_VERBS.items()}
        app.add_typer(_group(_data, data), name="data", short_help=_data.__doc__)
    return app


def run(words: Sequence[str]) -> tuple[int, Any]:
    """Run one line: the exit code, and the verb's result (None where it was help or the version).

    Errors of the verb itself come out as they are.
    """
    if COMPLETE in os.environ:  # a shell asks what could stand next: answered on stdout, then it leaves
        os.environ["COLUMNS"] = "10000"  # an answer is a line, and typer would break it as the terminal does
        get_command(build()).main(prog_name="mien")
    command: Any = get_command(build(next((word for word in words if not word.startswith("-")), None)))
    try:
        with command.make_context("mien", list(words)) as context:
            return DONE, command.invoke(context)
    except typer.Exit as leave:
        return leave.exit_code, leave.result if isinstance(leave, _Said) else None
    except _UsageError as error:
        if error.ctx is not None:
            print(error.ctx.get_usage(), file=sys.stderr)
            print(f"Try '{error.ctx.command_path} --help' for help.\n", file=sys.stderr)
        print(f"error: {error.format_message()}", file=sys.stderr)
        return USAGE, None

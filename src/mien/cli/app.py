"""The verbs put together, and one line of the command line run."""

import inspect
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.main import get_command

from mien.cli import DONE
from mien.cli.compare import compare
from mien.cli.data import convert, get, show_data
from mien.cli.evaluate import evaluate
from mien.cli.export import export
from mien.cli.ladder import ladder
from mien.cli.leaderboard import leaderboard
from mien.cli.models import models
from mien.cli.predict import predict
from mien.cli.release import release
from mien.cli.robustness import robustness
from mien.cli.show import show
from mien.cli.train import train

Verb = Callable[..., dict[str, Any]]

USAGE = 2
_UsageError: Any = typer.BadParameter.__bases__[0]  # click's or typer's own: typer has no public name for it

FIRST = (
    "Try first: `mien predict photo.jpg` says what the faces in a photo show. "
    "`mien ladder` trains the four networks on drawn faces, in two minutes and without a download, and ends "
    "by naming the page to open. `mien data get` says where the real faces are; then `mien ladder --data fer2013.csv`."
)


def _root(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; anywhere on the line.")
    ] = False,
) -> None:
    """Facial-expression recognition: read photos and videos; train networks of rising depth; measure honestly."""
    if show_version:
        print(f"mien {version('mien')}")
        raise typer.Exit
    _help_when_alone(context)


def _data(context: typer.Context) -> None:
    """Get faces, look at them, convert them."""
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


def _group(callback: Callable[..., None], verbs: dict[str, Verb], epilog: str | None = None) -> typer.Typer:
    group = typer.Typer(
        callback=callback,
        invoke_without_command=True,
        epilog=epilog,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name, verb in verbs.items():
        group.command(name)(_with_flags(verb))
    return group


def build() -> typer.Typer:
    """The whole command line."""
    verbs: dict[str, Verb] = {
        "predict": predict,
        "ladder": ladder,
        "train": train,
        "evaluate": evaluate,
        "show": show,
        "compare": compare,
        "leaderboard": leaderboard,
        "robustness": robustness,
        "models": models,
        "export": export,
        "release": release,
    }
    app = _group(_root, verbs, FIRST)
    app.add_typer(_group(_data, {"get": get, "show": show_data, "convert": convert}), name="data")
    return app


def run(words: Sequence[str]) -> tuple[int, Any]:
    """Run one line: the exit code, and the verb's result (None where it was help or the version).

    Errors of the verb itself come out as they are.
    """
    command = get_command(build())
    try:
        with command.make_context("mien", list(words)) as context:
            return DONE, command.invoke(context)
    except typer.Exit as leave:
        return leave.exit_code, None
    except _UsageError as error:
        if error.ctx is not None:
            print(error.ctx.get_usage(), file=sys.stderr)
            print(f"Try '{error.ctx.command_path} --help' for help.\n", file=sys.stderr)
        print(f"error: {error.format_message()}", file=sys.stderr)
        return USAGE, None

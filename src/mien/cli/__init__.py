"""The command line: `main` runs one verb and turns what happens into an exit code and at most one message.

Every verb prints for people and returns its result as plain data; with `--json` what is for people goes to stderr and
the result, as one JSON document, to stdout. Nothing heavy is imported before a verb needs it.
"""

import atexit
import contextlib
import errno
import glob
import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, TextIO

from mien.errors import Incomplete, MienError, MissingExtra, Stopped
from mien.files import naming
from mien.names import printable

DONE, FAILED, INTERRUPTED = 0, 1, 130

EVERYWHERE = ("--json", "--debug")
"""Flags that are understood wherever they stand on the line."""

EXTRAS = {
    "torch": "train",
    "safetensors": "train",
    "onnx": "train",
    "onnxscript": "train",
    "matplotlib": "figures",
    "jinja2": "figures",
    "pandas": "pandas",
    "kagglehub": "kaggle",
    "pyarrow": "parquet",
    "av": "h264",
    "captum": "explain",
    "fastapi": "serve",
    "httpx": "serve",
    "prometheus_client": "serve",
    "python_multipart": "serve",
    "uvicorn": "serve",
    "timm": "timm",
    "torchvision": "timm",
    "daft": "score",
    "optuna": "sweep",
    "tensorboard": "tensorboard",
}
"""Packages that a bare install doesn't have, and the extra that brings each."""

VERB_EXTRAS = {"explain": "explain"}
"""Verbs that need more than one of them, and the extra that brings all of these."""


PATTERNS = ("predict", "score")
"""Verbs that expand patterns of files themselves."""

WINDOWS = os.name == "nt"

_LACKING = (
    "error: Windows lacks what a package needs ({}). Install the Visual C++ runtime "
    "(https://aka.ms/vs/17/release/vc_redist.x64.exe), and on Windows N the Media Feature Pack (Settings, Optional "
    "features). --debug shows more."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; `argv` without the program's name, default `sys.argv[1:]`.

    Returns:
        The exit code: 0 done, 1 an error that a person can mend, 2 wrong usage, 130 interrupted.
    """
    _fill_streams()
    os.environ["MPLBACKEND"] = "agg"  # opens no window; a name that matplotlib doesn't know would end its import
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns where it can't keep its cache
    if os.environ.get("MIEN_PORT", "").startswith("tcp://"):  # Kubernetes', where a Service is called mien: no port
        del os.environ["MIEN_PORT"]
    words = _expanded(sys.argv[1:]) if argv is None and WINDOWS else list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    flags = {word for word in words if word in EVERYWHERE}
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # a stream that a test put there
            stream.reconfigure(errors="replace")  # type: ignore[union-attr] # a terminal may lack a character
    try:
        return _run([word for word in words if word not in flags], sys.stdout if "--json" in flags else None)
    except KeyboardInterrupt as stopped:
        return _failed(f"interrupted: {stopped}" if str(stopped) else "interrupted", INTERRUPTED, flags)
    except BrokenPipeError:  # whoever read the output has gone, as `head` does
        _discard_output()
        return FAILED
    except MienError as error:
        return _failed(f"error: {error}", FAILED, flags)
    except OSError as error:
        if WINDOWS and error.filename is None and "or one of its dependencies" in str(error):  # what torch says
            return _failed(_LACKING.format(error), FAILED, flags)
        if (
            WINDOWS
            and error.errno == errno.EINVAL
            and (error.filename, getattr(error, "winerror", None)) == (None, None)
        ):
            _discard_output()  # whoever read the pipe has gone
            return FAILED
        return _failed(f"error: {_sentence(error)}", FAILED, flags)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        verb = next((word for word in words if not word.startswith("-")), "")
        extra = VERB_EXTRAS.get(verb, EXTRAS[package])
        return _failed(f"error: {MissingExtra(package, extra, 'This')}", FAILED, flags)
    except ImportError as error:
        if not WINDOWS or "DLL load failed" not in str(error):
            raise
        return _failed(_LACKING.format(error), FAILED, flags)


def _expanded(words: Sequence[str]) -> list[str]:
    """What a shell makes of `runs/*` and `~` elsewhere, for Windows, whose shells leave that to the program.

    The verbs that read pictures know patterns themselves.
    """
    verb = next((word for word in words if not word.startswith("-")), "")
    kept = [os.path.expanduser(word) if word[:2] in ("~", "~/", "~\\") else word for word in words]
    if verb in PATTERNS:
        return kept
    found = [sorted(glob.glob(word)) if glob.has_magic(word) and word[0] != "-" else [] for word in kept]
    return [name for word, names in zip(kept, found, strict=True) for name in names or [word]]


def _fill_streams() -> None:
    """Let each stream that was closed (`>&-`), or that a program without a console lacks, lead to nowhere.

    In this order each gets its own descriptor; else the next file to be opened would get it, and what is printed there.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115


def _run(words: list[str], document: TextIO | None) -> int:
    """Run one verb; its result goes to `document`, if any, and what it prints then goes to stderr."""
    from mien.cli.app import run

    failure: Incomplete | Stopped | None = None
    with _aside(document) if document else contextlib.nullcontext():
        try:
            code, result = run(words)
        except (Incomplete, Stopped) as error:
            code, result, failure = DONE, error.result, error
        with naming("standard output"):
            sys.stdout.flush()
    if document and code == DONE and result is not None:
        with naming("standard output"):
            document.write(json.dumps(result, indent=2, allow_nan=False) + "\n")
            document.flush()
    if failure:
        raise failure
    return code


@contextlib.contextmanager
def _aside(document: TextIO) -> Iterator[None]:
    """Send what is printed to stderr, even what isn't printed by Python: daft writes to the descriptor itself."""
    with contextlib.redirect_stdout(sys.stderr), contextlib.ExitStack() as stack:
        if _descriptor(document) == 1 and _descriptor(sys.stderr) == 2:
            document.flush()
            kept = os.dup(1)
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, 1)
            os.dup2(2, 1)
        yield


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (AttributeError, OSError, ValueError):  # a stream that a program or a test put there, or a closed one
        return None


def run() -> NoReturn:
    """The command `mien`: `main`, and the end of the process with its exit code."""
    code = main()
    if "daft" in sys.modules or "TORCHELASTIC_RUN_ID" in os.environ:
        # daft's threads, and those of a worker under torchrun, sometimes abort Python as it shuts down
        atexit._run_exitfuncs()
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _failed(message: str, code: int, flags: set[str]) -> int:
    if "--debug" in flags:
        traceback.print_exc()
    try:
        sys.stdout.flush()  # what was printed before stands before the message
    except OSError:  # perhaps the one that the message is about
        _discard_output()
    print("\n".join(map(printable, message.split("\n"))), file=sys.stderr)
    return code


def _sentence(error: OSError) -> Any:
    if not error.strerror:
        return error
    return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."


def _discard_output() -> None:
    """Let Python's last flush go nowhere, so that it doesn't complain at exit."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                try:
                    stream.flush()
                except OSError:
                    os.dup2(nowhere, stream.fileno())
        os.close(nowhere)

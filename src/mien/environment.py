"""What a figure was measured with, and what is installed here: versions, chip, devices, and the commit of the code."""

import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mien.cards import Card
from mien.errors import CheckpointError
from mien.shipped import BOX, shipped
from mien.version import VERSION


def environment() -> dict[str, Any]:
    """The machine and the software of this process, as plain data, with the command line that it was started by."""
    import torch

    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "mien": VERSION,
        "commit": _commit(),
        "command": as_typed([_program(), *sys.argv[1:]]),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in ("torch", "numpy", "onnxruntime")},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": cuda,
    }


def as_typed(words: Sequence[str]) -> str:
    """A command as one types it in a shell of this system; on Windows with double quotes, and around `&` and such, too.

    >>> as_typed(["mien", "show", "my run"]).replace('"', "'")
    "mien show 'my run'"
    """
    if os.name != "nt":
        return shlex.join(words)
    quoted = (subprocess.list2cmdline([word]) for word in words)
    return " ".join(f'"{word}"' if word[:1] != '"' and set(word) & set("&|<>^()") else word for word in quoted)


def installation(packages: Iterable[str]) -> dict[str, Any]:
    """What is installed here, as plain data; it needs no torch.

    `packages` has the versions of the packages named, None where one isn't installed; `devices` where onnxruntime and,
    if it is installed, torch can compute; `box` the files of each network in the box with their SHA-256, None for a
    file that isn't the one its card was written for.
    """
    return {
        "mien": VERSION,
        "commit": _commit(),
        "place": str(Path(__file__).parent),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in packages},
        "devices": {"torch": _torch_devices(), "onnxruntime": _providers()},
        "box": {name: _checked(name) for name in shipped()},
    }


def _torch_devices() -> list[str]:
    try:
        import torch
    except ModuleNotFoundError:
        return []
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0  # it counts those of an old driver, too
    cards = [f"cuda:{number} ({torch.cuda.get_device_name(number)})" for number in range(there)]
    return ["cpu", *cards, *(["mps"] if torch.backends.mps.is_available() else [])]


def _providers() -> list[str]:
    import onnxruntime

    names = [name.removesuffix("ExecutionProvider").lower() for name in onnxruntime.get_available_providers()]
    return [name for name in names if name != "azure"]  # which is no device: it would send the faces to a service


def _checked(name: str) -> dict[str, str | None]:
    """The files of a network in the box, each with its checksum, None where that isn't the card's."""
    card = Card.read(BOX / name)
    found: dict[str, str | None] = {}
    for file, checksum in card.checksums.items():
        try:
            card.verify(BOX / name, [file])
            found[file] = checksum
        except CheckpointError:
            found[file] = None
    return found


def _program() -> str:
    name = Path(sys.argv[0]).name
    return "mien" if name == "__main__.py" else name


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):  # on ARM it has no such line
        return _arm() or platform.processor() or platform.machine()


def _arm() -> str:
    """What a Mac, or a board such as a Raspberry Pi, calls itself; "" of others."""
    try:
        if sys.platform == "darwin":
            asked = ("/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string")
            return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
        return Path("/proc/device-tree/model").read_text(encoding="utf-8").strip("\0\n ")
    except (OSError, UnicodeDecodeError, subprocess.SubprocessError):
        return ""


def _commit() -> str | None:
    """The commit of the checkout that this code runs from, with a + when it was changed since; None elsewhere.

    A repository further up isn't asked: it is somebody else's project, whose settings name programs for git to run.
    """
    here, program = Path(__file__).parent, shutil.which("git")
    if not (here.parents[1] / ".git").exists() or not program or not os.path.isabs(program):  # a file in a worktree
        return None
    options = ["-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment["GIT_OPTIONAL_LOCKS"] = "0"

    def git(*words: str) -> str:
        done = subprocess.run(
            [program, "-C", str(here), *options, *words],
            capture_output=True, encoding="utf-8", errors="replace", check=True, timeout=10, env=environment,
        )  # fmt: skip
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)  # an error where it isn't in this repository
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", str(here)) else "")
    except (OSError, subprocess.SubprocessError):
        return None

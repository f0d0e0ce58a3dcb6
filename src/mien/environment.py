"""What a figure was measured with: versions, chip, threads, and the commit of the code."""

import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def environment() -> dict[str, Any]:
    """The machine and the software of this process, as plain data, with the command line that it was started by."""
    import torch

    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "mien": version("mien"),
        "commit": _commit(),
        "command": shlex.join([_program(), *sys.argv[1:]]),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in ("torch", "numpy", "onnxruntime")},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": cuda,
    }


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
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _commit() -> str | None:
    """The commit of the checkout that this code runs from, with a + when it was changed since; None elsewhere."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=True, timeout=10)
        return done.stdout.strip()

    try:
        if git("ls-files", "--error-unmatch", Path(__file__).name):
            return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", str(here)) else "")
    except (OSError, subprocess.SubprocessError):
        return None
    return None

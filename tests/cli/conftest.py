"""The command line as a person runs it: a process of its own, on a small file of faces."""

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mien.data.drawn import drawn_faces

Run = Callable[..., "subprocess.CompletedProcess[str]"]

COPIED = Path(__file__).with_name("copied.py")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8", "CUDA_VISIBLE_DEVICES": ""}


LOADED = [
    "torch._dynamo", "torch.export._trace", "torch._functorch.aot_autograd", "torch.onnx._internal.exporter._core",
    "onnxscript.function_libs.torch_lib.ops", "mien.experiment", "mien.evaluation.figures",
]  # fmt: skip
"""What takes most of a short `mien train`: loading torch, its exporter and matplotlib."""


@pytest.fixture(scope="session")
def mien(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run `mien` with these words in this folder, in a process of its own.

    Each begins as a copy of Python's fork server, which has loaded `LOADED` once. It begins from nothing where Python
    has no such server (Windows) or copies mustn't use the GPU (macOS), in the tests that start `mien` themselves, and
    in those of the pages' commands.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods() or sys.platform == "darwin":
        return started
    copies, streams = multiprocessing.get_context("forkserver"), tmp_path_factory.mktemp("streams")
    copies.set_forkserver_preload(LOADED)

    def run(folder: Path, *words: str | Path) -> "subprocess.CompletedProcess[str]":
        line, out, err = [*map(str, words)], streams / "out", streams / "err"
        given = {"folder": folder, "words": line, "environment": ENVIRONMENT, "out": out, "err": err}
        for stream in (out, err):
            stream.write_bytes(b"")
        process = copies.Process(target=runpy.run_path, args=(str(COPIED), given, "__main__"))
        process.start()
        process.join(300)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(line, 300, out.read_text("utf-8"), err.read_text("utf-8"))
        return subprocess.CompletedProcess(line, process.exitcode, out.read_text("utf-8"), err.read_text("utf-8"))

    return run


def started(folder: Path, *words: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run `mien` as a person does, from nothing."""
    line = [sys.executable, "-m", "mien", *map(str, words)]
    return subprocess.run(
        line, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False
    )


@pytest.fixture(scope="session")
def faces_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An .npz of 420 drawn faces: 294 to train on, 63 in val, 63 in test."""
    path = tmp_path_factory.mktemp("faces") / "faces.npz"
    drawn_faces(420).save(path)
    return path


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `trained` ran in."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def trained(mien: Run, faces_file: Path, home: Path) -> "subprocess.CompletedProcess[str]":
    """`mien train` of three epochs, as it ended."""
    line = ("train", "logistic", "--preset", "demo", "--epochs", "3", "--lr", "0.02", "--data", faces_file, "--json")
    done = mien(home, *line)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="session")
def finished(trained: "subprocess.CompletedProcess[str]", home: Path) -> Path:
    """The run folder of that training."""
    return home / "runs" / "logistic"

"""The command line as a person runs it, and real pictures: a photo that comes with scikit-image, a scene, a video."""

import functools
import multiprocessing
import os
import re
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import cv2
import hypothesis
import numpy as np
import pytest
from packaging.requirements import Requirement
from PIL import Image

hypothesis.settings.register_profile("mien", deadline=None, derandomize=True)  # no test by luck, or by a clock
hypothesis.settings.load_profile("mien")

collect_ignore = ["preloaded.py"]  # no module with examples

os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())  # pytest's own folders stay there
LEFT = tempfile.TemporaryDirectory(prefix="mien-tests-", ignore_cleanup_errors=True)
"""For temporary files: what other programs leave there, most of all when they are killed, goes when the tests end."""
os.environ["TMPDIR"] = tempfile.tempdir = LEFT.name

Run = Callable[..., "subprocess.CompletedProcess[str]"]

COPIED = Path(__file__).with_name("copied.py")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8", "CUDA_VISIBLE_DEVICES": ""}

LONGEST = (
    "test_lessons.py",
    "test_readme.py",
    "test_kill_resume.py",
    "test_release.py",
    "test_torchrun.py",
    "test_faults.py",
)
"""Files of minutes. They are begun first: at the end one core would work on them alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


def pytest_runtest_setup() -> None:
    """torch's exporter reads its translations anew for each file, which takes it a second: once is enough."""
    if (exporter := sys.modules.get("torch.onnx._internal.exporter._registration")) and not hasattr(
        exporter.ONNXRegistry.from_torchlib, "cache_info"
    ):
        exporter.ONNXRegistry.from_torchlib = staticmethod(functools.cache(exporter.ONNXRegistry.from_torchlib))


def _known(name: str) -> str:
    """A distribution's name as all spellings of it are known."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _core() -> set[str]:
    """The distributions that `pip install mien` brings, without any extra."""
    found, left = set[str](), ["mien"]
    while left:
        if (name := _known(left.pop())) not in found:
            found.add(name)
            try:
                needs = [Requirement(line) for line in requires(name) or ()]
            except PackageNotFoundError:  # isn't installed, so nothing of it is hidden
                continue
            left += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found


@pytest.fixture(scope="session")
def mien(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run `mien` with these words in this folder, in a process of its own; `stop` is a signal that it gets, and after
    which words.

    Each begins as a copy of Python's fork server, which has loaded `preloaded.py` once. It begins from nothing where
    Python has no such server (Windows) or copies mustn't use the GPU (macOS), in the tests that start `mien`
    themselves, and where a verb stands in the pages for the first time.
    """
    served = "forkserver" in multiprocessing.get_all_start_methods() and sys.platform != "darwin"
    copies, streams = multiprocessing.get_context("forkserver" if served else "spawn"), tmp_path_factory.mktemp("mien")
    if served:
        from multiprocessing.forkserver import ensure_running

        copies.set_forkserver_preload(["preloaded"])
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", str(COPIED.parent), prepend=os.pathsep)
            ensure_running()

    def run(
        folder: Path, *words: str | Path, stop: tuple[str, signal.Signals] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        line, out, err = [*map(str, words)], streams / "out", streams / "err"
        given = {"folder": folder, "words": line, "environment": ENVIRONMENT, "out": out, "err": err}
        for stream in (out, err):
            stream.write_bytes(b"")
        process, end = copies.Process(target=runpy.run_path, args=(str(COPIED), given, "__main__")), time.time() + 300
        process.start()
        while stop and process.is_alive() and time.time() < end:
            if stop[0] in err.read_text("utf-8"):
                os.kill(process.pid, stop[1])
                break
            time.sleep(0.005)
        process.join(end - time.time())
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(line, 300, out.read_text("utf-8"), err.read_text("utf-8"))
        return subprocess.CompletedProcess(line, process.exitcode, out.read_text("utf-8"), err.read_text("utf-8"))

    return run


@pytest.fixture(scope="session")
def without_extras() -> str:
    """The first lines of a program for which nothing is installed but the core and what that needs; `EXTRAS` are the
    names that it doesn't find.

    So it runs in a second; `make core-check` (CI runs it) does the same in a venv that really lacks them.
    """
    core = _core()
    assert "mien" in core
    brought = packages_distributions().items()
    hidden = {name for name, owners in brought if core.isdisjoint(map(_known, owners))}
    assert {"torch", "onnx", "matplotlib", "fastapi", "starlette", "sklearn", "optuna"} <= hidden
    assert hidden.isdisjoint({"numpy", "onnxruntime", "typer", "cv2"})
    return f"""
import sys
EXTRAS = {hidden!r} - sys.modules.keys()  # some load themselves at the start of Python
class Without:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] in EXTRAS else self.finder.find_spec(name, path, target)
sys.meta_path[:] = map(Without, sys.meta_path)
"""


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """(512, 512, 3) RGB, one face at about x 180 to 270, y 63 to 174, smiling."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import skimage.data
    return np.ascontiguousarray(skimage.data.astronaut())


@pytest.fixture(scope="session")
def photo(astronaut: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    Image.fromarray(astronaut).save(path, quality=95)
    return path


@pytest.fixture(scope="session")
def scene(astronaut: np.ndarray) -> np.ndarray:
    """(600, 1000, 3): the same face large, half as large, and mirrored and rolled by 20 degrees."""
    head = astronaut[20:240, 120:330]
    canvas = np.full((600, 1000, 3), 90, np.uint8)
    canvas[50:490, 40:460] = cv2.resize(head, (420, 440), interpolation=cv2.INTER_CUBIC)
    canvas[60:170, 600:705] = cv2.resize(head, (105, 110), interpolation=cv2.INTER_AREA)
    turn = cv2.getRotationMatrix2D((105, 110), 20, 1)
    canvas[300:520, 700:910] = cv2.warpAffine(head[:, ::-1], turn, (210, 220), borderMode=cv2.BORDER_REPLICATE)
    return canvas


@pytest.fixture(scope="session")
def film(astronaut: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 frames, 320 × 240, 15 a second: the face drifts to the right; in frames 12 to 14 there is none."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 15, (320, 240))
    for number in range(30):
        left = 90 - 2 * number
        frame = np.full((240, 320, 3), 90, np.uint8) if 12 <= number < 15 else astronaut[20:260, left : left + 320]
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    return path

"""What mien does on Windows and on a Mac, as far as that can be tried on another system."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import mien.cli as cli
from mien.cli.places import check_out
from mien.errors import DataError, MienError
from mien.session import _fast_cores, cores, quota
from mien.training.checks import no_memory
from mien.training.device import layout, pick_device
from mien.training.distributed import join


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "WINDOWS", True)


def test_patterns_of_run_folders_are_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME" if os.name != "nt" else "USERPROFILE", str(tmp_path / "home"))
    for name in ("runs/b", "runs/a"):
        (tmp_path / name).mkdir(parents=True)
    words = ["compare", "runs/*", "--option", "widths=[1,2]", "none/*", "~/x"]
    assert cli._expanded(words) == [
        "compare", str(Path("runs/a")), str(Path("runs/b")), "--option", "widths=[1,2]", "none/*",
        str(tmp_path / "home" / "x").replace("\\x", "/x"),
    ]  # fmt: skip
    assert cli._expanded(["predict", "runs/*"]) == ["predict", "runs/*"]  # it knows patterns, `**` too


def fails(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(cli, "_run", run)


@pytest.mark.usefixtures("windows")
def test_what_windows_lacks_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fails(ImportError("DLL load failed while importing cv2: The specified module could not be found."), monkeypatch)
    assert cli.main(["predict", "a.jpg"]) == 1
    assert "Windows lacks what a package needs (DLL load failed while importing cv2" in capsys.readouterr().err
    lacking = OSError(errno.EINVAL, 'Error loading "c10.dll" or one of its dependencies.')
    lacking.winerror = 126  # type: ignore[attr-defined]
    fails(lacking, monkeypatch)
    assert cli.main(["train", "cnn"]) == 1
    assert "Windows lacks what a package needs" in capsys.readouterr().err
    fails(ImportError("cannot import name 'a' from 'b'"), monkeypatch)  # a fault of the program's
    with pytest.raises(ImportError):
        cli.main(["predict", "a.jpg"])


@pytest.mark.usefixtures("windows")
def test_a_pipe_that_was_left_is_no_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cli, "_discard_output", lambda: None)
    fails(OSError(errno.EINVAL, "Invalid argument"), monkeypatch)
    assert cli.main(["models"]) == 1
    assert capsys.readouterr().err == ""
    fails(OSError(errno.EINVAL, "Invalid argument", "a?.csv"), monkeypatch)
    assert cli.main(["models"]) == 1
    assert "a?.csv: Invalid argument" in capsys.readouterr().err


def test_pictures_on_another_drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def relpath(*_: Any) -> str:
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    (tmp_path / "happy").mkdir()
    monkeypatch.setattr(os.path, "relpath", relpath)
    with pytest.raises(DataError, match=r"such as .*runs") as found:
        check_out(tmp_path / "happy" / "out", tmp_path)
    assert str(tmp_path.parent / "runs" / "out") in str(found.value)


def test_apples_gpu_is_used_where_it_is_asked_for_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device() == torch.device("cpu")
    assert layout(torch.device("mps")) == torch.contiguous_format
    assert layout(torch.device("cpu")) == torch.channels_last
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(MienError, match="can't exchange anything on Apple's GPU"):
        join(torch.device("mps"))


def test_too_little_memory_is_known_by_its_words() -> None:
    assert no_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert no_memory(RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"))
    assert not no_memory(RuntimeError("shape '[2, 3]' is invalid"))


def test_the_fast_cores_of_a_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    def sysctl(words: Any, **_: Any) -> "subprocess.CompletedProcess[bytes]":
        assert words[1:] == ("-n", "hw.perflevel0.physicalcpu")
        return subprocess.CompletedProcess(words, 0, b"4\n")

    monkeypatch.setattr(sys, "platform", "darwin")

    def none(*_: Any, **__: Any) -> Any:
        raise FileNotFoundError

    for run, expected in ((none, 0), (sysctl, 4)):
        _fast_cores.cache_clear()
        monkeypatch.setattr(subprocess, "run", run)
        assert cores() == expected
    _fast_cores.cache_clear()


@pytest.mark.parametrize(("allowed", "expected"), [(2, 2), (8, 0), (sys.maxsize, 0)])
def test_a_containers_limit_counts_where_the_cores_arent_told(
    allowed: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: Any, **__: Any) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", none)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr("mien.session.quota", lambda: allowed)
    assert cores() == expected


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/", {"cpu.max": "50000 100000"}, 1),
        ("0::/", {"cpu.max": "max 100000"}, sys.maxsize),
        ("0::/", {}, sys.maxsize),
        ("0::/a.slice/b", {"a.slice/cpu.max": "250000 100000", "a.slice/b/cpu.max": "max 100000"}, 3),
        ("3:cpu,cpuacct:/docker/1\n0::/", {"cpu/cpu.cfs_quota_us": "150000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        ("4:cpuset:/\n3:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, sys.maxsize),
    ],
)
def test_the_processor_time_that_a_container_is_allowed(
    groups: str, files: dict[str, str], expected: int, tmp_path: Path
) -> None:
    for name, text in {"proc/self/cgroup": groups, **{f"sys/fs/cgroup/{file}": files[file] for file in files}}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert quota(tmp_path) == expected

"""What `mien --version --verbose` says of this installation, and shell completion in a real bash."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import numpy as np
import pytest

from mien import environment, shipped
from mien.cli import EXTRAS

BIN = Path(sys.executable).parent


def test_it_says_versions_devices_and_checksums(mien, tmp_path: Path) -> None:
    done = mien(tmp_path, "--version", "--verbose", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["packages"]["numpy"] == np.__version__
    needed = {re.split(r"[^\w-]", one)[0] for one in requires("mien") or () if "extra ==" not in one}
    assert set(found["packages"]) >= needed | set(EXTRAS)
    assert "cpu" in found["devices"]["torch"]
    assert "cpu" in found["devices"]["onnxruntime"]
    assert set(found["box"]) == set(shipped.shipped())
    for name, sums in found["box"].items():
        for file, said in sums.items():
            assert said == hashlib.sha256((shipped.BOX / name / file).read_bytes()).hexdigest()
            assert said in done.stderr  # the same stands there for people


def test_a_changed_network_in_the_box_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = tmp_path / "weights"
    shutil.copytree(shipped.BOX / "small", box / "small")
    with open(box / "small" / "model.onnx", "r+b") as file:
        file.seek(1000)
        file.write(b"\0\1\2\3")
    for module in (shipped, environment):
        monkeypatch.setattr(module, "BOX", box)
    found = environment.installation(("numpy", "nosuchpackage"))
    assert found["box"]["small"]["model.onnx"] is None
    assert found["box"]["small"]["weights.safetensors"]
    assert found["packages"] == {"numpy": np.__version__, "nosuchpackage": None}


@pytest.mark.skipif(not shutil.which("git"), reason="git isn't here")
def test_of_git_only_the_own_checkout_is_asked_and_none_of_its_programs_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(folder: Path, *words: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(["git", "-C", folder, *who, *words], check=True, capture_output=True, text=True).stdout

    own, other = tmp_path / "own" / "src" / "mien", tmp_path / "other" / "lib" / "python" / "mien"
    for here in (own, other):
        here.mkdir(parents=True)
        (here / "environment.py").write_text("")
        root = tmp_path / here.relative_to(tmp_path).parts[0]
        git(root, "init", "-q")
        git(root, "add", ".")
        git(root, "commit", "-qm", "all")
        spy = root / "spy"
        spy.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
        spy.chmod(0o755)
        git(root, "config", "core.fsmonitor", str(spy))
    (tmp_path / "ran").unlink(missing_ok=True)
    git(tmp_path / "own", "-c", "core.fsmonitor=false", "worktree", "add", "-q", str(tmp_path / "tree"))
    commit = git(tmp_path / "own", "rev-parse", "--short=12", "HEAD").strip()
    for here, found in ((other, None), (own, commit), (tmp_path / "tree" / "src" / "mien", commit)):
        monkeypatch.setattr(environment, "__file__", str(here / "environment.py"))
        assert environment._commit() == found
    assert not (tmp_path / "ran").exists()


def test_a_command_is_written_as_the_system_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["mien", "show", r"D:\my runs\cnn", "--data", r"D:\faces.csv"]
    assert environment.as_typed(words) == r"mien show 'D:\my runs\cnn' --data 'D:\faces.csv'"
    with monkeypatch.context() as windows:
        windows.setattr(os, "name", "nt")
        assert environment.as_typed(words) == r'mien show "D:\my runs\cnn" --data D:\faces.csv'
        assert environment.as_typed(["mien", "show", r"D:\R&D\cnn"]) == r'mien show "D:\R&D\cnn"'


def test_a_processor_that_linux_has_no_name_for_is_called_by_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda path, **how: "processor\t: 0\nBogoMIPS\t: 50.00\n")
    monkeypatch.setattr(environment, "_arm", lambda: "")
    monkeypatch.setattr(environment.platform, "processor", lambda: "")
    monkeypatch.setattr(environment.platform, "machine", lambda: "aarch64")
    assert environment.installation(())["processor"] == "aarch64"


def test_a_gpu_whose_driver_is_too_old_is_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_old(device: object = None) -> str:
        raise RuntimeError("The NVIDIA driver on your system is too old")

    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)  # by the driver's own library, which finds the card
    monkeypatch.setattr("torch.cuda.get_device_name", too_old)
    assert not [device for device in environment.installation(())["devices"]["torch"] if "cuda" in device]


def test_without_torch_it_says_how_to_get_it(tmp_path: Path) -> None:
    code = """
import sys, importlib.metadata as metadata
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Refuse())
known = metadata.version
def version(name):
    if name == "torch":
        raise metadata.PackageNotFoundError(name)
    return known(name)
metadata.version = version
from mien.cli import main
sys.exit(main(["--version", "--verbose"]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "torch computes on: not installed" in done.stdout
    assert 'pip install "mien[train]"' in done.stdout


def test_verbose_alone_is_wrong_usage(mien, tmp_path: Path) -> None:
    done = mien(tmp_path, "--verbose")
    assert (done.returncode, done.stdout) == (2, "")
    assert "goes with --version" in done.stderr


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
@pytest.mark.parametrize(
    ("line", "expected"), [("mien pre", "predict"), ("mien data con", "convert"), ("mien export --in", "--int8")]
)
def test_bash_completes(line: str, expected: str) -> None:
    words = line.split()
    script = f"""
eval "$(_MIEN_COMPLETE=source_bash mien)"
COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}
_mien_completion mien
echo "${{COMPREPLY[@]}}"
"""
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script], env=os.environ | {"PATH": path}, capture_output=True, text=True, check=True
    )
    assert (done.stdout.split(), done.stderr) == ([expected], "")

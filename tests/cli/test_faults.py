"""Killed at any moment, a full disk, a folder that is only read: never half a file, one sentence, and on it goes."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from PIL import Image
from safetensors.numpy import load_file

from mien.checkpoint import load_state
from mien.data.drawn import draw
from mien.data.folder import load_folder
from mien.data.mapped import load_mapped

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals and limits")

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8", "CUDA_VISIBLE_DEVICES": ""}
LIMITED = (
    "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1]))); "
    "from mien.cli import main; sys.exit(main(sys.argv[2:]))"
)
MIEN = "from mien.cli import run; run()"
QUICK = (
    "import sys, mien.data.mapped as mapped; mapped.BLOCK = 16; from mien.cli import main; sys.exit(main(sys.argv[1:]))"
)
TRAINING = ("train", "cnn", "--preset", "demo", "--epochs", "6", "--batch", "32", "--option", "widths=[8,8,8]")


def start(folder: Path, code: str, *words: str | Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def killed(folder: Path, code: str, words: tuple[str | Path, ...], watched: Path, draws: random.Random) -> bool:
    """Start it and kill it: one time in three whatever it does just then, else soon after this file has changed.

    Returns whether it was at work still.
    """
    before, anyhow, after = changed(watched), draws.random() < 1 / 3, draws.random()
    with start(folder, code, *words) as process:
        while not anyhow and changed(watched) == before and process.poll() is None:
            time.sleep(0.002)
        time.sleep(after * (1.5 if anyhow else 0.3))
        still = process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
    return still


def changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def finish(folder: Path, code: str, *words: str | Path) -> None:
    with start(folder, code, *words) as process:
        said = process.communicate()[1]
    assert process.returncode == 0, said


def whole_files(run: Path) -> None:
    """Every file of a run folder that has its name is whole."""
    if (run / "state.pt").exists():
        load_state(run / "state.pt")
    if (run / "weights.safetensors").exists():
        load_file(run / "weights.safetensors")
    for path in run.glob("*.json"):
        json.loads(path.read_text())


def kill_trainings(folder: Path, data: Path, kills: int, seed: int) -> None:
    draws, stopped, starts, parts = random.Random(seed), 0, 0, folder / "parts"
    finish(folder, MIEN, *TRAINING, "--data", data, "--out", "whole")
    while stopped < kills:
        resumed = (parts / "recipe.json").exists()
        words = ("train", "--resume", "parts") if resumed else (*TRAINING, "--data", data, "--out", "parts")
        stopped += killed(folder, MIEN, words, parts / "history.csv", draws)
        starts += 1
        whole_files(parts)
        if (parts / "card.json").exists():
            shutil.rmtree(parts)
    begun = (parts / "recipe.json").exists()
    finish(folder, MIEN, *(("train", "--resume", "parts") if begun else (*TRAINING, "--data", data, "--out", "parts")))
    first, second = (load_file(folder / name / "weights.safetensors") for name in ("whole", "parts"))
    assert all((first[name] == second[name]).all() for name in first)
    print(f"train: {starts} starts, {kills} kills at work; every file whole each time, the same weights in the end")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    faces = draw(400, seed=3)
    for number, (image, label) in enumerate(zip(faces.images, faces.labels, strict=True)):
        path = root / f"kind {label % 3}" / f"{number:03d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).resize((200, 200)).save(path)
    return root


def kill_conversions(folder: Path, photos: Path, kills: int, seed: int) -> None:
    draws, stopped, starts = random.Random(seed), 0, 0
    expected = [faces.checksum for _, faces in load_folder(photos)]
    out = folder / "out.faces"
    words = ("data", "convert", photos, out)
    while stopped < kills:
        stopped += killed(folder, QUICK, words, folder / ".out.faces.part" / "state.json", draws)
        starts += 1
        if out.exists():
            assert [faces.checksum for _, faces in load_mapped(out)] == expected
            shutil.rmtree(out)
    finish(folder, QUICK, *words)
    assert [faces.checksum for _, faces in load_mapped(out)] == expected
    assert not (folder / ".out.faces.part").exists()
    print(f"convert: {starts} starts, {kills} kills at work; every set whole, the same faces in the end")


@pytest.mark.soak  # at two moments: test_kill_resume.py
def test_killed_at_any_moment_a_training_ends_as_never_stopped(faces_file: Path, tmp_path: Path) -> None:
    kill_trainings(tmp_path, faces_file, kills=100, seed=2)


@pytest.mark.parametrize(("kills", "seed"), [(5, 1), pytest.param(100, 2, marks=pytest.mark.soak)])
def test_killed_at_any_moment_a_conversion_ends_whole(photos: Path, tmp_path: Path, kills: int, seed: int) -> None:
    kill_conversions(tmp_path, photos, kills, seed)


@pytest.mark.parametrize("limit", [60_000, pytest.param(1_000, marks=pytest.mark.soak)])
def test_a_full_disk_is_one_sentence_and_the_run_goes_on(mien, faces_file: Path, tmp_path: Path, limit: int) -> None:
    """A limit on the size of files fails a write half-way, as a full disk does."""
    line = ("train", "logistic", "--preset", "demo", "--epochs", "2", "--data", faces_file, "--out", "run")
    with start(tmp_path, LIMITED, str(limit), *line) as process:
        said = process.communicate()[1]
    assert process.returncode == 1, said
    assert "Traceback" not in said
    assert said.strip().splitlines()[-1].startswith("error: ")
    assert "File too large" in said
    run = tmp_path / "run"
    whole_files(run)
    assert not list(run.rglob(".*"))  # nothing half-written is left
    done = mien(tmp_path, *(("train", "--resume", "run") if (run / "recipe.json").exists() else line))
    assert done.returncode == 0, done.stderr


def test_a_full_disk_leaves_the_old_file_whole(faces_file: Path, photos: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.npz"
    old.write_bytes(faces_file.read_bytes())
    for words in (("data", "convert", faces_file, old), ("data", "convert", photos, tmp_path / "new.faces")):
        with start(tmp_path, LIMITED, "20000", *words) as process:
            said = process.communicate()[1]
        assert process.returncode == 1, said
        assert "Traceback" not in said
        assert "File too large" in said
    assert old.read_bytes() == faces_file.read_bytes()
    assert not (tmp_path / "new.faces").exists()
    finish(tmp_path, QUICK, *words)  # it goes on where it was
    assert [faces.checksum for _, faces in load_mapped(tmp_path / "new.faces")] == [
        faces.checksum for _, faces in load_folder(photos)
    ]


def test_a_folder_that_is_only_read_is_told(mien, faces_file: Path, photos: Path, tmp_path: Path) -> None:
    """A file stands where the folder should be: so it goes for root, too, who may write into any folder."""
    (tmp_path / "taken").write_text("mine")
    for words in (
        ("train", "logistic", "--data", faces_file, "--epochs", "1", "--out", "taken/run"),
        ("data", "convert", faces_file, "taken/out.npz"),
        ("data", "convert", faces_file, "taken/out.faces"),
        ("data", "convert", faces_file, "/proc/out.npz"),  # a folder that nobody writes into
        ("score", photos / "kind 0", "--out", "taken/scores"),
        ("score", photos / "kind 0", "--out", "/proc/scores"),
    ):
        done = mien(tmp_path, *words)
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == 1
    assert (tmp_path / "taken").read_text() == "mine"


def on_a_disk(folder: Path, options: str, *words: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run `mien` with a small disk at `disk` that only it sees, and take what it left there to `left`."""
    (folder / "disk").mkdir(exist_ok=True)
    mount = f"mount -t tmpfs -o {options} tmpfs disk"
    code = f'{mount} || exit 99; "$@"; code=$?; cp -r disk left; exit $code'
    line = ["unshare", "-rm", "sh", "-c", code, "sh", sys.executable, "-c", MIEN, *map(str, words)]
    done = subprocess.run(line, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode == 99 or "unshare:" in done.stderr:
        pytest.skip("no disk can be mounted here")
    return done


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs Linux's unshare")
@pytest.mark.parametrize("full", [True, False])
def test_a_small_disk_and_one_that_is_only_read(faces_file: Path, photos: Path, tmp_path: Path, full: bool) -> None:
    for size, *words in (
        ("96k", "train", "cnn", "--preset", "demo", "--epochs", "1", "--data", faces_file, "--out", "disk/run"),
        ("96k", "data", "convert", faces_file, "disk/out.npz"),
        ("96k", "data", "convert", photos, "disk/out.faces"),
        ("24k", "score", photos, "--out", "disk/scores", "--no-detect", "--workers", "1"),
    ):
        done = on_a_disk(tmp_path, f"size={size}" if full else "ro", *words)
        assert done.returncode == 1, (words, done.stderr)
        assert "Traceback" not in done.stderr
        assert done.stderr.strip().splitlines()[-1].startswith("error: ")
        assert ("No space left on device" if full else "Read-only file system") in done.stderr
        left = tmp_path / "left"
        assert not list(left.glob("out.*"))
        assert bool(list(left.rglob("inputs.parquet"))) == (full and words[0] == "score")
        for path in left.rglob("*.parquet"):
            parquet.read_table(path)  # whole
        if (left / "run").exists():
            whole_files(left / "run")
        shutil.rmtree(left)

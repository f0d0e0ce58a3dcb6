"""`torchrun -m mien train`: two processes on one training do what one does, and one of them speaks."""

import contextlib
import csv
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file

from mien.cli import main
from mien.data.drawn import draw
from mien.errors import MienError, RecipeError
from mien.models import create_model
from mien.training.checks import check_network
from mien.training.distributed import Team
from mien.training.learner import Learner
from mien.training.recipe import recipe

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8", "CUDA_VISIBLE_DEVICES": ""}

LINE = ("--preset", "demo", "--epochs", "2", "--batch", "32", "--seed", "3", "--json")


RUN = (sys.executable, "-m", "torch.distributed.run")


def torchrun(folder: Path, *words: str | Path) -> "subprocess.CompletedProcess[str]":
    line = [*RUN, "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [*line, *map(str, words)],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def history(run: Path) -> list[dict[str, str]]:
    """The epochs of a run folder."""
    with (run / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_two_processes_train_as_one_does(mien, faces_file: Path, tmp_path: Path) -> None:
    plain = (
        "--option",
        "hidden=[32]",
        "--option",
        "batch_norm=false",
        "--option",
        "dropout=0.0",
        "--precision",
        "float32",
    )
    line = ("train", "feedforward", "--data", faces_file, *LINE, *plain)
    one, two = mien(tmp_path, *line, "--out", "one"), torchrun(tmp_path, "-m", "mien", *line, "--out", "two")
    assert one.returncode == two.returncode == 0, two.stderr
    alone, together = json.loads(one.stdout), json.loads(two.stdout)  # one document: one process speaks
    assert together["epochs"] == alone["epochs"] == 2
    assert together["after"]["val"]["accuracy"] == pytest.approx(alone["after"]["val"]["accuracy"], abs=0.02)
    for own, other in zip(history(tmp_path / "one"), history(tmp_path / "two"), strict=True):
        for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"):
            assert float(other[name]) == pytest.approx(float(own[name]), abs=0.003), name
    first, second = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    assert max(float(abs(first[name] - second[name]).max()) for name in first) < 1e-3
    resumed = torchrun(tmp_path, "-m", "mien", "train", "--resume", "two", "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["epochs"] == 2


ALIKE = """
import os
import sys
import mien
import torch
from mien.training.distributed import join

splits = mien.load_faces(sys.argv[1])
recipe = mien.recipe("flagship_small", "demo", epochs=2, batch=32, ema=0.5, norm_faces=64)
model = mien.create_model("flagship_small", **recipe.options)  # each process begins with other weights
for epoch in mien.fit(model, splits.train, splits.val, recipe):
    pass
torch.save(model.state_dict(), os.environ["RANK"] + ".pt")
team = join(torch.device("cpu"))
try:
    team.agree(team.rank, "numbers")
except mien.MienError as error:
    print(error)
"""


def test_every_process_holds_the_same_network(faces_file: Path, tmp_path: Path) -> None:
    """To the bit, whatever weights it began with: its norms and their average, too. What can't agree is told."""
    (tmp_path / "alike.py").write_text(ALIKE)
    done = torchrun(tmp_path, "alike.py", faces_file)
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    assert done.stdout.count("The processes find different numbers ([0, 1])") == 2


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    torch.manual_seed(0)
    faces, model, team = draw(40, seed=1), create_model("logistic"), Team(rank=1, size=2)
    Learner(model, faces, recipe("logistic", "demo", batch=32), torch.device("cpu"), None, team)
    with pytest.raises(MienError, match="A batch of 33 can't be shared among 2 processes: choose a multiple of 2"):
        Learner(model, faces, recipe("logistic", "demo", batch=33), torch.device("cpu"), None, team)


def test_a_share_of_one_face_is_refused_where_it_has_no_variance() -> None:
    faces, asked, team = draw(40, seed=1), recipe("feedforward", "demo", batch=2), Team(rank=0, size=2)
    model = create_model("feedforward", batch_norm=True)
    check_network(model, faces, asked, None, Team())
    with pytest.raises(RecipeError, match="a batch of 1 in 1 part is fewer"):
        check_network(model, faces, asked, None, team)


def test_a_process_that_failed_doesnt_wait_for_the_others(
    faces_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[bool] = []
    monkeypatch.setattr("mien.training.distributed.leave", lambda: left.append(True))
    line = ["train", "--preset", "demo", "--epochs", "1", "--data", str(faces_file), "--out"]
    assert main([*line, str(tmp_path / "failed"), "feedforward", "--batch", "1"]) == 1
    assert not left
    assert main([*line, str(tmp_path / "done"), "logistic"]) == 0
    assert left


def workers(agent: int) -> dict[int, int]:
    """Of a torchrun's workers the processes, by their ranks."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            if int(path.read_text().rpartition(")")[2].split()[1]) == agent:
                words = path.with_name("environ").read_text().split("\0")
                found |= {
                    int(word.removeprefix("RANK=")): int(path.parent.name) for word in words if word[:5] == "RANK="
                }
    return found


def train_and_kill(folder: Path, lines: list[list[str]], killed: int) -> None:
    """Run these torchruns on one training of nine epochs, and kill the worker of this rank after the third: the run is
    finished all the same, without an epoch missing or trained twice, and one process tells. They have ten minutes."""
    read, write = os.pipe()
    with (folder / "told.json").open("w") as told:
        agents = [
            subprocess.Popen([*RUN, *line], cwd=folder, env=ENVIRONMENT, stdout=told, stderr=write) for line in lines
        ]
    os.close(write)
    limit = threading.Timer(600, lambda: [agent.terminate() for agent in agents])
    limit.daemon = True
    limit.start()
    said, alive = "", True
    try:
        with open(read, encoding="utf-8") as words:
            for text in words:
                said += text
                if alive and "epoch   3/9" in text:
                    alive = False
                    (process,) = (
                        found[killed] for found in map(workers, (agent.pid for agent in agents)) if killed in found
                    )
                    os.kill(process, signal.SIGKILL)
        codes = [agent.wait() for agent in agents]
    finally:
        limit.cancel()
        for agent in agents:  # torchrun ends its workers when it is asked to end; whoever is gone already isn't asked
            agent.terminate()
            agent.wait(60)
    assert codes == [0] * len(agents), said
    assert not alive
    assert json.loads((folder / "told.json").read_text())["epochs"] == 9
    assert (folder / "run" / "card.json").exists()
    assert [int(float(row["epoch"])) for row in history(folder / "run")] == [*range(1, 10)]
    assert said.count("epoch   1/9") == 1


TRAIN = ["train", "logistic", "--preset", "demo", "--epochs", "9", "--batch", "32", "--out", "run", "--json", "--data"]

LATE = """
import os, time
from mien.cli import run
if os.environ["TORCHELASTIC_RESTART_COUNT"] == "1" and os.environ["RANK"] == "1":
    time.sleep(2)
run()
"""

needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds its processes in /proc")


@needs_proc
def test_a_killed_worker_is_started_again_and_the_run_finishes(faces_file: Path, tmp_path: Path) -> None:
    """Started again, one comes well before the other, and what the dead ones left must not keep it."""
    (tmp_path / "late.py").write_text(LATE)
    line = ["--standalone", "--nproc-per-node", "2", "--max-restarts", "1", "late.py", *TRAIN, str(faces_file)]
    train_and_kill(tmp_path, [line], killed=0)


@needs_proc
@pytest.mark.soak  # on one machine: the test above
def test_two_nodes_train_together_and_outlive_a_killed_worker(faces_file: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = ["--nnodes", "2", "--nproc-per-node", "1", "--max-restarts", "1", "--rdzv-backend", "c10d"]
    line += ["--rdzv-id", "mien", "--rdzv-endpoint", f"127.0.0.1:{port}", "--local-addr", "127.0.0.1", "-m", "mien"]
    train_and_kill(tmp_path, [[*line, *TRAIN, str(faces_file)]] * 2, killed=1)

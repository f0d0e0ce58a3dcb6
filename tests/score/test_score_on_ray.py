"""Scoring on a Ray cluster of this machine: the same rows as without one. `make ray-check` runs it where Ray is."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from PIL import Image

from mien.data.drawn import draw
from mien.shipped import BOX, INT8

pytest.importorskip("ray", reason="Ray isn't here; `make ray-check` has it")
pytestmark = pytest.mark.soak

WAIT = 300
"""Seconds that Ray, or a job on it, may take; on a busy machine it takes long to start."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A head node with two processors; gives its address. It ends with its process group, not with `ray stop`, which
    would end everybody's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("ray") / "head.log"
    line = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus", "2"]
    line += ["--node-ip-address", "127.0.0.1", "--port", str(port), "--object-store-memory", "200000000"]
    line += ["--include-dashboard=false", "--disable-usage-stats"]
    with log.open("w") as said, subprocess.Popen(line, env=environment(), stdout=said, stderr=said) as head:
        try:
            began = time.monotonic()
            while "Ray runtime started" not in log.read_text():
                assert head.poll() is None, log.read_text()
                assert time.monotonic() - began < WAIT, log.read_text()
                time.sleep(0.2)
            yield f"127.0.0.1:{port}"
        finally:
            head.terminate()  # it ends those that it started


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}


def scored(folder: Path, out: Path, *words: str) -> list[dict]:
    line = [sys.executable, "-m", "mien", "score", str(folder), "--out", str(out), "--rows", "50", *words]
    done = subprocess.run(line, env=environment(), capture_output=True, text=True, check=False, timeout=WAIT)
    assert done.returncode == 1, done.stderr  # one picture is damaged
    assert "error: 1 of 301 couldn't be read;" in done.stderr
    rows = [row for path in sorted(out.glob("part-*")) for row in parquet.read_table(path).to_pylist()]
    return sorted(rows, key=lambda row: row["row"])


def test_two_workers_on_ray_give_the_same_rows(cluster: str, tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    folder.mkdir()
    for number, face in enumerate(draw(300, seed=3).images):
        Image.fromarray(face).save(folder / f"{number:04d}.png")
    (folder / "damaged.png").write_bytes((folder / "0000.png").read_bytes()[:300])
    here = scored(folder, tmp_path / "here", "--workers", "1")
    there = scored(folder, tmp_path / "there", "--workers", "2", "--ray", cluster)
    assert len(here) == 301
    assert there == here


SWAPPED = """
import shutil, sys
from mien.errors import CheckpointError
from mien.score.job import Job
from mien.score.run import score
folder, model, other, out, cluster = sys.argv[1:]
going = score(Job(folder, model, detect=False), out, workers=1, ray=cluster)
next(going)
shutil.copy(other, model)
try:
    list(going)
except CheckpointError as error:
    print("refused:", error)
"""


def test_workers_on_ray_keep_to_the_network_that_the_job_began_with(cluster: str, tmp_path: Path) -> None:
    Image.fromarray(draw(1, seed=3).images[0]).save(tmp_path / "face.png")
    model = shutil.copy(BOX / "small" / INT8, tmp_path / "network.onnx")
    words = [tmp_path / "face.png", model, BOX / "flagship" / INT8, tmp_path / "out", cluster]
    line = [sys.executable, "-c", SWAPPED, *map(str, words)]
    done = subprocess.run(line, env=environment(), capture_output=True, text=True, check=False, timeout=WAIT)
    assert f"refused: {model}: a worker finds another network there than the job began with:" in done.stdout, done


TOLD = """
import os, sys
import ray
from mien.score.engine import join, need_daft
join(need_daft(), sys.argv[1])
told = ray.remote(lambda: {name: os.environ.get(name) for name in ("DO_NOT_TRACK", "PYTHONSAFEPATH")})
print("told:", ray.get(told.remote()))
"""


def test_workers_on_ray_have_the_environment_of_others(cluster: str) -> None:
    line = [sys.executable, "-c", TOLD, cluster]
    done = subprocess.run(line, env=environment(), capture_output=True, text=True, check=False, timeout=WAIT)
    assert "told: {'DO_NOT_TRACK': '1', 'PYTHONSAFEPATH': '1'}" in done.stdout, done


def test_no_cluster_there(tmp_path: Path) -> None:
    Image.fromarray(draw(1, seed=3).images[0]).save(tmp_path / "face.png")
    line = [sys.executable, "-m", "mien", "score", str(tmp_path / "face.png"), "--out", str(tmp_path / "out")]
    line += ["--ray", "127.0.0.1:1"]
    done = subprocess.run(line, env=environment(), capture_output=True, text=True, check=False, timeout=WAIT)
    assert done.returncode == 1
    assert "No Ray cluster at 127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr

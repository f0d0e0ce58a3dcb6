"""Scoring many images: from folders, S3, HTTP and tables; whatever happens, each input has exactly one row."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from daft.execution.udf import UdfHandle
from PIL import Image

from mien.cards import checksum
from mien.data.drawn import draw
from mien.errors import DataError
from mien.labels import FER2013
from mien.net import Net
from mien.recognition.recognizer import Recognizer
from mien.score.inputs import list_inputs
from mien.score.job import Job
from mien.score.run import score
from mien.shipped import BOX, DEFAULT, INT8

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def album(astronaut: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine photos, 512 × 400, of one face in two folders, a picture without one, a damaged file and a text."""
    folder = tmp_path_factory.mktemp("my album [1] {a,b}")
    (folder / "deep").mkdir()
    Image.fromarray(astronaut[:400]).save(folder / "0.jpg", quality=95)
    photo = (folder / "0.jpg").read_bytes()
    for number in range(1, 9):
        (folder / ("deep" if number % 2 else ".") / f"{number}.jpg").write_bytes(photo)
    (folder / "damaged.jpg").write_bytes(photo[:3000])
    (folder / "empty.ppm").write_bytes(b"P6 64 64 255 " + bytes(64 * 64 * 3))
    (folder / "notes.txt").write_text("not an image")
    return folder


def rows(out: Path) -> list[dict]:
    return [row for path in sorted(out.glob("part-*.parquet")) for row in parquet.read_table(path).to_pylist()]


def run(job: Job, out: Path, **options: object) -> list[dict]:
    for at in score(job, out, workers=1, **options):
        assert at.done <= at.total
    assert at.done == at.total
    return sorted(rows(out), key=lambda row: row["row"])


@pytest.mark.skipif(sys.platform != "linux", reason="looks for open files in /proc")
def test_a_list_that_fails_is_closed_before_it_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows removes no file that is open."""

    class Source:
        def to_arrow_iter(self) -> Iterator[arrow.RecordBatch]:
            yield arrow.RecordBatch.from_pydict({"source": ["a.jpg"]})
            raise ConnectionError

    monkeypatch.setattr("mien.score.inputs._images", lambda daft, job, note: Source())
    with pytest.raises(DataError, match="can't be read to its end") as failed:  # it holds what the function held
        list_inputs(None, Job("s3://faces"), tmp_path / "inputs.parquet")
    files = [os.path.realpath(file) for file in Path("/proc/self/fd").iterdir()]
    assert not [file for file in files if "inputs.parquet" in file], failed


@pytest.mark.parametrize("left", [".DS_Store", "desktop.ini", "Thumbs.db"])
def test_what_a_system_leaves_in_a_folder_doesnt_fill_it(left: str, tmp_path: Path) -> None:
    gray(tmp_path / "faces" / "a.pgm")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / left).touch()
    assert next(score(Job(str(tmp_path / "faces"), detect=False), tmp_path / "out", workers=1)).total == 1


def test_what_failed_is_said_again_and_a_job_that_couldnt_begin_makes_way(album: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="nothing: no images there"):
        list(score(Job(str(tmp_path / "nothing")), out, workers=1))
    first = list(score(Job(str(album), detect=False), out, workers=1))
    again = list(score(Job(str(album), detect=False), out, workers=1))
    assert first[-1].failed == again[-1].failed == 1


def test_a_folder(album: Path, tmp_path: Path) -> None:
    found = run(Job(str(album)), tmp_path / "out", rows=4)
    assert [row["row"] for row in found] == list(range(11))
    by_name = {Path(row["source"]).name: row for row in found}
    assert by_name["damaged.jpg"]["status"] == "failed"
    assert "damaged" in by_name["damaged.jpg"]["error"]
    assert by_name["empty.ppm"]["status"] == "no face"
    (face,) = Recognizer()(album / "0.jpg").faces
    exact = {"label": face.label, "uncertain": face.uncertain}
    near = {"confidence": face.confidence, "detection": face.detection, "box": list(face.box)}
    near["probabilities"] = list(face.probabilities.values())
    for number in range(9):
        row = by_name[f"{number}.jpg"]
        (seen,) = row["faces"]
        assert (row["status"], row["error"], row["width"], row["height"]) == ("face", None, 512, 400)
        assert {name: seen.pop(name) for name in exact} == exact
        assert seen.keys() == near.keys()
        for name, value in near.items():
            assert seen[name] == pytest.approx(value, rel=1e-5, abs=1e-5)
    assert [len(parquet.read_table(path)) for path in sorted((tmp_path / "out").glob("part-*"))] == [4, 4, 3]


@pytest.mark.parametrize("folder", ["plain", "my photos", "photos [1] {a,b}"])
def test_a_folder_whose_name_looks_like_an_address_or_a_pattern(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """daft takes the first part of a path for a host, which has no spaces, and brackets for a pattern."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.pgm", "deep/b b.pgm", ".hidden.pgm", ".trash/c.pgm", "notes.txt"):
        Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
        Path(folder, name).write_bytes(b"P5 48 48 255 " + bytes(48 * 48))
    asked = {folder: ["a.pgm", "deep/b b.pgm"], f"{folder}/deep/b b.pgm": ["deep/b b.pgm"]}
    if "[" not in folder:
        asked |= {f"{folder}/*.pgm": ["a.pgm"], f"{folder}/**/*.pgm": ["a.pgm", "deep/b b.pgm"]}
    for number, (source, names) in enumerate(asked.items()):
        assert next(score(Job(source, detect=False), f"scores {number}", workers=1)).total == len(names)
        found = parquet.read_table(f"scores {number}/inputs.parquet")["source"].to_pylist()
        assert found == [str(tmp_path / folder / name) for name in names]


def test_by_default_it_reads_as_many_side_by_side_as_it_may_use_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gray(tmp_path / "faces" / "a.pgm")
    asked: list[int] = []

    def readings(daft: object, job: Job, frame: object, workers: int, **how: object) -> Iterator[object]:
        asked.append(workers)
        yield from ()

    monkeypatch.setattr("mien.session.cores", lambda: 3)
    monkeypatch.setattr("mien.score.run.readings", readings)
    with pytest.raises(DataError, match="1 rows are missing"):  # as nothing read it
        list(score(Job(str(tmp_path / "faces"), detect=False), tmp_path / "out"))
    assert asked == [3]


def test_done_is_done(album: Path, tmp_path: Path) -> None:
    job, out = Job(str(album)), tmp_path / "my out [1] {a,b}"
    for at in score(job, out, workers=1, rows=3):
        if at.done >= 6:
            break  # someone stops it
    kept = {path.name: path.stat().st_mtime_ns for path in out.glob("part-*")}
    found = run(job, out, rows=3)
    assert [row["row"] for row in found] == list(range(11))
    assert {name: (out / name).stat().st_mtime_ns for name in kept} == kept
    first = min(out.glob("part-*"))
    for content in (b"PAR1" + first.read_bytes()[4:-4] + b"XXXX", b""):
        first.write_bytes(content)
        with pytest.raises(DataError, match=r"part-000000\.parquet: damaged, .* Delete it; its rows are done again\."):
            next(score(job, out))
    with pytest.raises(DataError, match="another job: its detect is True"):
        next(score(Job(str(album), detect=False), out))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="a folder of their own"):
        next(score(job, tmp_path / "other"))


def gray(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"P5 48 48 255 " + bytes([value]) * (48 * 48))


def test_a_job_keeps_to_its_network(tmp_path: Path) -> None:
    faces = draw(2).pixels
    (tmp_path / "faces").mkdir()
    for number, face in enumerate(faces):
        (tmp_path / f"faces/{number}.pgm").write_bytes(b"P5 48 48 255 " + face.tobytes())
    model, out = tmp_path / "network.onnx", tmp_path / "out"
    shutil.copy(BOX / "small" / INT8, model)
    job = Job(str(tmp_path / "faces"), str(model), detect=False)
    for at in score(job, out, workers=1, rows=1):
        if at.done:
            break
    noted = json.loads((out / "job.json").read_text())
    assert noted["network"] == {"network.onnx": checksum(model)}
    assert noted["classes"] == list(FER2013)
    shutil.copy(BOX / "flagship" / INT8, model)
    with pytest.raises(DataError, match=r"network\.onnx isn't the network that it began with"):
        next(score(job, out, workers=1))
    shutil.copy(BOX / "small" / INT8, model)
    found = [row["faces"][0]["probabilities"] for row in run(job, out)]
    np.testing.assert_allclose(found, Net("small:int8")(faces), atol=1e-4)


def test_a_job_keeps_to_its_prior(tmp_path: Path) -> None:
    gray(tmp_path / "faces/0.pgm")
    gray(tmp_path / "faces/1.pgm", 200)
    job, out = Job(str(tmp_path / "faces"), detect=False, prior={"sad": 0.75}), tmp_path / "out"
    for at in score(job, out, workers=1, rows=1):
        if at.done:
            break
    for prior in (None, "even", {"sad": 0.5}):
        with pytest.raises(DataError, match=r"another job: its prior is \{'sad': 0\.75\}, not"):
            next(score(replace(job, prior=prior), out))
    found = [row["faces"][0]["probabilities"] for row in run(job, out)]
    faces = np.stack([np.zeros((48, 48), np.uint8), np.full((48, 48), 200, np.uint8)])
    np.testing.assert_allclose(found, Net(DEFAULT, prior=job.prior)(faces), atol=1e-4)
    note = json.loads((out / "job.json").read_text())
    del note["prior"]  # as an earlier version noted it
    (out / "job.json").write_text(json.dumps(note))
    assert next(score(replace(job, prior=None), out)).done == 2


@pytest.mark.parametrize("source", ["faces", "faces/*.pgm", "list.csv"])
def test_a_job_goes_on_from_another_folder(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("here", "elsewhere"):
        for number in range(2):
            gray(tmp_path / place / f"faces/{number}.pgm")
        (tmp_path / place / "list.csv").write_text("where\nfaces/0.pgm\nfaces/1.pgm\n")
    column = "where" if source == "list.csv" else ""
    monkeypatch.chdir(tmp_path / "here")
    for at in score(Job(source, detect=False, column=column), tmp_path / "out", workers=1, rows=1):
        if at.done:
            break
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"another job: its source is '.*here.*', not '.*elsewhere"):
        next(score(Job(source, detect=False, column=column), tmp_path / "out", workers=1))
    found = run(Job(f"../here/{source}", detect=False, column=column), tmp_path / "out")
    assert [row["status"] for row in found] == ["face", "face"]
    assert [row["source"] for row in found] == [str(tmp_path / f"here/faces/{number}.pgm") for number in range(2)]


def test_a_job_goes_on_with_its_network_by_another_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        gray(tmp_path / f"faces/{number}.pgm")
    shutil.copy(BOX / "small" / INT8, tmp_path / "network.onnx")
    out = tmp_path / "out"
    monkeypatch.chdir(tmp_path)
    next(score(Job("faces", "network.onnx", detect=False), out, workers=1))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"another job: small isn't the network that it began with, network\.onnx: its"):
        next(score(Job("../faces", "small", detect=False), out, workers=1))
    assert len(run(Job("../faces", "../network.onnx", detect=False), out)) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a name is text")
def test_a_name_that_isnt_text_is_read_and_stands_there_escaped(tmp_path: Path) -> None:
    gray(tmp_path / os.fsdecode(b"faces/caf\xe9/\xff.pgm"))
    gray(tmp_path / "faces/plain.pgm")
    found = run(Job(str(tmp_path / "faces"), detect=False), tmp_path / "out")
    assert [(row["source"], row["status"]) for row in found] == [
        (rf"{tmp_path}/faces/caf\udce9/\udcff.pgm", "face"),
        (f"{tmp_path}/faces/plain.pgm", "face"),
    ]
    out = tmp_path / os.fsdecode(b"\xff")
    with pytest.raises(DataError, match=r"udcff.*: this name isn't text in UTF-8\. Name another folder"):
        next(score(Job(str(tmp_path / "faces"), detect=False), out))
    assert not out.exists()


def test_an_empty_row_of_a_table_is_told_as_one(tmp_path: Path) -> None:
    gray(tmp_path / "0.pgm")
    where = [str(tmp_path / "0.pgm"), None, ""]
    held = [(tmp_path / "0.pgm").read_bytes(), None, b""]
    parquet.write_table(arrow.table({"where": where, "held": held}), tmp_path / "list.parquet")
    parquet.write_table(arrow.table({"where": [*where, f"file://{tmp_path}/0.pgm"]}), tmp_path / "far.parquet")
    for name, column in (("list", "where"), ("list", "held"), ("far", "where")):
        job = Job(str(tmp_path / f"{name}.parquet"), detect=False, column=column)
        first, *empty = run(job, tmp_path / f"{name} {column}")[:3]
        assert first["status"] == "face"
        assert [row["error"] for row in empty] == ["the table has nothing in this row"] * 2


def test_two_at_once(album: Path, tmp_path: Path) -> None:
    job, out = Job(str(album)), tmp_path / "out"
    first = score(job, out, workers=1)
    next(first)
    with pytest.raises(DataError, match=r"out: another mien score is at work in this folder\."):
        next(score(job, out, workers=1))
    line = [sys.executable, "-m", "mien", "score", str(album), "--out", str(out)]
    second = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (second.returncode, second.stderr.count("another mien score is at work")) == (1, 1)
    first.close()  # it was stopped; a test further down kills it
    assert [row["row"] for row in run(job, out)] == list(range(11))


def test_tables_of_addresses_and_of_bytes(album: Path, tmp_path: Path) -> None:
    with open(tmp_path / "large.pgm", "wb") as file:
        file.truncate(100 << 20)
    paths = [str(album / "0.jpg"), str(album / "gone.jpg"), str(album / "2.jpg"), str(tmp_path / "large.pgm")]
    parquet.write_table(arrow.table({"where": paths, "id": [1, 2, 3, 4]}), tmp_path / "list.parquet")
    found = run(Job(str(tmp_path / "list.parquet"), column="where"), tmp_path / "a")
    assert [row["status"] for row in found] == ["face", "failed", "face", "failed"]
    assert "gone.jpg" in found[1]["error"]
    assert "larger than the limit of 67,108,864 bytes" in found[3]["error"]
    crop = np.zeros((48, 48), np.uint8)
    data = [b"P5 48 48 255 " + crop.tobytes(), b"junk"]
    parquet.write_table(arrow.table({"image": data}), tmp_path / "held.parquet")
    found = run(Job(str(tmp_path / "held.parquet"), detect=False, column="image"), tmp_path / "b")
    assert [row["status"] for row in found] == ["face", "failed"]
    assert found[1]["source"].endswith("held.parquet#1")
    with pytest.raises(DataError, match="--column"):
        next(score(Job(str(tmp_path / "list.parquet")), tmp_path / "c"))


def test_a_table_without_addresses_is_refused_before_anything_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("face.pgm").write_bytes(b"P5 48 48 255 " + bytes(48 * 48))
    Path("my list.csv").write_text("id,where\n1,face.pgm\n")
    with pytest.raises(DataError, match=r"my list\.csv: the column id has neither addresses nor bytes, but Int64\."):
        next(score(Job("my list.csv", detect=False, column="id"), "out", workers=1))
    assert next(score(Job("my list.csv", detect=False, column="where"), "out", workers=1)).total == 1


@pytest.fixture
def bucket(album: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The album in a bucket `faces` of an S3 server on this machine; gives the server's address."""
    import boto3
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    s3 = boto3.client("s3", endpoint_url=address)
    s3.create_bucket(Bucket="faces")
    for name in ("0.jpg", "2.jpg", "damaged.jpg", "notes.txt"):
        s3.put_object(Bucket="faces", Key=f"in/{name}", Body=(album / name).read_bytes())
    for name in (".small/0.jpg", "@eaDir/2.jpg/SYNOPHOTO_THUMB_M.jpg"):  # as they are passed over on this machine
        s3.put_object(Bucket="faces", Key=f"in/{name}", Body=(album / "0.jpg").read_bytes())
    s3.close()
    yield address
    server.stop()


def test_s3(bucket: str, tmp_path: Path) -> None:
    found = run(Job("s3://faces/in", endpoint=bucket), tmp_path / "out")
    assert [(row["source"], row["status"]) for row in found] == [
        ("s3://faces/in/0.jpg", "face"),
        ("s3://faces/in/2.jpg", "face"),
        ("s3://faces/in/damaged.jpg", "failed"),
    ]
    found = run(Job("s3://faces/in/.small", endpoint=bucket), tmp_path / "named")
    assert [row["source"] for row in found] == ["s3://faces/in/.small/0.jpg"]


class Quiet(SimpleHTTPRequestHandler):
    """A web server; it has `late.jpg` only for those who ask again. `log` has what it was asked."""

    log: ClassVar[list[tuple[str, str, str]]] = []

    def do_HEAD(self) -> None:
        self.log.append((self.command, self.path, ""))
        super().do_HEAD()

    def do_GET(self) -> None:
        self.log.append((self.command, self.path, self.headers["Range"]))
        if self.path == "/late.jpg" and not self.server.asked:  # type: ignore[attr-defined]
            self.server.asked = True  # type: ignore[attr-defined]
            self.send_error(404)
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


def test_http(album: Path, photo: Path, tmp_path: Path) -> None:
    (album / "late.jpg").write_bytes(photo.read_bytes())
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(album))) as server:
        server.asked = False  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        at = f"http://127.0.0.1:{server.server_port}"
        (tmp_path / "list.csv").write_text(f"url\n{at}/0.jpg\n{at}/gone.jpg\n{at}/late.jpg\n")
        found = run(Job(str(tmp_path / "list.csv"), column="url"), tmp_path / "out")
        server.shutdown()
    (album / "late.jpg").unlink()
    assert server.asked  # type: ignore[attr-defined]
    assert [row["status"] for row in found] == ["face", "failed", "face"]
    assert found[1]["error"] == f"File {at}/gone.jpg does not exist"
    for name in ("0", "gone", "late"):
        first, *more = [asked for asked in Quiet.log if asked[1] == f"/{name}.jpg"]
        assert first == ("GET", f"/{name}.jpg", "bytes=0-67108864")  # for no more than the limit
        assert bool(more) == (name != "0")  # once, unless it failed


def test_a_loop_that_is_left_does_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And has nothing to tell, also where daft's worker takes longer to end than daft waits."""
    gray(tmp_path / "images/0.pgm")
    monkeypatch.setattr(UdfHandle.teardown, "__defaults__", (1e-4,))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "images"))) as server:
        server.asked = False  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        addresses = [f"http://127.0.0.1:{server.server_port}/0.pgm?{number}" for number in range(1000)]
        (tmp_path / "list.csv").write_text("\n".join(["url", *addresses]))
        going = score(Job(str(tmp_path / "list.csv"), detect=False, column="url"), tmp_path / "out", workers=1, rows=20)
        while next(going).done < 20:
            pass
        going.close()
        asked = sum(path.startswith("/0.pgm?") for _, path, _ in Quiet.log)
        server.shutdown()
    assert 20 <= asked < 500
    assert caplog.text == ""  # it would stand on the terminal, after mien's last sentence


def killed(line: list[str], out: Path, dice: random.Random) -> bool:
    """Start it and kill it: one time in three while it starts or just after, else soon after a file of results."""
    process = subprocess.Popen(
        line, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    before, began = len(list(out.glob("part-*"))), time.monotonic()
    if dice.random() < 1 / 3:
        time.sleep(dice.uniform(0, 1.2))
    else:
        while process.poll() is None and len(list(out.glob("part-*"))) == before and time.monotonic() - began < 120:
            time.sleep(0.01)
        time.sleep(dice.uniform(0, 0.1))
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=pytest.mark.soak)])
def test_kill_9(kills: int, tmp_path: Path) -> None:
    folder, out, images, dice = tmp_path / "faces", tmp_path / "out", 400 * kills, random.Random(kills)
    folder.mkdir()
    for number in range(images):
        pixels = np.full((48, 48), number % 256, np.uint8)
        (folder / f"{number:05d}.pgm").write_bytes(b"P5 48 48 255 " + pixels.tobytes())
    line = [sys.executable, "-m", "mien", "score", str(folder), "--out", str(out), "--no-detect"]
    line += ["--rows", "20", "--workers", "1"]
    for _ in range(kills):
        assert killed(line, out, dice)  # it was at work still
        rows(out)  # each file is whole, at any time
    print(f"score: {kills} kills at work, {len(rows(out)):,} of {images:,} rows then; every file whole each time")
    assert 0 < len(rows(out)) < images
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(row["row"] for row in rows(out)) == list(range(images))
    assert [path.name for path in out.glob(".*")] == [".lock"]  # and nothing half done is left


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process at once")
def test_sigterm_ends_it_as_ctrl_c_does(tmp_path: Path) -> None:
    for number in range(3000):
        gray(tmp_path / f"faces/{number}.pgm")
    out = tmp_path / "out"
    line = [sys.executable, "-m", "mien", "score", str(tmp_path / "faces"), "--out", str(out), "--no-detect"]
    line += ["--rows", "20", "--workers", "1"]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while not list(out.glob("part-*")):
            assert process.poll() is None
            time.sleep(0.01)
        process.terminate()
        said = process.stderr.read()
    assert (process.returncode, said.endswith(f"of 3,000 are in {out}; the same command goes on.\n")) == (130, True)


def test_killed_before_it_had_begun(album: Path, tmp_path: Path) -> None:
    """What a kill in the first instant leaves isn't taken for somebody's files."""
    out = tmp_path / "out"
    out.mkdir()
    (out / ".0a1b2c3d.job.json").write_text("{")
    assert next(score(Job(str(album)), out, workers=1)).total == 11
    assert [path.name for path in out.glob(".*")] == [".lock"]

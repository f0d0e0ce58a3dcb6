import contextlib
import copy
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.cards import Card, checksum
from mien.data.faces import FaceSet
from mien.errors import CheckpointError, DataError
from mien.evaluation.scores import evaluate
from mien.export import export_onnx
from mien.labels import FER2013
from mien.models import create_model
from mien.net import PIECE, WEIGHTS, Net, _run
from mien.shipped import BOX


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    torch.manual_seed(0)
    export_onnx(create_model("logistic"), path, Card(model="logistic", classes=FER2013))
    return path


@pytest.fixture
def run(exported: Path, tmp_path: Path) -> Path:
    """A run folder with a network and a card that lists it."""
    shutil.copy(exported, tmp_path / "model.onnx")
    sums = {"model.onnx": checksum(exported)}
    Card(model="logistic", classes=FER2013, checksums=sums, scores={"after": {"val": {"accuracy": 0.3}}}).write(
        tmp_path / "card.json"
    )
    return tmp_path


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_pixels_in_probabilities_out(exported: Path) -> None:
    net = Net(exported, threads=1)
    given = net(noise(5, 48, 48))
    assert given.shape == (5, 7)
    assert given.dtype == np.float32
    np.testing.assert_allclose(given.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(net(noise(5, 1, 48, 48)), given)
    np.testing.assert_allclose(net(noise(10, 48, 48)[::2])[1:], net(noise(10, 48, 48)[2::2]), atol=1e-6)  # strided
    assert net(noise(0, 48, 48)).shape == (0, 7)
    assert net(noise(0, 1, 48, 48)).dtype == np.float32
    assert net.classes == FER2013


@pytest.mark.parametrize("name", ["small", "small:int8"])
@pytest.mark.parametrize("quick", [0.0, 1.0])
def test_a_large_batch_is_shared_out_and_answered_in_order(
    name: str, quick: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7 * PIECE + 5, 48, 48), np.uint8)
    monkeypatch.setattr("mien.net.QUICK", quick)
    alone = Net(name, threads=1)
    one_by_one = np.concatenate([alone(pixels[[place]]) for place in range(len(pixels))])
    shared, seen = Net(name, threads=3), []
    shared(pixels[:1])  # finds out whether it's quick
    monkeypatch.setattr("mien.net._run", lambda session, batch: seen.append(len(batch)) or _run(session, batch))
    np.testing.assert_allclose(shared(pixels), one_by_one, atol=1e-6)
    assert sorted(seen) == [6, 6, 7, 7, 7, 7, 7, 7, 7]  # three for each of three threads
    for few in (2 * PIECE, 2 * PIECE - 1, 4, 3, 1):
        seen.clear()
        np.testing.assert_allclose(shared(pixels[:few]), one_by_one[:few], atol=1e-6)
        assert len(seen) == max(1, min(3, few // (2 if quick else PIECE)))
    for most, pieces in ((len(pixels), 8), (4 * PIECE, 4), (4 * PIECE - 1, 1)):
        seen.clear()
        np.testing.assert_allclose(alone(pixels[:most]), one_by_one[:most], atol=1e-6)
        assert len(seen) == pieces  # by one thread, too: in memory for no more at once


@pytest.mark.parametrize(
    "pixels", [noise(2, 47, 48), noise(2, 3, 48, 48), noise(48, 48), noise(48), noise(2, 48, 48).astype(np.float32)]
)
def test_other_pixels_are_refused(exported: Path, pixels: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"uint8 pixels of shape \(B, 1, 48, 48\); found"):
        Net(exported)(pixels)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_goes_on_with_threads_of_its_own(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.net.QUICK", 0.0)
    net, pixels = Net(exported, threads=2), noise(4 * PIECE, 48, 48)
    many, one = net(pixels), net(pixels[:1])  # both ways of sharing are at work

    def ask() -> None:
        np.testing.assert_array_equal(net(pixels), many)
        np.testing.assert_array_equal(net(pixels[:1]), one)

    child = multiprocessing.get_context("fork").Process(target=ask)
    child.start()
    child.join(30)
    assert child.exitcode == 0, child.kill()


def test_a_network_stays_what_it_was_when_another_takes_its_file(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.net.QUICK", 0.0)
    path = tmp_path / "model.onnx"
    shutil.copy(exported, path)
    net, pixels = Net(path, threads=2), noise(4 * PIECE, 48, 48)
    torch.manual_seed(1)
    export_onnx(create_model("logistic"), path, Card(model="logistic", classes=FER2013, notes="another"))
    assert np.abs(Net(path)(pixels) - net(pixels)).max() > 0.01
    np.testing.assert_allclose(net(pixels[:1]), net(pixels)[:1], atol=1e-6)


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps files that are in use")
@pytest.mark.parametrize("gone", [False, True])
def test_a_network_stays_what_it_was_when_its_weights_change_or_go(
    gone: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.net.QUICK", 0.0)
    own = shutil.copytree(BOX / "small", tmp_path / "own")
    net, pixels = Net(own, threads=2), noise(4 * PIECE, 48, 48)
    content = (own / WEIGHTS).read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    others = -np.frombuffer(content[start:], np.float16)
    (tmp_path / "new").write_bytes(content[:start] + others.tobytes())
    shutil.rmtree(own) if gone else os.replace(tmp_path / "new", own / WEIGHTS)
    np.testing.assert_allclose(net(pixels[:1]), net(pixels)[:1], atol=1e-6)


def test_a_pickled_network_is_opened_again(exported: Path) -> None:
    net = Net(exported, threads=3, spin=False)
    for same in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        assert (same.path, same.card, same._threads, same._spin) == (net.path, net.card, 3, False)


def test_a_run_folder_is_verified_and_its_card_taken(run: Path) -> None:
    assert Net(run).card.scores == {"after": {"val": {"accuracy": 0.3}}}
    assert Net(run / "model.onnx").card.scores
    with (run / "model.onnx").open("r+b") as file:
        file.seek(-200, 2)
        file.write(b"x")
    with pytest.raises(CheckpointError, match=r"model\.onnx: changed or damaged"):
        Net(run)


def test_a_card_of_another_network_is_refused(run: Path) -> None:
    card = Card.read(run)
    card.model_copy(update={"classes": FER2013[::-1]}).write(run / "card.json")
    with pytest.raises(CheckpointError, match=r"card\.json: its classes"):
        Net(run)


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    for name in ("nothing.onnx", 300 * "a"):
        with pytest.raises(CheckpointError, match="no such file"):
            Net(tmp_path / name)
    with pytest.raises(CheckpointError, match=r"no model\.onnx in this folder"):
        Net(tmp_path)


def test_foreign_files_are_refused(tmp_path: Path, exported: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.onnx"
    for content in (b"", b"hello", bytes(1000), exported.read_bytes()[:3000], exported.read_bytes()[:-9]):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"m\.onnx: "):
            Net(path)
    assert capfd.readouterr() == ("", "")


def changed(exported: Path, path: Path, metadata: dict[str, str]) -> Path:
    proto = onnx.load(exported)
    onnx.helper.set_model_props(proto, metadata)
    onnx.save(proto, path)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")
def test_weights_are_looked_for_beside_the_graph_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, odd = tmp_path / "here", os.fsdecode(b"caf\xe9")
    for folder, name in ((here, f"{odd}.onnx"), (tmp_path / odd, "model.onnx")):
        folder.mkdir()
        shutil.copy(BOX / "small" / "model.onnx", folder / name)
    shutil.copy(BOX / "small" / WEIGHTS, here)
    assert Net(here / f"{odd}.onnx").card.model
    monkeypatch.chdir(here)
    with pytest.raises(CheckpointError):
        Net(tmp_path / odd / "model.onnx")


def test_an_onnx_file_without_our_card_is_refused(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not one of mien's"):
        Net(changed(exported, tmp_path / "m.onnx", {"labels": "[]"}))
    with pytest.raises(CheckpointError, match="card inside: not a card"):
        Net(changed(exported, tmp_path / "m.onnx", {"mien.card": "{"}))
    other = Card(model="logistic", classes=("no", "yes")).to_json()
    with pytest.raises(CheckpointError, match="inputs and outputs"):
        Net(changed(exported, tmp_path / "m.onnx", {"mien.card": other}))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000_000), st.binary(min_size=1, max_size=8))
def test_scribbled_files_load_or_are_refused(exported: Path, tmp_path: Path, at: int, junk: bytes) -> None:
    content = bytearray(exported.read_bytes())
    at %= len(content)
    content[at : at + len(junk)] = junk
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with contextlib.suppress(CheckpointError):
        given = Net(path)(noise(1, 48, 48))
        assert given.shape == (1, 7)


def test_evaluation_agrees_with_the_network_it_was_exported_from(exported: Path) -> None:
    faces = FaceSet(noise(64, 48, 48), np.arange(64) % 7)
    torch.manual_seed(0)
    ours, theirs = evaluate(Net(exported), faces, views=2), evaluate(create_model("logistic"), faces, views=2)
    assert ours.confusion == theirs.confusion
    assert ours.loss == pytest.approx(theirs.loss, abs=1e-4)
    with pytest.raises(DataError, match="doesn't fit these faces"):
        evaluate(Net(exported), FaceSet(faces.images, faces.targets, classes=("other", *FER2013[1:])))


def test_it_runs_where_torch_and_onnx_are_not(run: Path) -> None:
    program = (
        "import sys; sys.modules['torch'] = sys.modules['onnx'] = None\n"
        "import numpy as np; from mien.net import Net\n"
        "print(Net(sys.argv[1])(np.zeros((2, 48, 48), np.uint8)).shape)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(run)], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("(2, 7)", "")

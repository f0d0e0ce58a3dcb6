"""The benchmark of training: its floor by hand, and both of its ways really learn."""

import importlib.util
import math
import random
import re
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import mien
from mien.data.drawn import draw

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "training.py"
spec = importlib.util.spec_from_file_location("training_benchmark", SCRIPT)
assert spec is not None
assert spec.loader is not None
benchmark = importlib.util.module_from_spec(spec)
spec.loader.exec_module(benchmark)


def test_the_floor_of_one_layer_by_hand() -> None:
    model, pixels = mien.create_model("logistic"), 48 * 48
    by_products = benchmark.floor_seconds(model, 48, products=1e9, bandwidth=1e18, width=4, batch=128)
    assert by_products == pytest.approx(3 * 7 * pixels / 1e9)
    by_bytes = benchmark.floor_seconds(model, 48, products=1e18, bandwidth=1e9, width=2, batch=128)
    layer = pixels + 7 + (7 * pixels + 7) / 128  # in, out, weights
    normalising = 2 * pixels
    assert by_bytes == pytest.approx(3 * 2 * (layer + normalising) / 1e9)


def test_the_plain_way_changes_faces_within_the_recipe() -> None:
    random.seed(0)  # where it draws from
    faces = draw(8)
    recipe = mien.recipe("cnn", flip=False, shift=0, scale=0, rotate=0, erase=0)
    still, mirrored = benchmark.OneByOne(faces, recipe), 0
    for at in [*range(8)] * 4:
        (pixels, label), own = still[at], torch.from_numpy(faces.images[at]).float()
        assert label == faces.labels[at]
        assert torch.equal(pixels[0], own) or torch.equal(pixels[0], own.flip(1))
        mirrored += torch.equal(pixels[0], own.flip(1))
    assert 8 <= mirrored <= 24  # half of them, as the recipes that it is set beside do
    moved = benchmark.OneByOne(faces, mien.recipe("cnn"))
    assert len({moved[0][0].sum().item() for _ in range(4)}) == 4


def test_the_plain_way_is_timed_once_it_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class SlowAtFirst(benchmark.OneByOne):
        def __getitem__(self, at: int) -> tuple[torch.Tensor, int]:
            asked.append(at)
            time.sleep(0.2 if len(asked) <= 4 else 0)
            return super().__getitem__(at)

    monkeypatch.setattr(benchmark, "OneByOne", SlowAtFirst)
    rate = benchmark.plain(draw(8), mien.recipe("logistic", batch=2), torch.device("cpu"), workers=0)
    assert rate > 40 / (4 * 0.2)
    assert len(asked) == 4 + 40  # two batches to start with, then an epoch of 20
    assert sorted(asked[4:]) == sorted([*range(8)] * 5)


def test_the_first_epoch_isnt_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    rates, fit = [], mien.fit

    def watched(*words: object, **fields: object) -> Iterator[mien.Epoch]:
        for epoch in fit(*words, **fields):
            rates.append(epoch.faces_per_second)
            yield epoch

    monkeypatch.setattr(mien, "fit", watched)
    bench = benchmark.Bench(draw(64), draw(32), torch.device("cpu"), Namespace(faces=64, compile=False))
    assert bench.rate(bench.recipe("logistic", batch=32)) == pytest.approx(rates[1])
    assert len(rates) == 2
    rates.clear()
    bench.least = math.inf  # as on a GPU, where an epoch is over too soon
    measured = bench.rate(bench.recipe("logistic", batch=32, epochs=4))
    assert measured == pytest.approx(3 / sum(1 / rate for rate in rates[1:]))


def test_every_row_of_growing_work_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    given = Namespace(faces=16, compile=False)
    benchmark.Bench(draw(32), draw(8), torch.device("cpu"), given).as_it_grows()
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert [len(re.findall(r": [\d,]+", row)) for row in rows] == [4, 3, 3, 3]


def test_the_seconds_to_an_accuracy(capsys: pytest.CaptureFixture[str]) -> None:
    given = Namespace(faces=32, compile=False, model=["logistic"])
    benchmark.Bench(draw(32), draw(16), torch.device("cpu"), given).to_accuracy([0.0, 1.1])
    reached, missed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    found = re.match(r"  0\.0: ([\d.]+) s, ([\d.]+) without start and compiling; epoch   1/20 ", reached)
    assert found
    assert float(found[2]) <= float(found[1])
    assert missed == "  1.1: not reached in 20 epochs"

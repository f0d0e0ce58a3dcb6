"""The drawn faces are hard in the right way: the demo ladder, three seeds, as `make demo` trains it."""

from pathlib import Path

import numpy as np
import pytest

import mien
from mien.ladder import compare_rungs
from mien.models import LADDER

pytestmark = pytest.mark.soak


def test_each_rung_of_the_demo_is_better_than_the_last(tmp_path: Path) -> None:
    splits = mien.drawn_faces()
    accuracies = []
    for seed in range(3):
        folder = tmp_path / str(seed)
        for model in LADDER:
            for _ in mien.train(folder / model, splits, mien.recipe(model, "demo", seed=seed)):
                pass
        ladder = compare_rungs(folder, splits)
        accuracies.append([rung.after["val"].accuracy for rung in ladder.rungs])
        print("seed", seed, *(f"{rung.model} {rung.after['val'].accuracy:.4f}" for rung in ladder.rungs))
    mean = np.mean(accuracies, axis=0)
    print("mean", mean.round(4))
    assert mean[0] <= 0.60
    assert (np.diff(mean) >= 0.04).all()
    assert 0.85 <= mean[3] <= 0.97

"""A run folder: what stands in it after a training that was stopped at a bad moment."""

from pathlib import Path

import torch

from mien.checkpoint import load_run, load_state, save_state, save_weights
from mien.data.drawn import drawn_faces
from mien.experiment import fresh, train
from mien.training.recipe import recipe


def test_weights_of_an_epoch_that_was_never_recorded_dont_stay(tmp_path: Path) -> None:
    splits, made = drawn_faces(140), recipe("logistic", "demo", epochs=2)
    for _ in train(tmp_path, splits, made, device="cpu"):
        break
    state = load_state(tmp_path / "state.pt")
    state["fit"]["accuracy"] = 1.0  # the epoch that is done again won't be a better one
    save_state(state, tmp_path / "state.pt")
    save_weights(fresh(recipe("logistic", "demo", seed=5), splits), tmp_path / "weights.safetensors")  # killed after it
    assert len(list(train(tmp_path, splits, made, device="cpu", resume=True))) == 1
    model, _ = load_run(tmp_path)
    for name, value in model.state_dict().items():
        assert torch.equal(value, state["fit"]["best"][name]), name

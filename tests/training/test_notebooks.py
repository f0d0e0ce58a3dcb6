"""What people do in notebooks, on machines with GPUs as far as that can be tried without one."""

import gc
import signal
import warnings
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mien.cards import Card
from mien.checkpoint import load_run
from mien.cli.progress import ended_as_by_ctrl_c
from mien.data.drawn import drawn_faces
from mien.data.faces import FaceSet
from mien.errors import MienError, RecipeError, TooLittleMemory
from mien.experiment import train
from mien.explain import explain
from mien.export import export_onnx
from mien.models import create_model
from mien.models.stem import Pixels
from mien.training.checks import no_memory
from mien.training.device import pick_device
from mien.training.fit import fit
from mien.training.recipe import recipe

SPLITS = drawn_faces(140)
QUICK = recipe("cnn", "demo", epochs=1, options={"widths": [4], "depths": [1]})


class Own(nn.Module):
    """As notebooks have it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.linear = nn.Conv2d(1, 4, 3, 2, padding=1), nn.Linear(4 * 24 * 24, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x.float() / 255).relu()
        return self.linear(x.view(x.size(0), -1))


def test_a_network_that_flattens_by_view_is_trained_and_judged() -> None:
    model = Own()
    (epoch,) = fit(model, SPLITS.train, SPLITS.val, QUICK, device="cpu")
    assert epoch.train_loss > 0
    assert model(torch.zeros(2, 1, 48, 48)).shape == (2, 7)
    list(fit(create_model("cnn", **QUICK.options), SPLITS.train, SPLITS.val, QUICK, device="cpu", teachers=[model]))


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode])
def test_it_is_said_where_there_are_no_gradients(around: Any) -> None:
    model = create_model("cnn", **QUICK.options)
    with around(), pytest.raises(RecipeError, match=r"call it outside of torch\.no_grad"):
        next(fit(model, SPLITS.train, SPLITS.val, QUICK, device="cpu"))
    with torch.inference_mode(), pytest.raises(MienError, match="explain needs gradients"):
        explain(model, SPLITS.val.images[:1], SPLITS.classes)


def test_gradients_that_the_loop_switches_off_are_there_for_the_next_epoch() -> None:
    made, losses = QUICK.model_copy(update={"epochs": 2}), []
    for kept in (True, False):
        torch.manual_seed(0)
        model = create_model("cnn", **made.options)
        with torch.enable_grad():
            for epoch in fit(model, SPLITS.train, SPLITS.val, made, device="cpu"):
                torch.set_grad_enabled(kept)  # as one does to look at some answers
                losses.append(epoch.train_loss)
            assert torch.is_grad_enabled() == kept
    assert losses[:2] == losses[2:]


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_network_of_torchscript_is_trained_as_any_other(ema: float) -> None:
    made, losses = QUICK.model_copy(update={"ema": ema}), []
    for scripted in (False, True):
        torch.manual_seed(0)
        model = torch.jit.script(Own()) if scripted else Own()
        losses += [epoch.val_loss for epoch in fit(model, SPLITS.train, SPLITS.val, made, device="cpu")]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_a_networks_own_faults_arent_its_faces_size() -> None:
    model = create_model("cnn", **QUICK.options).half()
    with pytest.raises(RecipeError, match=r"The cnn fails on .* weights are torch\.float16; .* model\.float"):
        next(fit(model, SPLITS.train, SPLITS.val, QUICK, device="cpu"))
    small = FaceSet(SPLITS.train.images[:, :2, :2], SPLITS.train.targets)
    with pytest.raises(RecipeError, match="can't take faces of 2 pixels; give it larger ones"):
        next(fit(create_model("cnn", widths=[4, 4], depths=[1, 1]), small, small, recipe("cnn"), device="cpu"))


def test_what_a_failed_training_held_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[Any] = []

    def full(self: Any, *_: Any) -> Any:
        large = nn.Linear(1, 1)
        held.append(weakref.ref(large))
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("mien.training.learner.Learner.epoch", full)
    with pytest.raises(TooLittleMemory) as kept:
        next(fit(create_model("cnn", **QUICK.options), SPLITS.train, SPLITS.val, QUICK, device="cpu"))
    gc.collect()
    assert kept.value.__context__ is not None  # as a notebook keeps it
    assert held[0]() is None


def test_what_the_libraries_say_of_memory_is_understood() -> None:
    for said in (
        "CUDA error: out of memory",
        "CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    ):
        assert no_memory(RuntimeError(said))


def test_a_gpu_that_torch_has_no_programs_for_isnt_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    def ones(*_: Any, **how: Any) -> Any:
        assert how["device"].type == "cuda"
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "ones", ones)
    with pytest.warns(UserWarning, match="The GPU can't be used .*no kernel image.*; this is done on the CPU"):
        assert pick_device() == torch.device("cpu")
    with pytest.raises(MienError, match="There is no device 'cuda' that works here"):
        pick_device("cuda")


def test_where_torchs_default_device_is_another_one_a_network_is_the_same(tmp_path: Path) -> None:
    made = QUICK.model_copy(update={"mixup": 0.4, "cutmix": 1.0})
    list(train(tmp_path / "as it is", SPLITS, made, device="cpu"))
    with torch.device("meta"):
        list(train(tmp_path / "other", SPLITS, made, device="cpu", export=False))
        model, _ = load_run(tmp_path / "other")
    assert {parameter.device.type for parameter in model.parameters()} == {"cpu"}
    first, second = (load_run(tmp_path / name)[0].state_dict() for name in ("as it is", "other"))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_a_training_seeds_no_gpu_that_it_doesnt_use(monkeypatch: pytest.MonkeyPatch) -> None:
    def seeded(*_: Any) -> None:
        pytest.fail("the caller's GPU was seeded")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded)
    model, before = create_model("cnn", **QUICK.options), torch.get_rng_state()
    list(fit(model, SPLITS.train, SPLITS.val, QUICK, device="cpu"))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_network_in_data_parallel_is_exported(tmp_path: Path) -> None:
    model = create_model("cnn", **QUICK.options)
    card = Card(model="cnn", options=model.options, classes=SPLITS.classes)
    export_onnx(nn.DataParallel(model), tmp_path / "model.onnx", card)
    assert (tmp_path / "model.onnx").stat().st_size


def test_pixels_that_were_divided_are_warned_of_once_while_training() -> None:
    stem, divided = Pixels().train(), torch.from_numpy(SPLITS.val.pixels[:2]).float() / 255
    with pytest.warns(UserWarning, match="floats of 0 to 1"):
        stem(divided)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stem(divided)
        Pixels().train()(torch.from_numpy(np.float32(SPLITS.val.pixels[:2])))


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows")
def test_a_closed_terminal_ends_it_as_ctrl_c_does_but_not_what_nohup_keeps() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with pytest.raises(KeyboardInterrupt), ended_as_by_ctrl_c():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with ended_as_by_ctrl_c():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)

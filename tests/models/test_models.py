"""Every registered model keeps the one contract; the registry and the costs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mien.cards import Card
from mien.errors import MienError, UnknownModel
from mien.export import export_onnx
from mien.labels import FER2013
from mien.models import LADDER, create_model, list_models, register, summarise
from mien.models.stem import GRAY, Pixels
from mien.net import Net

ALL = list_models()


def faces(n: int = 6, channels: int = 1, size: int = 48, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, channels, size, size), generator=generator, dtype=torch.uint8)


@pytest.fixture(params=ALL)
def model(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    made = create_model(request.param)
    for p in made.parameters():  # residual blocks start as nothing added; here they shall add something
        if p.ndim == 1:
            nn.init.uniform_(p, 0.5, 1.0)
    return made


def test_the_ladder_comes_first_in_its_order() -> None:
    assert tuple(ALL[:4]) == LADDER == ("logistic", "feedforward", "cnn", "resnet")


def test_pixels_in_finite_logits_out(model: nn.Module) -> None:
    logits = model(faces())
    assert logits.shape == (6, 7)
    assert logits.isfinite().all()


def test_uint8_and_float_agree(model: nn.Module) -> None:
    model.eval()
    assert torch.equal(model(faces()), model(faces().float()))


def test_every_parameter_gets_a_gradient(model: nn.Module) -> None:
    nn.functional.cross_entropy(model(faces(16)), torch.arange(16) % 7).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("value", [0, 128, 255])
def test_an_image_without_contrast_gives_numbers(model: nn.Module, value: int) -> None:
    assert model.eval()(torch.full((2, 1, 48, 48), value, dtype=torch.uint8)).isfinite().all()


def test_onnx_answers_as_pytorch_does(model: nn.Module, tmp_path: Path) -> None:
    model.eval()
    name = str(model.name)
    export_onnx(model, tmp_path / "model.onnx", Card(model=name, classes=FER2013))
    with torch.inference_mode():
        expected = model(faces(5)).softmax(1).numpy()
    assert np.abs(Net(tmp_path / "model.onnx")(faces(5).numpy()) - expected).max() < 1e-4


@pytest.mark.parametrize("name", ALL)
def test_other_classes_channels_and_sizes(name: str) -> None:
    model = create_model(name, classes=3, channels=3, size=64)
    assert model(faces(2, channels=3, size=64)).shape == (2, 3)
    assert model(faces(2, size=64)).shape == (2, 3)  # gray is repeated


@pytest.mark.parametrize("name", ["cnn", "resnet"])
@pytest.mark.parametrize("size", [32, 36, 40, 44, 64])
def test_convolutions_take_any_size(name: str, size: int) -> None:
    assert create_model(name)(faces(2, size=size)).shape == (2, 7)


def test_a_gray_network_weighs_colours() -> None:
    rgb = faces(2, channels=3)
    gray = (rgb.float() * torch.tensor(GRAY).view(1, 3, 1, 1)).sum(1, keepdim=True)
    torch.testing.assert_close(Pixels(1)(rgb), Pixels(1)(gray))


def test_normalised_faces_have_mean_0_and_deviation_1() -> None:
    x = Pixels(1)(faces())
    assert x.mean((1, 2, 3)).abs().max() < 1e-4
    assert (x.std((1, 2, 3)) - 1).abs().max() < 0.05


def test_a_stem_with_a_size_resizes() -> None:
    assert Pixels(1, 24, "none")(faces(2)).shape == (2, 1, 24, 24)


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(UnknownModel, match="logistic, feedforward, cnn, resnet"):
        create_model("vgg")


@pytest.mark.parametrize("options", [{"depth": 3}, {"widths": [8, 8], "depths": [1]}, {"normalise": "no"}])
def test_an_option_that_the_model_has_not(options: dict[str, object]) -> None:
    with pytest.raises(UnknownModel, match="'cnn' can't be built"):
        create_model("cnn", **options)


def test_a_name_is_given_once() -> None:
    with pytest.raises(MienError, match="registered already"):
        register("cnn")(nn.Linear)


def test_a_model_says_what_builds_it_again() -> None:
    model = create_model("resnet", classes=3, widths=[8, 16], depths=[1, 1])
    again = create_model(str(model.name), **model.options)  # type: ignore[arg-type]
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in model.state_dict().items()}


def test_costs_worked_by_hand() -> None:
    summary = summarise(create_model("cnn", widths=[4, 8], depths=[1, 1]))
    first, second, last = 4 * 9 * 48 * 48, 4 * 8 * 9 * 24 * 24, 8 * 7
    assert summary.macs == first + second + last
    assert summary.parameters == 4 * 9 + 2 * 4 + 4 * 8 * 9 + 2 * 8 + 8 * 7 + 7
    shapes = [layer.shape for layer in summary.layers if layer.kind == "MaxPool2d"]
    assert shapes == [(4, 24, 24), (8, 12, 12)]


def test_logistic_regressions_gradient_by_hand() -> None:
    """The gradient of the cross-entropy is (probabilities - truth) times the pixels: lesson 1, against autograd."""
    model = create_model("logistic", normalise="none")
    pixels, labels = faces(8), np.arange(8) % 7
    nn.functional.cross_entropy(model(pixels), torch.from_numpy(labels)).backward()
    weights, bias = (p.detach().double().numpy() for p in model.parameters())
    x = pixels.numpy().reshape(8, -1) / 255.0
    logits = x @ weights.T + bias
    exponents = np.exp(logits - logits.max(1, keepdims=True))
    error = exponents / exponents.sum(1, keepdims=True) - np.eye(7)[labels]
    by_hand = (error.T @ x / 8, error.mean(0))
    for parameter, expected in zip(model.parameters(), by_hand, strict=True):
        assert parameter.grad is not None
        np.testing.assert_allclose(parameter.grad.numpy(), expected, rtol=1e-3, atol=1e-6)

"""What every network does with the faces it is given: other sizes, colours, counts, alone or in a batch."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mien.models import create_model, list_models
from mien.models.stem import GRAY

every_model = pytest.mark.parametrize("name", list_models())


def built(name: str, **options: Any) -> nn.Module:
    """The network, every weight moved off the value it starts from, its norms settled on a batch of faces."""
    torch.manual_seed(0)
    model = create_model(name, **options)
    with torch.no_grad():
        for parameter in model.parameters():  # a residual block's last norm starts at 0, and hides what is before it
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
        for module in model.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.momentum = 1.0  # the running means are those of the last batch
        model(faces(32, options.get("channels", 1), options.get("size", 48)))
    return model


def faces(n: int, channels: int = 1, size: int = 48) -> Tensor:
    """Soft blobs: pure noise would look alike to a network that ends in a mean over all places."""
    blobs = torch.rand(n, channels, 6, 6, generator=torch.Generator().manual_seed(n))
    return (nn.functional.interpolate(blobs, (size, size), mode="bilinear") * 256).to(torch.uint8)


@every_model
def test_a_face_answers_alike_alone_and_in_a_batch(name: str) -> None:
    model, pixels = built(name).eval(), faces(4)
    logits = model(pixels)
    torch.testing.assert_close(logits[2:3], model(pixels[2:3]), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(logits[2], logits[3], atol=1e-2)  # which it wouldn't tell if all answered alike


@every_model
def test_a_gray_network_weighs_colour_to_gray(name: str) -> None:
    model, colour = built(name).eval(), faces(3, channels=3)
    gray = (colour.float() * torch.tensor(GRAY).view(1, 3, 1, 1)).sum(1, keepdim=True)
    torch.testing.assert_close(model(colour), model(gray), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(model(colour), model(colour.flip(1)), atol=1e-2)  # red isn't blue


@every_model
def test_a_colour_network_repeats_gray(name: str) -> None:
    model, gray = built(name, channels=3).eval(), faces(3)
    torch.testing.assert_close(model(gray), model(gray.repeat(1, 3, 1, 1)), atol=1e-5, rtol=1e-4)


@every_model
@pytest.mark.parametrize("classes", [2, 8])
def test_other_class_counts(name: str, classes: int) -> None:
    assert built(name, classes=classes).eval()(faces(3)).shape == (3, classes)


@every_model
@pytest.mark.parametrize("size", [32, 50, 64])
def test_other_sizes(name: str, size: int) -> None:
    assert built(name, size=size).eval()(faces(2, size=size)).isfinite().all()
    assert built(name).eval()(faces(2, size=size)).isfinite().all()  # resized, or looked at as it is


@every_model
def test_a_batch_without_contrast_gives_finite_gradients(name: str) -> None:
    model = built(name)
    model(torch.full((4, 1, 48, 48), 128, dtype=torch.uint8)).square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@every_model
def test_the_random_state_decides_the_first_weights(name: str) -> None:
    logits = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        logits.append(create_model(name).eval()(faces(2)))
    assert torch.equal(logits[0], logits[1])
    assert not torch.equal(logits[0], logits[2])


@pytest.mark.parametrize("name", ["feedforward", "cnn", "resnet"])
def test_dropout_drops_while_learning_only(name: str) -> None:
    pixels = faces(16)
    with_it, without = built(name, dropout=0.5), built(name, dropout=0.0)
    torch.manual_seed(1)
    assert not torch.allclose(with_it(pixels), with_it(pixels), atol=1e-3)
    assert torch.equal(without(pixels), without(pixels))
    assert torch.equal(with_it.eval()(pixels), with_it(pixels))

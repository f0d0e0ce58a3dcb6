import pytest
import torch
from torch import nn

from mien.models import create_model, list_models, summarise
from mien.models.stem import Pixels


def test_logistic_by_hand() -> None:
    summary = summarise(create_model("logistic"))
    assert summary.parameters == 48 * 48 * 7 + 7 == 16_135
    assert summary.macs == 48 * 48 * 7 == 16_128
    assert [(layer.kind, layer.shape) for layer in summary.layers] == [("Pixels", (1, 48, 48)), ("Linear", (7,))]


def test_cnn_by_hand() -> None:
    summary = summarise(create_model("cnn", widths=(2, 4), depths=(1, 2), classes=3, channels=3, size=16))
    filters = [3 * 9 * 2, 2 * 9 * 4, 4 * 9 * 4]  # inputs × 3×3 × outputs, no bias
    norms = [2 * 2, 2 * 4, 2 * 4]
    head = 4 * 3 + 3
    assert summary.parameters == sum(filters) + sum(norms) + head
    places = [16 * 16, 8 * 8, 8 * 8]  # where each filter is laid; the head has one place
    assert summary.macs == sum(f * p for f, p in zip(filters, places, strict=True)) + 4 * 3
    convolutions = [layer for layer in summary.layers if layer.kind == "Conv2d"]
    assert [(layer.shape, layer.parameters) for layer in convolutions] == [
        ((2, 16, 16), filters[0]),
        ((4, 8, 8), filters[1]),
        ((4, 8, 8), filters[2]),
    ]


def test_a_network_without_weights() -> None:
    summary = summarise(nn.Flatten())
    assert (summary.parameters, summary.macs, summary.layers[0].shape) == (0, 0, (48 * 48,))


def test_resnet_block_by_hand() -> None:
    summary = summarise(create_model("resnet", stem=2, widths=(2, 4), depths=(1, 1)))
    stem = 9 * 2
    first = 2 * (2 * 9 * 2)  # its short cut is the input itself
    second = 2 * 9 * 4 + 4 * 9 * 4 + 2 * 4  # 24 -> 12 px, and a 1×1 filter on the short cut
    norms = 2 * (2 + 2 + 2 + 4 + 4 + 4)
    assert summary.parameters == stem + first + second + norms + 4 * 7 + 7
    assert summary.macs == stem * 48**2 + first * 24**2 + second * 12**2 + 4 * 7


@pytest.mark.parametrize("name", list_models())
def test_the_layers_add_up_and_the_network_is_left_as_it_was(name: str) -> None:
    model = create_model(name)
    before = {part: value.clone() for part, value in model.state_dict().items()}
    summary = summarise(model)
    assert summary.parameters == sum(layer.parameters for layer in summary.layers)
    assert summary.macs == sum(layer.macs for layer in summary.layers)
    assert model.training
    assert all(torch.equal(value, before[part]) for part, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
    summarise(model.eval())
    assert not model.training


def test_a_network_in_a_wrapper_is_given_a_face_of_its_own_size() -> None:
    model = create_model("cnn", size=96, channels=3)
    assert summarise(nn.DataParallel(model)).macs == summarise(model).macs


def test_layers_that_are_sized_by_their_first_face_can_be_trained_after_it() -> None:
    model = nn.Sequential(Pixels(), nn.Flatten(), nn.LazyLinear(7))
    assert summarise(model).parameters == 48 * 48 * 7 + 7
    model(torch.zeros(2, 1, 48, 48)).sum().backward()


def test_it_prints_as_a_table_and_is_short_among_others() -> None:
    summary = summarise(create_model("logistic"))
    head, *layers, total = str(summary).splitlines()
    assert head.split() == ["layer", "kind", "shape", "it", "gives", "parameters", "multiply-adds"]
    assert len(layers) == len(summary.layers)
    assert total.split() == ["all", "16,135", "16,128"]
    assert repr(summary) == f"Summary({len(layers)} layers, 16,135 parameters, 16,128 multiply-adds)"
    assert summary == summarise(create_model("logistic"))


class Sequence(nn.Module):
    """Layers of one's own: a face becomes 48 tokens of 16 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(48, 16, 3, padding=1, groups=2)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.up = nn.ConvTranspose2d(1, 2, 3, stride=2)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.conv(pixels.float().flatten(1, 2)).transpose(1, 2)  # (B, 48, 16)
        x, _ = self.attention(x, x, x)
        return self.up(x[:, None])


def test_layers_of_ones_own_count_as_torch_counts_them() -> None:
    """By hand, with the figures that torch's FlopCounterMode has; importing that takes half a minute."""
    macs = {layer.kind: layer.macs for layer in summarise(Sequence()).layers}
    assert macs["Conv1d"] == 24 * 16 * 3 * 48
    assert macs["MultiheadAttention"] == 4 * 16 * 16 * 48  # query, key, value, and what comes out
    assert macs["ConvTranspose2d"] == 2 * 3 * 3 * 48 * 16  # each number that it is given times each weight

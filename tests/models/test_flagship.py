"""The flagship: its budgets, and the two heads on one trunk."""

import pytest
import torch

from mien.errors import UnknownModel
from mien.models import create_model, summarise
from mien.models.flagship import Block, Squeeze


@pytest.mark.parametrize(("name", "parameters", "macs"), [("flagship", 3.5e6, None), ("flagship_small", 0.8e6, 60e6)])
def test_it_stays_within_its_budget(name: str, parameters: float, macs: float | None) -> None:
    cost = summarise(create_model(name, second=8))
    assert cost.parameters <= parameters
    assert macs is None or cost.macs <= macs


@pytest.mark.parametrize("options", [{"squeeze": [False, True]}, {"depths": [1, 1, 1, 1]}, {"widths": [16, 32]}])
def test_each_stage_has_its_width_depth_and_squeeze(options: dict[str, list[int]]) -> None:
    with pytest.raises(
        UnknownModel, match=r"can't be built with .*: [23] widths, [34] depths, squeeze for [23] stages"
    ):
        create_model("flagship_small", **options)
    blocks = create_model("flagship_small", squeeze=[False, True, False]).blocks
    assert [len(block.f) == 6 for block in blocks] == [False, True, False]


def test_joint_gives_both_heads_and_forward_the_first() -> None:
    torch.manual_seed(0)
    model = create_model("flagship_small", second=8).eval()
    pixels = torch.randint(0, 256, (3, 1, 48, 48), dtype=torch.uint8)
    with torch.inference_mode():
        both = model.joint(pixels)
        assert both.shape == (3, 15)
        torch.testing.assert_close(both[:, :7], model(pixels))


def test_without_a_second_head_joint_is_forward() -> None:
    torch.manual_seed(0)
    model = create_model("flagship_small").eval()
    pixels = torch.randint(0, 256, (2, 1, 48, 48), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(model.joint(pixels), model(pixels))


def test_depth_is_dropped_in_training_alone() -> None:
    torch.manual_seed(0)
    model = create_model("flagship_small", drop=0.5, dropout=0.0)
    for block in model.blocks:
        torch.nn.init.ones_(block.f[4].weight)  # at first a block's own path gives nothing that could be dropped
    pixels = torch.randint(0, 256, (8, 1, 48, 48), dtype=torch.uint8)
    with torch.inference_mode():
        model.train()
        assert not torch.equal(model(pixels), model(pixels))
        model.eval()
        assert torch.equal(model(pixels), model(pixels))


def test_what_is_kept_is_scaled_up_and_the_last_blocks_are_dropped_most() -> None:
    torch.manual_seed(0)
    block = Block(4, 4, shrink=False, squeeze=True, drop=0.25)
    x = torch.rand(400, 4, 6, 6)
    with torch.inference_mode():
        assert torch.equal(block.eval()(x), x)  # a new one passes on what it gets
        torch.nn.init.ones_(block.f[4].weight)
        own = block.f(x)
        block.train().f.eval()
        seen = block(x)
    kept = (seen != x).flatten(1).any(1)
    assert 0.65 < float(kept.float().mean()) < 0.85
    torch.testing.assert_close(seen, torch.where(kept[:, None, None, None], (x + own / 0.75).relu(), x))
    blocks = create_model("flagship", stem=4, widths=[4, 4], depths=[2, 3], drop=0.4).blocks
    assert [block.drop for block in blocks] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_each_channel_is_weighed_by_the_means_of_all() -> None:
    torch.manual_seed(0)
    squeeze, x = Squeeze(16), torch.rand(3, 16, 5, 5)
    with torch.inference_mode():
        weights = squeeze.weigh(x.flatten(2).mean(2))
        torch.testing.assert_close(squeeze(x), torch.einsum("bchw,bc->bchw", x, weights))

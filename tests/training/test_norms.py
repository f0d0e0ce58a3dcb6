"""Measuring the norms' means and variances anew."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from mien.training.norms import measure_


class Net(nn.Module):
    """One norm, used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.kept = nn.BatchNorm1d(1, affine=False), nn.BatchNorm1d(1, affine=False)
        self.dropout = nn.Dropout(0.5)

    def train(self, mode: bool = True) -> "Net":
        super().train(mode)
        self.kept.eval()  # as some freeze a norm
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.norm(self.dropout(x)) + 100 + 0 * self.kept(x))


def test_every_use_of_a_norm_counts_and_what_stays_in_eval_mode_stays() -> None:
    net = Net()
    measure_(net, [torch.tensor([[0.0], [2.0]]), torch.tensor([[2.0], [4.0]])])
    assert float(net.norm.running_mean) == pytest.approx((1 + 100 + 3 + 100) / 4)  # no face was left out, either
    assert float(net.kept.running_mean) == 0
    assert not net.training
    assert not net.norm.training


def test_whoever_stops_it_keeps_the_norms_momentum() -> None:
    def batches() -> Iterator[torch.Tensor]:
        yield torch.zeros(2, 1)
        raise KeyboardInterrupt

    net = Net()
    net.norm.momentum = 0.3
    with pytest.raises(KeyboardInterrupt):
        measure_(net, batches())
    assert net.norm.momentum == 0.3
    assert not net.norm.training
    assert not net.norm._forward_pre_hooks

"""Solutions to the exercises of lesson 4: a residual network."""

import math

import torch
from torch import nn


def start_well(model):
    """4.1: draw the weights of all convolutions so that the numbers keep their size; biases 0. Gives the model.

    A sum of n numbers, each times a random weight, varies n times as much as one of them; the ReLU then throws half of
    it away. The deviation sqrt(2 / n) makes up for both. The gradients of the plain deep network no longer vanish. (It
    is still harder to train than one with skips.)
    """
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.normal_(0, math.sqrt(2 / layer.weight[0].numel()))
                if layer.bias is not None:
                    layer.bias.zero_()
    return model


def one_cycle(done, warmup):
    """4.2: the factor of the highest learning rate when a share `done` of all steps is behind."""
    if done < warmup:
        return 1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * done / warmup)) / 2
    return (1 + math.cos(math.pi * (done - warmup) / (1 - warmup))) / 2


def fold(convolution, norm):
    """4.3: one convolution that does the work of a convolution and the batch normalisation after it.

    The norm gives (y - mean) * scale + move, with scale = weight / sqrt(variance + eps), for each map; y is w * x + b.
    So the weights become w * scale, and the bias (b - mean) * scale + move.
    """
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    folded = nn.Conv2d(
        convolution.in_channels,
        convolution.out_channels,
        convolution.kernel_size,
        convolution.stride,
        convolution.padding,
    )
    bias = torch.zeros_like(norm.running_mean) if convolution.bias is None else convolution.bias
    with torch.no_grad():
        folded.weight.copy_(convolution.weight * scale.view(-1, 1, 1, 1))
        folded.bias.copy_((bias - norm.running_mean) * scale + norm.bias)
    return folded

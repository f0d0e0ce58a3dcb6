"""Cross-entropy for hard and soft targets, and the weights that make rare classes count."""

import torch
from torch import Tensor
from torch.nn import functional as F


def cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.0, weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy, in nats.

    Args:
        logits: `(B, K)` float.
        targets: `(B,)` int64 classes, or `(B, K)` float shares that add to 1.
        smoothing: this share of each target is spread evenly over all classes (Szegedy et al., 2016).
        weights: `(K,)` weight of each class, or None. With hard targets the mean is over the weights of the batch, with
            soft ones over its faces, as torch has it.

    >>> round(float(cross_entropy(torch.zeros(1, 7), torch.tensor([3]))), 4)  # log 7: no idea at all
    1.9459
    """
    return F.cross_entropy(logits.float(), targets, weights, label_smoothing=smoothing)


def class_weights(targets: Tensor, classes: int) -> Tensor:
    """`(K,)`: the inverse of each class's share, scaled to a mean of 1 over the faces; 0 for a class without faces.

    >>> class_weights(torch.tensor([0, 0, 0, 1]), 3)
    tensor([0.6667, 2.0000, 0.0000])
    """
    counts = targets.sum(0) if targets.ndim == 2 else torch.bincount(targets, minlength=classes).float()
    present = counts > 0
    return torch.where(present, counts.sum() / (present.sum() * counts.clamp(min=1e-9)), 0.0)

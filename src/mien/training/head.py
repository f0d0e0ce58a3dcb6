"""A new head for earlier layers: fitted to what they make of some of the faces, before all is trained together."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mien.data.faces import UNLABELLED, FaceSet
from mien.modes import in_eval_mode
from mien.training.losses import class_weights
from mien.training.recipe import Recipe

FACES = 2048
"""As many faces are enough for a head (docs/LOG.md), however many there are."""

DECAY = 1.0
"""Half of it, times the squared weights, is added to the mean loss; what they multiply has deviation 1 then."""

BESIDE = 0.03, 3.0
"""Instead of it, where there is an earlier head: on the weights of its logits, and of what comes into it."""


@torch.no_grad()
def fit_head_(
    model: nn.Module, faces: FaceSet, recipe: Recipe, *, batch: int, earlier: nn.Module | None = None
) -> None:
    """Give a network's last layer, `linear`, the weights of a logistic regression on what the layers below it see.

    With random weights there, the first steps undo what those layers know, and few faces don't bring it back. Source:
    Kumar et al., 2022. Where `linear` isn't a plain layer with a bias, the network stays as it is.

    Args:
        faces: the training faces, of which up to FACES that have a label are looked at, as they are.
        recipe: its seed says which those are. Where it counts rare classes for more, the head does as well.
        batch: faces at a time.
        earlier: the network that these layers come from. What its head said of its own classes is trusted more than
            all else that comes into it, so fewer faces are enough to tell what that means for the new ones.
    """
    head = getattr(model, "linear", None)
    if not isinstance(head, nn.Linear) or head.bias is None:
        return
    known = np.random.default_rng(recipe.seed).permutation(np.flatnonzero(faces.labels != UNLABELLED))
    few = faces[np.sort(known[:FACES])]
    labels, counts = torch.from_numpy(few.labels), torch.ones(len(faces.classes), device="cpu")
    if "balanced" in (recipe.class_weights, recipe.sampling):
        counts = class_weights(labels, len(faces.classes))
    weight, bias = fitted(into_head(model, few, batch), labels, counts, getattr(earlier, "linear", None))
    head.weight.copy_(weight)
    head.bias.copy_(bias)


@torch.no_grad()
def into_head(model: nn.Module, faces: FaceSet, batch: int) -> Tensor:
    """`(N, D)` float64: what comes into a network's layer `linear` for each face, `batch` of them at a time."""
    seen, head = list[Tensor](), model.linear
    assert isinstance(head, nn.Linear)
    # first to the CPU: Apple's GPUs have no float64
    hook = head.register_forward_pre_hook(lambda _, given: seen.append(given[0].cpu().double()))
    try:
        with in_eval_mode(model):
            for at in range(0, len(faces), batch):
                model(torch.from_numpy(faces.pixels[at : at + batch]).to(head.weight.device))
    finally:
        hook.remove()
    return torch.cat(seen)


@torch.no_grad()
def fitted(x: Tensor, labels: Tensor, counts: Tensor, earlier: nn.Module | None = None) -> tuple[Tensor, Tensor]:
    """A head's weights `(K, D)` and biases `(K,)`, float64, for what came into it, `(N, D)`, and `(N,)` labels.

    Args:
        counts: `(K,)`: for how much a face of each class counts.
        earlier: the head that was there before, if any.
    """
    columns, decay = _columns(earlier, x.shape[1])
    x = x @ columns
    mean, deviation = x.mean(0), x.std(0, correction=0).clamp_min(1e-6)
    weight, bias = _logistic_regression((x - mean) / deviation, labels, counts.double(), decay)
    weight = weight / deviation
    return weight @ columns.T, bias - weight @ mean


def _columns(earlier: nn.Module | None, width: int) -> tuple[Tensor, Tensor]:
    """What the weights multiply, as columns for what comes into the head, and the decay of the weights on each."""
    own = torch.eye(width, dtype=torch.double, device="cpu")
    decay = own.new_ones(width)
    if not isinstance(earlier, nn.Linear) or earlier.in_features != width:
        return own, DECAY * decay
    logits = earlier.weight.T.cpu().double()
    logits -= logits.mean(1, keepdim=True)
    return torch.cat([logits, own], 1), torch.cat([BESIDE[0] * decay.new_ones(logits.shape[1]), BESIDE[1] * decay])


def _logistic_regression(x: Tensor, labels: Tensor, counts: Tensor, decay: Tensor) -> tuple[Tensor, Tensor]:
    """Weights `(K, D)` and biases `(K,)` for float64 `x` `(N, D)`.

    Args:
        counts: `(K,)`: for how much a face of each class counts.
        decay: `(D,)`: of the weights on each column.
    """
    with torch.enable_grad():
        weight = x.new_zeros(len(counts), x.shape[1]).requires_grad_()
        bias = x.new_zeros(len(counts)).requires_grad_()
        solver = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            solver.zero_grad()
            found = F.cross_entropy(F.linear(x, weight, bias), labels, counts)  # the mean by these counts
            found = found + (decay / 2 * weight.square()).sum()
            found.backward()
            return found

        solver.step(loss)
    return weight.detach(), bias.detach()

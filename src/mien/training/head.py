"""A new head for earlier layers: fitted to what they make of some of the faces, before all is trained together."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mien.data.faces import UNLABELLED, FaceSet
from mien.modes import in_eval_mode

FACES = 2048
"""As many faces are enough for a head (docs/LOG.md), however many there are."""

DECAY = 1.0
"""Half of it, times the squared weights, is added to the mean loss; what comes into the head has deviation 1 then."""


@torch.no_grad()
def fit_head_(model: nn.Module, faces: FaceSet, *, seed: int, batch: int) -> None:
    """Give a network's last layer, `linear`, the weights of a logistic regression on what the layers below it see.

    With random weights there, the first steps undo what those layers know, and few faces don't bring it back. Source:
    Kumar et al., 2022. Where `linear` isn't a plain layer with a bias, the network stays as it is.

    Args:
        faces: the training faces, of which up to FACES that have a label are looked at, as they are.
        seed: which those are.
        batch: faces at a time.
    """
    head = getattr(model, "linear", None)
    if not isinstance(head, nn.Linear) or head.bias is None:
        return
    known = np.random.default_rng(seed).permutation(np.flatnonzero(faces.labels != UNLABELLED))
    few, seen = faces[np.sort(known[:FACES])], list[Tensor]()
    hook = head.register_forward_pre_hook(lambda _, given: seen.append(given[0].double().cpu()))
    try:
        with in_eval_mode(model):
            for at in range(0, len(few), batch):
                model(torch.from_numpy(few.pixels[at : at + batch]).to(head.weight.device))
    finally:
        hook.remove()
    x, labels = torch.cat(seen), torch.from_numpy(few.labels)
    mean, deviation = x.mean(0), x.std(0, correction=0).clamp_min(1e-6)
    weight, bias = _logistic_regression((x - mean) / deviation, labels, len(faces.classes))
    weight = weight / deviation
    head.weight.copy_(weight)
    head.bias.copy_(bias - weight @ mean)


def _logistic_regression(x: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Weights `(classes, D)` and biases `(classes,)` for float64 `x` `(N, D)`."""
    with torch.enable_grad():
        weight, bias = x.new_zeros(classes, x.shape[1]).requires_grad_(), x.new_zeros(classes).requires_grad_()
        solver = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            solver.zero_grad()
            found = F.cross_entropy(F.linear(x, weight, bias), labels) + DECAY / 2 * weight.square().sum()
            found.backward()
            return found

        solver.step(loss)
    return weight.detach(), bias.detach()

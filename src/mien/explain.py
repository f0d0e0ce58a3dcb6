"""Where a network looks: a heatmap for each face, each with the check that says when not to believe it.

Which method is the default was measured on FER2013's validation faces: `benchmarks/explain.py` and its log. The methods
are captum's and look at the probability; they compare the face with the blurred one that the check deletes into.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mien.errors import DataError, MissingExtra
from mien.evaluation.explanation import ORDERS, Explanation, check, scale, without
from mien.evaluation.scores import as_predictor
from mien.export import Probabilities
from mien.images import channels_first

Attribute = Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]
"""A network that gives probabilities, faces float32 `(B, C, H, W)` 0..255, the same blurred, classes `(B,)` int64
-> how much each pixel speaks for the class, `(B, C or 1, h, w)`."""

METHOD = "integrated"
"""The method that is taken when none is asked for."""

POINTS = 32
"""Points on the way from the blurred face to the face, at which integrated gradients are taken."""

SQUARE, STEP = 8, 4
"""Pixels of a face of 48: the side of the square that occlusion blurs, and how far it moves on."""


def explain(
    model: nn.Module,
    faces: NDArray[np.uint8],
    classes: Sequence[str],
    *,
    label: str | None = None,
    method: str = METHOD,
    temperature: float = 1.0,
    orders: int = ORDERS,
    seed: int = 0,
) -> tuple[Explanation, ...]:
    """Explain a network's answer about each face, and check each explanation by deletion.

    Args:
        model: pixels 0..255 `(B, C, H, W)`, uint8 or float, -> logits `(B, K)`; asked in eval mode on the device it is
            on, and left as it was.
        faces: uint8, `(N, H, W)` or `(N, H, W, 3)`, as the network is given them.
        classes: the names of its K classes.
        label: the class to explain; None explains the likeliest one of each face.
        method: a name from `METHODS`.
        temperature: divides the logits (`card.temperature`).
        orders, seed: how many random orders the heatmap must beat, and what decides them.

    Raises:
        DataError: no such class or method; faces of another shape or dtype; a network without the layers that the
            method needs.
        MissingExtra: captum isn't installed.
    """
    if torch.is_inference_mode_enabled():
        raise DataError("explain needs gradients: call it outside of torch.inference_mode.")
    if label is not None and label not in classes:
        raise DataError(f"There is no class {label!r}; this network has {', '.join(classes)}.")
    if method not in METHODS:
        raise DataError(f"There is no method {method!r}; there are {', '.join(METHODS)}.")
    if faces.dtype != np.uint8 or faces.ndim not in (3, 4) or (faces.ndim == 4 and faces.shape[3] != 3):
        raise DataError(f"Faces are uint8 (N, H, W) or (N, H, W, 3); found {faces.dtype} of shape {faces.shape}.")
    found = []
    with as_predictor(model, temperature) as predict:
        for face in faces:
            answer = predict(channels_first(face[None]).copy())[0]
            place = int(answer.argmax()) if label is None else list(classes).index(label)
            heat = heatmap(model, face, place, method=method, temperature=temperature)
            tested = check(predict, face, heat, place, orders=orders, seed=seed)
            found.append(Explanation(face, classes[place], float(answer[place]), heat, method, tested))
    return tuple(found)


def heatmap(
    model: nn.Module, face: NDArray[np.uint8], place: int, *, method: str = METHOD, temperature: float = 1.0
) -> NDArray[np.float32]:
    """`(H, W)` float32: how much each pixel of one face speaks for class `place`, the largest magnitude scaled to 1.

    All 0 where the method finds nothing, as on a face of one colour. The network must be in eval mode. `place` is the
    class's place among the K.

    Raises:
        DataError: the network hasn't the layers that the method needs. MissingExtra: captum isn't installed.
    """
    parameter = next(model.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    pixels, blurred = (
        torch.from_numpy(channels_first(seen[None]).copy()).to(device).float() for seen in (face, without(face))
    )
    pixels.requires_grad_()  # captum would do it, with a warning
    with warnings.catch_warnings():  # the stem's, of a nearly black face
        warnings.filterwarnings("ignore", "These pixels are floats")
        asked = Probabilities(model, temperature), pixels, blurred, torch.tensor([place], device=device)
        heat = METHODS[method](*asked)
    heat = heat.detach().float().sum(1, keepdim=True)
    if heat.shape[2:] != face.shape[:2]:
        heat = nn.functional.interpolate(heat, face.shape[:2], mode="bilinear")
    values = heat[0, 0].cpu().numpy()
    highest = float(np.abs(values).max())
    return np.asarray(values / highest if highest > 0 else np.zeros_like(values), np.float32)


def integrated(net: nn.Module, faces: Tensor, blurred: Tensor, places: Tensor) -> Tensor:
    """Integrated gradients (Sundararajan et al., 2017) from the blurred face to the face, smoothed.

    Single pixels of a gradient flicker; what the network sees is larger.
    """
    found = _captum("IntegratedGradients")(net).attribute(faces, blurred, target=places, n_steps=POINTS)
    return _smooth(found, scale(faces.shape[2:]))


def occlusion(net: nn.Module, faces: Tensor, blurred: Tensor, places: Tensor) -> Tensor:
    """Occlusion (Zeiler and Fergus, 2014): what the answer loses when a square of the face is blurred."""
    times = scale(faces.shape[2:])
    side, step = (max(1, round(length * times)) for length in (SQUARE, STEP))
    found: Tensor = _captum("Occlusion")(net).attribute(
        faces, (faces.shape[1], side, side), (1, step, step), blurred, places, perturbations_per_eval=64
    )
    return found


def saliency(net: nn.Module, faces: Tensor, blurred: Tensor, places: Tensor) -> Tensor:
    """The gradient's magnitude (Simonyan et al., 2013), smoothed: which pixels matter, whether for or against."""
    return _smooth(_captum("Saliency")(net).attribute(faces, places), scale(faces.shape[2:]))


def gradcam(net: nn.Module, faces: Tensor, blurred: Tensor, places: Tensor) -> Tensor:
    """Grad-CAM (Selvaraju et al., 2017) of the last layer that still gives a map; coarse."""
    layer = _last_map(net, faces)
    found: Tensor = _captum("LayerGradCam")(net, layer).attribute(faces, places)
    return found


METHODS: dict[str, Attribute] = {
    "integrated": integrated,
    "occlusion": occlusion,
    "gradcam": gradcam,
    "saliency": saliency,
}
"""The methods, by name."""


def _captum(name: str) -> Any:
    try:
        from captum import attr  # 2 s: it imports matplotlib and what else it may need
    except ImportError:
        raise MissingExtra("captum", "explain", "Explaining") from None
    return getattr(attr, name)


def _last_map(net: nn.Module, faces: Tensor) -> nn.Module:
    """The last module with weights that gives a map, `(B, C, h, w)` of more than one place, and does so once a pass."""
    seen: list[nn.Module] = []

    def watch(module: nn.Module, _: Any, gave: Any) -> None:
        if isinstance(gave, Tensor) and gave.ndim == 4 and gave.shape[2] * gave.shape[3] > 1:
            seen.append(module)

    handles = [module.register_forward_hook(watch) for module in net.modules()]
    try:
        with torch.no_grad():
            net(faces)
    finally:
        for handle in handles:
            handle.remove()
    once = [module for module in seen if seen.count(module) == 1 and any(True for _ in module.parameters())]
    if not once:
        raise DataError("Grad-CAM needs a network with convolutions; take another method for this one.")
    return once[-1]


def _smooth(heat: Tensor, times: float) -> Tensor:
    """A Gaussian blur of each map on its own, sigma 2 pixels of a face of 48; the edge is mirrored."""
    sigma = 2.0 * times
    reach = min(round(3 * sigma), heat.shape[2] - 1, heat.shape[3] - 1)
    line = torch.exp(-torch.arange(-reach, reach + 1, device=heat.device).square() / (2 * sigma**2))
    line = (line / line.sum()).view(1, 1, 1, -1)
    single = nn.functional.pad(heat.sum(1, keepdim=True), (reach,) * 4, mode="reflect")
    return nn.functional.conv2d(nn.functional.conv2d(single, line), line.transpose(2, 3))

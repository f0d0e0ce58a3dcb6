"""Any network of timm (Wightman, 2019) behind mien's contract: pixels 0..255 in, logits out.

timm, and torchvision which it needs, are an extra, imported when a backbone is built. Only `load_pretrained` downloads
weights; building a backbone, or reading one back from a run folder, doesn't.
"""

import re
from typing import Any

import torch
from torch import Tensor, nn

from mien.errors import CheckpointError, MissingExtra, UnknownModel, first_line
from mien.models.registry import register
from mien.models.stem import Normalise, Pixels


@register("backbone", listed=False)
class Backbone(nn.Module):
    """A timm network without its head, and one linear layer.

    Args:
        net: what timm calls it, such as "resnet18" or "mobilenetv3_small_050".
        enlarge: the side that faces are resized to first; 0 keeps them, where the network allows it.
        dropout: before the linear layer.
    """

    def __init__(
        self,
        *,
        classes: int = 7,
        channels: int = 1,
        size: int = 48,
        net: str = "",
        enlarge: int = 0,
        dropout: float = 0.2,
        normalise: Normalise = "image",
    ) -> None:
        super().__init__()
        timm = import_timm()
        if not net:
            raise ValueError("it needs the name of a timm network: --option net=resnet18")
        if net not in timm.list_models():
            stem = net.partition(".")[0]  # after the dot timm names weights
            alike = timm.list_models(f"{stem}*") or timm.list_models(f"*{re.split('[0-9_]', stem)[0]}*")
            near = ", ".join(alike[:8]) or "see timm.list_models()"
            raise ValueError(f"timm has no network {net!r}; like it are {near}")
        self.timm_name, self.side = net, enlarge or size
        self.body, side = _body(timm, net, channels, self.side)
        self.pixels = Pixels(channels, side or enlarge or None, normalise)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(_width(self.body, net, channels, self.side), classes)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.linear(self.dropout(self.body(self.pixels(pixels))))  # (B, K)

    def load_pretrained(self) -> None:
        """Load timm's default weights for this network, downloading them unless they are there already.

        Raises:
            CheckpointError: timm has none, or they can't be downloaded.
        """
        timm = import_timm()
        channels = self.pixels.channels
        try:
            filled, _ = _body(timm, self.timm_name, channels, self.side, pretrained=True)
            self.body.load_state_dict(filled.state_dict())
        except Exception as error:  # timm and the hub's client raise many kinds
            raise CheckpointError(
                f"timm's weights for {self.timm_name} can't be had ({first_line(error)}). Without --init timm it is "
                "trained from random weights."
            ) from None


def import_timm() -> Any:
    """timm, or MissingExtra."""
    try:
        import timm
    except ImportError as error:
        if (error.name or "").split(".")[0] not in ("timm", "torchvision"):
            raise
        raise MissingExtra((error.name or "timm").split(".")[0], "timm", "A timm backbone") from None
    except RuntimeError as error:  # a torchvision made for another torch: "operator torchvision::nms does not exist"
        raise UnknownModel(
            f"timm can't be imported: torchvision and torch don't fit together ({error}). Install both from one place."
        ) from None
    return timm


def _body(timm: Any, name: str, channels: int, side: int, *, pretrained: bool = False) -> tuple[nn.Module, int]:
    """The network without its head, and the side of the faces that it is built for, 0 where it takes any."""
    options = {"pretrained": pretrained, "num_classes": 0, "in_chans": channels}
    try:
        return timm.create_model(name, img_size=side, **options), side  # transformers and mixers are built for one size
    except TypeError as error:
        if "img_size" not in str(error):
            raise
    return timm.create_model(name, **options), 0


def _width(body: nn.Module, name: str, channels: int, side: int) -> int:
    """The length of the features that it gives for a face. Raises ValueError where it can't take faces of this size."""
    try:
        with torch.no_grad():  # not inference_mode, as in `mien.evaluation.scores`
            width: int = body.eval()(torch.zeros(1, channels, side, side)).shape[1]
        body.train()
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"{name} has no use for faces of {side} pixels ({error}); try --option enlarge=224") from None
    return width

"""The course of the learning rate over a training, as a factor of its highest value."""

import math
from typing import Literal


def rate(kind: Literal["onecycle", "cosine", "constant"], done: float, warmup: float) -> float:
    """The factor 0..1 after a share `done` (0..1) of all steps.

    `onecycle` rises along a cosine from 1/25 and falls along a cosine to 0 (Smith and Topin, 2018); `cosine` rises in
    a straight line from 0 and falls along a cosine to 0 (Loshchilov and Hutter, 2017). The rise takes `warmup`.

    >>> rate("onecycle", 0.0, 0.2), rate("onecycle", 0.2, 0.2), rate("onecycle", 1.0, 0.2)
    (0.04, 1.0, 0.0)
    """
    if kind == "constant":
        return 1.0
    if done < warmup:
        risen = done / warmup
        return risen if kind == "cosine" else 1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * risen)) / 2
    return (1 + math.cos(math.pi * (done - warmup) / (1 - warmup))) / 2

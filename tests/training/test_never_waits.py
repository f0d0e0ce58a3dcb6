"""A GPU works ahead of the program until the program reads a number from it.

"meta" stands for one here: its tensors have shapes, a place and a type, but no numbers, so whatever would read one, or
would mix what lies on the GPU with what doesn't, fails.
"""

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch

from mien.data.faces import FaceSet
from mien.models import create_model
from mien.training.distributed import Team
from mien.training.learner import Learner
from mien.training.recipe import recipe

META = torch.device("meta")
RNG = np.random.default_rng(0)
FACES = FaceSet(RNG.integers(0, 256, (64, 24, 24), np.uint8), RNG.integers(0, 3, 64), classes=("angry", "happy", "sad"))
VOTES = FaceSet(FACES.images, RNG.dirichlet(np.ones(2), 64).astype(np.float32), classes=("left", "right"))
SMALL = {"stem": 4, "widths": [4, 8], "depths": [1, 1]}


class _Dice(torch.Generator):
    """What draws for "meta", which has no generator of its own."""

    def __new__(cls, device: torch.device | str = "cpu") -> "_Dice":
        made = super().__new__(cls)
        made._place = torch.device(device)  # type: ignore[attr-defined]
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return self._place  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize(
    "fields",
    [
        {"options": SMALL},
        {"options": SMALL | {"second": 2}},
        {"options": SMALL | {"second": 2}, "mixup": 0.4, "cutmix": 0.0},
        {"options": SMALL, "mixup": 0.0, "cutmix": 0.0, "clip": 1.0, "accumulate": 2},
        {"options": SMALL, "blur": 0.02, "noise": 0.1, "brightness": 0.1, "contrast": 0.2},
        {"options": SMALL, "optimiser": "adamw", "ema": 0.0, "start_size": 0},
        {"options": SMALL, "norm_faces": 48},
        {"options": SMALL, "distil": 0.5},
    ],
    ids=["tuned", "votes", "mixup", "parts", "camera", "adamw", "norms", "teacher"],
)
def test_an_epoch_reads_nothing_from_the_device_before_its_end(
    fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = recipe("flagship", **fields, epochs=2, batch=16, precision="float32")
    monkeypatch.setattr(torch, "Generator", _Dice)
    monkeypatch.setattr(torch, "autocast", lambda *_, enabled: nullcontext())
    second = VOTES if "second" in made.options else None
    network, teacher = (create_model("flagship", classes=3, size=24, **made.options).to(META) for _ in range(2))
    learner = Learner(network, FACES, made, META, second, Team(), [teacher] if "distil" in fields else ())
    assert {each.device for each in learner.teachers.columns} <= {META}  # an index from elsewhere is waited for
    done: list[float] = []
    with pytest.raises(NotImplementedError, match="no data") as caught:  # the loss of the whole epoch is read at last
        learner.epoch(0, done.append)
    assert done == [0.25, 0.5, 0.75, 1.0]
    assert "tolist" in str(caught.traceback[-1].statement)

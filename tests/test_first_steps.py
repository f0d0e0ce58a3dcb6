"""What whoever begins does first: a wrong turn is told of where it is taken, with what to give instead."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import mien
from mien.data.drawn import draw
from mien.errors import DataError

TRAIN, VAL = draw(64, seed=3), draw(48, seed=4)
RECIPE = mien.recipe("logistic", "demo", epochs=1)


def fresh() -> Any:
    torch.manual_seed(0)
    return mien.create_model("logistic")


def test_a_transform_that_would_not_be_called_is_refused() -> None:
    faces = mien.FaceSet(TRAIN.images, TRAIN.targets, transform=lambda face: face[:, ::-1].copy())
    for ask in (
        lambda: mien.evaluate(fresh(), faces),
        lambda: list(mien.fit(fresh(), faces, VAL, RECIPE)),
        lambda: list(mien.fit(fresh(), TRAIN, faces[:32], RECIPE)),
    ):
        with pytest.raises(DataError, match="wouldn't call, as they read the pixels themselves.*DataLoader"):
            ask()
    batches = [pixels for pixels, _ in DataLoader(faces, 16)]  # where it is called
    assert torch.equal(torch.cat(batches), torch.from_numpy(TRAIN.images[:, :, ::-1].copy()))

"""The rungs of a ladder, judged by `mien.ladder`."""

from pathlib import Path

import pytest
import torch

import mien
from mien.data.drawn import drawn_faces
from mien.ladder import compare_rungs


def test_the_rungs_are_judged_where_they_were_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    splits, asked = drawn_faces(140), list[str | None]()

    def pick(name: str | None) -> torch.device:
        asked.append(name)
        return torch.device("cpu")

    monkeypatch.setattr("mien.ladder.LADDER", ("logistic",))
    monkeypatch.setattr("mien.ladder.pick_device", pick)  # there needn't be another device here
    list(mien.train(tmp_path / "logistic", splits, mien.recipe("logistic", "demo", epochs=1), export=False))
    for device in (None, "cpu"):
        assert [rung.model for rung in compare_rungs(tmp_path, splits, device).rungs] == ["logistic"]
    assert asked == [None, "cpu"]

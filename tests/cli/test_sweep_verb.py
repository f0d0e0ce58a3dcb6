"""`mien sweep` as it speaks."""

from types import SimpleNamespace

import pytest

from mien.cli.sweep import _result, _run
from mien.errors import Incomplete


def test_one_trial_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    trial = SimpleNamespace(number=0, accuracy=None, epochs=0, best_epoch=0, values={}, status="failed", as_json=dict)
    search = SimpleNamespace(folder="runs/sw", space={}, ranked=lambda: [trial], trials=lambda count: ())
    _run(search, 2)
    with pytest.raises(Incomplete):
        _result(search, None, None)
    said = capsys.readouterr()
    assert "runs/sw: 1 trial, the best" in said.out
    assert "--field allows only 1 recipe; none" in said.err

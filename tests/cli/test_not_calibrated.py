"""A network whose card has no threshold: nothing is called uncertain, and nobody is told how little was."""

from pathlib import Path

import pytest

from mien.cards import Card
from mien.cli import main


def test_of_a_network_that_is_not_calibrated_no_uncertain_faces_are_counted(
    photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(photo)]) == 0
    assert "1 photo, 1 face (0 uncertain), " in capsys.readouterr().out
    monkeypatch.setattr(Card, "uncertain", property(lambda card: 0.0), raising=False)
    assert main(["predict", str(photo)]) == 0
    assert "1 photo, 1 face, " in capsys.readouterr().out

"""`mien explain` as it is asked."""

from pathlib import Path

import pytest

from mien.cli import main


def test_the_picture_never_takes_the_photos_place(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "face.png").write_bytes(photo.read_bytes())
    (tmp_path / "link.png").symlink_to(tmp_path / "face.png")
    for out in ("face.png", "link.png"):
        assert main(["explain", str(tmp_path / "face.png"), "--out", str(tmp_path / out)]) == 1
        assert "it is the photo, which would be overwritten" in capsys.readouterr().err
    assert (tmp_path / "face.png").read_bytes() == photo.read_bytes()


def test_fewer_orders_than_make_a_test_are_refused(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(photo), "--orders", "18"]) == 2
    assert "19" in capsys.readouterr().err

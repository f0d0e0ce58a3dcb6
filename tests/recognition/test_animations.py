"""Of an animation only the first picture is read, and that is said."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.cli import main
from mien.recognition.sources import Sources

PICTURES = [Image.fromarray(np.full((60, 60, 3), value, np.uint8)) for value in (20, 120, 220)]


def test_animations_are_counted_and_stills_are_not(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(photo.read_bytes())
    for kind in ("gif", "png", "webp", "avif"):
        PICTURES[0].save(tmp_path / f"moving.{kind}", save_all=True, append_images=PICTURES[1:], duration=100)
        PICTURES[0].save(tmp_path / f"still.{kind}")
    PICTURES[0].save(tmp_path / "pages.tif", save_all=True, append_images=PICTURES[1:])
    PICTURES[0].save(tmp_path / "page.tif")
    sources = Sources([tmp_path])
    for _ in range(2):
        assert [frame.error for frame in sources] == [""] * 11
        assert sources.animations == 5


def test_a_person_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    PICTURES[0].save(tmp_path / "a.gif", save_all=True, append_images=PICTURES[1:])
    assert main(["predict", str(tmp_path / "a.gif")]) == 0
    assert "1 file of several pictures (animations, pages): only the first" in capsys.readouterr().err

"""`mien explain` as it is asked."""

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from mien.cli import main
from mien.evaluation.figures import sheet


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


def test_several_faces_are_numbered_alike_in_table_and_picture(
    scene: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(sheet, "Figure", lambda **how: drawn.append(Figure(**how)) or drawn[-1])
    Image.fromarray(scene).save(tmp_path / "a.png")
    line = ["explain", str(tmp_path / "a.png"), "--out", str(tmp_path / "b.png"), "--method", "saliency"]
    assert main([*line, "--most", "2", "--json"]) == 0
    said = capsys.readouterr()
    faces = json.loads(said.out)["faces"]
    for number, face in enumerate(faces, 1):
        where = "{}, {}, {} × {}".format(*map(round, face["box"]))
        assert any(line.split("  ")[0].strip() == str(number) and where in line for line in said.err.splitlines())
    titles = [axes.get_title() for axes in drawn[0].axes[::3]]
    assert titles == [f"face {number}\n{one['label']} {one['confidence']:.2f}" for number, one in enumerate(faces, 1)]

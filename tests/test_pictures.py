"""The public pictures: of faces, trainings, answers; shown by a notebook, saved by a program."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import mien
from mien.data.drawn import draw
from mien.errors import DataError
from mien.pictures import Picture

TRAIN, VAL = draw(64, seed=3), draw(48, seed=4)


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return mien.create_model("logistic")


def test_each_is_a_picture_that_a_notebook_shows_and_that_can_be_saved(model: torch.nn.Module, tmp_path: Path) -> None:
    history = list(mien.fit(model, TRAIN, VAL, mien.recipe("logistic", "demo", epochs=2)))
    report = mien.evaluate(model, VAL)
    made = {
        "batch": mien.pictures.batch(TRAIN, n=9),
        "curves": mien.pictures.curves(history),
        "predictions": mien.pictures.predictions(model, VAL, n=3),
        "confusion": mien.pictures.confusion(report),
    }
    assert len({picture.png for picture in made.values()}) == 4
    for name, picture in made.items():
        assert isinstance(picture, Picture)
        with Image.open(io.BytesIO(picture._repr_png_())) as shown:
            assert (shown.format, shown.width > 150) == ("PNG", True), name
        picture.save(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").read_bytes() == picture.png
        assert len(repr(picture)) < 20


def test_predictions_are_the_networks_for_faces_that_can_be_judged(
    model: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mien.evaluation import figures

    seen: list = []
    monkeypatch.setattr(figures, "gallery", lambda shown, **_: seen.extend(shown) or b"")
    targets = VAL.targets.copy()
    targets[:40] = -1
    faces = mien.FaceSet(VAL.images, targets)
    mien.pictures.predictions(model, faces, n=12)
    with torch.inference_mode():
        answers = model.eval()(torch.from_numpy(faces.pixels[40:])).argmax(1)
    assert [one.row for one in seen] == list(range(40, 48))  # there are only eight
    assert [one.predicted for one in seen] == [faces.classes[answer] for answer in answers]
    assert [one.true for one in seen] == [faces.classes[label] for label in targets[40:]]


def test_what_cannot_be_drawn_is_said(model: torch.nn.Module, tmp_path: Path) -> None:
    nobody = VAL[:0]
    for ask, said in (
        (lambda: mien.pictures.batch(nobody), "empty"),
        (lambda: mien.pictures.predictions(model, nobody), "empty"),
        (lambda: mien.pictures.batch(VAL, n=0), "1 to 400 faces; found 0"),
        (lambda: mien.pictures.curves([]), "no epoch to draw"),
        (lambda: Picture(b"").save(tmp_path / "x.svg"), "end in .png"),
    ):
        with pytest.raises(DataError, match=said):
            ask()
    assert np.array_equal(list(tmp_path.iterdir()), [])


def test_the_room_is_found_when_it_is_first_asked_for(without_extras: str) -> None:
    import subprocess
    import sys

    code = """
import mien
assert "pictures" in dir(mien) and "mien.pictures" not in sys.modules
try:
    mien.pictures.batch(mien.drawn_faces(70).val)
except mien.MissingExtra as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", without_extras + code], capture_output=True, text=True, check=False)
    assert 'pip install "mien[figures]"' in done.stdout, done.stderr

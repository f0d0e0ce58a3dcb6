"""Heatmaps of real networks: that they point where the network looks, and what the verb makes of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from mien.checkpoint import load_run
from mien.cli.explain import explain as verb
from mien.data.drawn import draw
from mien.errors import CheckpointError, DataError, MediaError
from mien.evaluation.explanation import scale
from mien.explain import METHODS, _smooth, explain, heatmap
from mien.models import create_model
from mien.net import Net

CLASSES = ("dark", "light")


class Corner(nn.Module):
    """Sees nothing but the patch of rows 8..16, columns 28..36, by a convolution that gives one number for it."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Conv2d(1, 1, 8, 4, bias=False)
        nn.init.constant_(self.mean.weight, 1 / 64)

    def forward(self, pixels: Tensor) -> Tensor:
        found = self.mean(pixels.float() / 255)[:, :, 2, 7]
        return torch.cat([4 - 8 * found, 8 * found - 4], 1)


@pytest.fixture
def lit() -> NDArray[np.uint8]:
    face = np.random.default_rng(3).integers(0, 60, (48, 48), np.uint8)
    face[8:16, 28:36] = 240
    return face


@pytest.mark.parametrize("method", ["integrated", "occlusion", "gradcam", "saliency"])
def test_the_heatmap_points_where_the_network_looks(method: str, lit: NDArray[np.uint8]) -> None:
    one = explain(Corner(), lit[None], CLASSES, method=method)[0]
    row, column = np.unravel_index(one.heatmap.argmax(), one.heatmap.shape)
    assert abs(row - 11.5) <= 5
    assert abs(column - 31.5) <= 5
    assert one.label == "light"
    assert one.confidence > 0.9
    assert one.check.passed, one.check.verdict
    assert np.abs(one.heatmap).max() == 1


def test_what_speaks_for_one_class_speaks_against_the_other(lit: NDArray[np.uint8]) -> None:
    light, dark = (explain(Corner(), lit[None], CLASSES, label=name, orders=1)[0] for name in ("light", "dark"))
    assert dark.label == "dark"
    assert dark.confidence == pytest.approx(1 - light.confidence, abs=1e-6)
    np.testing.assert_allclose(dark.heatmap, -light.heatmap, atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_a_face_of_one_colour(method: str) -> None:
    model, card = load_run("small")
    one = explain(model, np.full((1, 48, 48), 128, np.uint8), card.classes, method=method, orders=2)[0]
    assert one.heatmap.shape == (48, 48)
    assert np.isfinite(one.heatmap).all()
    assert not one.check.passed


def test_the_network_in_the_box() -> None:
    """On drawn faces: the same each time, left as it was, and mostly to be believed."""
    model, card = load_run("small")
    model.train()
    faces = draw(4, seed=3).images
    found = explain(model, faces, card.classes, temperature=card.temperature, orders=5)
    assert model.training
    assert [one.label for one in found] == [card.classes[int(answer.argmax())] for answer in Net("small")(faces)]
    confidences = Net("small")(faces).max(1)
    assert [one.confidence for one in found] == pytest.approx(confidences.tolist(), abs=1e-4)
    again = heatmap(model.eval(), faces[0], card.classes.index(found[0].label), temperature=card.temperature)
    np.testing.assert_array_equal(again, found[0].heatmap)
    assert np.mean([one.check.area for one in found]) < 0.75 * np.mean([one.check.areas.mean() for one in found])


def test_colours(lit: NDArray[np.uint8]) -> None:
    torch.manual_seed(0)
    model = create_model("cnn", channels=3)
    face = np.dstack([lit, lit, lit])
    one = explain(model, face[None], [f"class {k}" for k in range(7)], orders=2)[0]
    assert one.heatmap.shape == (48, 48)


def test_gradcam_needs_maps(lit: NDArray[np.uint8]) -> None:
    with pytest.raises(DataError, match="convolutions"):
        explain(create_model("logistic"), lit[None], [str(k) for k in range(7)], method="gradcam")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"label": "bored"}, "no class 'bored'"),
        ({"method": "tea leaves"}, "no method"),
        ({"faces": np.zeros((1, 48, 48))}, "float64"),
    ],
)
def test_what_cant_be_explained(wrong: dict[str, Any], said: str, lit: NDArray[np.uint8]) -> None:
    given = {"faces": lit[None]} | wrong
    with pytest.raises(DataError, match=said):
        explain(Corner(), given.pop("faces"), CLASSES, **given)


def run(source: Path, **options: Any) -> dict[str, Any]:
    """The verb with its defaults, but fewer random orders."""
    given = {"model": "small", "out": None, "label": None, "method": None, "detect": True, "most": 6}
    return verb(str(source), **(given | {"orders": 3, "seed": 0} | options))


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph of an astronaut, who smiles."""
    from skimage import data

    path = tmp_path_factory.mktemp("photo") / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    return path


def test_the_verb_on_a_photo(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(photo)
    (face,) = result["faces"]
    assert (face["label"], face["believe"], face["random_orders"]) == ("happy", True, 3)
    x, y, width, height = face["box"]
    assert x < 225 < x + width
    assert y < 120 < y + height
    heat = np.array(face["heatmap"])
    assert heat.argmax() // 48 >= 26  # she smiles: it is about the mouth
    assert result["picture"] == "astronaut-explained.png"
    with Image.open(result["picture"]) as picture:
        assert picture.format == "PNG"


def test_the_verb_on_a_crop_as_svg(tmp_path: Path) -> None:
    crop = tmp_path / "crop.png"
    Image.fromarray(draw(4, seed=1).images[3]).save(crop)
    result = run(crop, detect=False, label="sad", method="occlusion", out=tmp_path / "why.svg")
    (face,) = result["faces"]
    assert (face["label"], face["method"], face["box"]) == ("sad", "occlusion", None)
    assert (tmp_path / "why.svg").read_bytes().startswith(b"<?xml")


def test_the_verb_says_what_is_wrong(tmp_path: Path) -> None:
    empty = tmp_path / "empty.png"
    Image.new("RGB", (64, 64), "gray").save(empty)
    with pytest.raises(MediaError, match="--no-detect"):
        run(empty)
    with pytest.raises(typer.BadParameter, match=r"\.svg or \.png"):
        run(empty, out=tmp_path / "why.pdf")
    with pytest.raises(DataError, match="name small"):
        run(empty, model="small:int8")
    with pytest.raises(CheckpointError):
        run(empty, model=str(tmp_path))


def test_heat_is_smoothed_in_proportion_to_the_face() -> None:
    dots = [torch.zeros(1, 1, side, side) for side in (48, 96)]
    for dot in dots:
        dot[0, 0, dot.shape[2] // 2, dot.shape[3] // 2] = 1
    small, large = (_smooth(dot, scale(dot.shape[2:])).max().item() for dot in dots)
    assert small == pytest.approx(4 * large, rel=0.02)

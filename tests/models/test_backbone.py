"""timm backbones. Without timm: what is said. With it (`make timm-check`): trained from random weights, and used."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from mien.cli import main
from mien.errors import CheckpointError, MissingExtra, UnknownModel
from mien.models import create_model, list_models

HERE = importlib.util.find_spec("timm") is not None
with_timm = pytest.mark.skipif(not HERE, reason="timm has an environment of its own: make timm-check")


def test_it_is_known_but_not_listed() -> None:
    assert "backbone" not in list_models()
    assert "backbone" in list_models(unlisted=True)


@pytest.mark.skipif(HERE, reason="timm is here")
def test_without_timm_the_extra_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(MissingExtra, match=r'pip install "mien\[timm\]"'):
        create_model("backbone", net="resnet18")
    line = ["train", "backbone", "--option", "net=resnet18", "--out", str(tmp_path / "run")]
    assert main(line) == 1
    assert "A timm backbone needs timm" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@with_timm
@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_050", "vit_tiny_patch16_224"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_contract(name: str, channels: int) -> None:
    model = create_model("backbone", net=name, classes=5, channels=channels, size=48).eval()
    pixels = torch.randint(0, 256, (2, channels, 48, 48), dtype=torch.uint8)
    given = model(pixels)
    assert given.shape == (2, 5)
    torch.testing.assert_close(given, model(pixels.float()))
    given.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@with_timm
def test_names_and_sizes_that_timm_does_not_have() -> None:
    with pytest.raises(UnknownModel, match=r"timm has no network 'resnet19'; like it are .*resnet"):
        create_model("backbone", net="resnet19")
    with pytest.raises(UnknownModel, match="--option net=resnet18"):
        create_model("backbone")
    with pytest.raises(UnknownModel, match="has no use for faces of 48 pixels"):
        create_model("backbone", net="efficientformer_l1")


@with_timm
def test_weights_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    model = create_model("backbone", net="mobilenetv3_small_050")
    with pytest.raises(CheckpointError, match="timm's weights for mobilenetv3_small_050 can't be had"):
        model.load_pretrained()


@with_timm
def test_trained_exported_and_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(tmp_path / "run")
    line = [
        "train",
        "backbone",
        "--option",
        "net=mobilenetv3_small_050",
        "--epochs",
        "4",
        "--batch",
        "64",
        "--out",
        run,
    ]
    assert main([*line, "--optimiser", "adamw", "--lr", "0.002", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["after"]["val"]["accuracy"] > 0.2  # of seven classes; by chance 0.143, with a deviation of 0.012
    assert main(["export", run, str(tmp_path / "own.onnx")]) == 0
    assert main(["evaluate", str(tmp_path / "own.onnx")]) == 0
    assert main(["train", "--init", run, "--epochs", "1", "--out", str(tmp_path / "on")]) == 0
    assert main(["train", "cnn", "--init", "timm", "--out", str(tmp_path / "no")]) == 1
    assert "only for a backbone" in capsys.readouterr().err

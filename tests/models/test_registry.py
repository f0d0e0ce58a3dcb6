import pytest
from torch import nn

from mien.errors import MienError, UnknownModel
from mien.models import create_model, list_models, register, registry


def test_an_unknown_name_lists_the_models() -> None:
    with pytest.raises(UnknownModel) as caught:
        create_model("resnet50")
    for name in ("'resnet50'", *list_models()):
        assert name in str(caught.value)


def test_an_unknown_option_lists_the_options() -> None:
    with pytest.raises(UnknownModel) as caught:
        create_model("cnn", wdths=(8, 16))
    for word in ("'cnn'", "'wdths'", "widths", "depths", "dropout", "normalise"):
        assert word in str(caught.value)
    assert "self" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"widths": (8, 16), "depths": (1,)}, "shorter"),
        ({"dropout": 2}, "between 0 and 1"),
        ({"normalise": "batch"}, "neither 'none' nor 'image'"),
        ({"widths": 8}, "8"),
        ({"classes": "seven"}, "(str|invalid)"),  # as torch says it, in 2.10 without the type
    ],
)
def test_an_option_that_cannot_be_says_what_was_found(options: dict[str, object], found: str) -> None:
    with pytest.raises(UnknownModel, match=f"'cnn' can't be built with .*{found}"):
        create_model("cnn", **options)


def test_a_name_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_MODELS", dict(registry._MODELS))

    @register("one-of-mine")
    class Mine(nn.Module):
        def __init__(self, *, classes: int, channels: int, size: int) -> None:
            super().__init__()

    assert list_models()[-1] == "one-of-mine"
    assert isinstance(create_model("one-of-mine"), Mine)
    with pytest.raises(MienError, match="'cnn' is registered already"):
        register("cnn")(Mine)
    assert not isinstance(create_model("cnn"), Mine)


def test_what_cannot_be_registered_is_said() -> None:
    before = list_models(unlisted=True)
    with pytest.raises(UnknownModel, match=r'@mien\.register\("my-network"\)\. Found a type'):

        @register  # type: ignore[arg-type]
        class Mine(nn.Module):
            pass

    with pytest.raises(UnknownModel, match=r"under a name of its own.* Found an int"):
        register(3)  # type: ignore[arg-type]
    with pytest.raises(UnknownModel, match="under a name of its own"):
        register("")
    for odd in (dict, nn.Linear(2, 2), lambda: nn.Linear(2, 2)):
        with pytest.raises(UnknownModel, match=r"'mine' can't be .*derives from torch\.nn\.Module"):
            register("mine")(odd)  # type: ignore[type-var]
    assert list_models(unlisted=True) == before


def test_a_cell_that_is_run_again_registers_its_class_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_MODELS", dict(registry._MODELS))
    cell = "class Mine(nn.Module):\n    def __init__(self, *, classes, channels, size):\n        super().__init__()"
    for listed in (False, True):
        names = {"nn": nn, "__name__": "notebook"}
        exec(cell, names)
        register("one-of-mine", listed=listed)(names["Mine"])
        assert type(create_model("one-of-mine")) is names["Mine"]
        assert ("one-of-mine" in list_models()) == listed


def test_a_network_says_what_it_took_by_default() -> None:
    """So that the card of a run builds the same network when the defaults of its class have changed."""
    options = create_model("flagship_small", dropout=0.5).options
    assert options == options | {"stem": 32, "widths": [32, 96, 192], "depths": [1, 1, 1], "stride": 2, "dropout": 0.5}

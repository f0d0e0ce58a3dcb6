"""Where a training starts from: weights of other classes, colours and sizes."""

import pytest
import torch

from mien.checkpoint import load_run, start_from
from mien.errors import CheckpointError
from mien.models import LADDER, create_model

GRAY = torch.arange(2 * 48 * 48).remainder(251).view(2, 1, 48, 48).to(torch.uint8)


def features(name: str, model: torch.nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """The logits before they are softened; the head is the same in both networks where the classes are."""
    with torch.inference_mode():
        return model.eval()(pixels)


@pytest.mark.parametrize(
    "name", [name for name in LADDER if name not in ("logistic", "feedforward")] + ["flagship_small"]
)
def test_gray_pictures_mean_to_rgb_what_they_meant_to_gray_and_back(name: str) -> None:
    torch.manual_seed(0)
    gray, colour, back = (create_model(name, channels=channels) for channels in (1, 3, 1))
    start_from(colour, gray, same_classes=True)
    given = features(name, gray, GRAY)
    torch.testing.assert_close(features(name, colour, GRAY.expand(-1, 3, -1, -1)), given, atol=1e-4, rtol=1e-4)
    three, one = (next(each for each in model.parameters() if each.ndim == 4) for model in (colour, gray))
    torch.testing.assert_close(three, one * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1))
    start_from(back, colour, same_classes=True)
    torch.testing.assert_close(features(name, back, GRAY), given, atol=1e-4, rtol=1e-4)


def test_the_network_in_the_box_at_another_size_in_colour_and_with_other_classes() -> None:
    earlier, card = load_run("small")
    options = {**card.options, "classes": 3, "channels": 3, "size": 64, "second": 0}
    model = create_model(card.model, **options)
    head = model.linear.weight.clone()
    start_from(model, earlier, same_classes=False)
    assert torch.equal(model.linear.weight, head)
    kept = {
        name for name, value in earlier.state_dict().items() if torch.equal(value, model.state_dict().get(name, head))
    }
    assert len(kept) > 30
    assert features(card.model, model, torch.zeros(1, 3, 64, 64)).shape == (1, 3)


def test_a_linear_layer_has_its_size_and_colours() -> None:
    for shape in ({"channels": 3}, {"size": 64}):
        with pytest.raises(CheckpointError, match="faces of the same size and colours"):
            start_from(create_model("feedforward", **shape), create_model("feedforward"), same_classes=True)

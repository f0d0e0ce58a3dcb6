from collections.abc import Callable

import numpy as np
import pytest
import torch

from mien.models.stem import Pixels


def test_none_divides_by_255_as_totensor_does() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(Pixels(normalise="none")(pixels), pixels.float() / 255)


def test_image_gives_each_face_mean_0_and_deviation_1_whatever_the_light() -> None:
    rng = np.random.default_rng(0)
    scene = rng.integers(60, 120, (1, 1, 48, 48))
    lit = torch.from_numpy(np.concatenate([scene, 2 * scene, scene + 100])).to(torch.uint8)
    seen = Pixels()(lit)
    torch.testing.assert_close(seen.mean((1, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    deviation = lit.double().std((1, 2, 3), correction=0) / 255
    torch.testing.assert_close(seen.std((1, 2, 3), correction=0).double(), deviation / (deviation + 0.01))
    torch.testing.assert_close(seen[2], seen[0], atol=1e-5, rtol=0)  # brighter is the same face exactly
    assert (seen[1] - seen[0]).abs().max() < 0.2  # and more contrast nearly so


def test_gray_is_weighed_as_in_bt601() -> None:
    primaries = torch.zeros(3, 3, 4, 4)
    for channel in range(3):
        primaries[channel, channel] = 255
    gray = Pixels(normalise="none")(primaries)
    torch.testing.assert_close(gray[:, 0, 0, 0], torch.tensor([0.299, 0.587, 0.114]))


def test_resizing_keeps_the_mean_and_a_fitting_face_as_it_is() -> None:
    pixels = torch.randint(0, 256, (2, 1, 96, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    half = Pixels(size=48, normalise="none")(pixels)
    assert half.shape == (2, 1, 48, 48)
    torch.testing.assert_close(half.mean(), pixels.float().mean() / 255, atol=2e-3, rtol=0)
    quarter = Pixels(size=24, normalise="none")(pixels)
    assert quarter.std() < 0.25 * pixels.float().std() / 255  # noise is averaged away and not picked from
    assert torch.equal(Pixels(size=96, normalise="none")(pixels), pixels.float() / 255)


def test_an_unknown_normalising_is_refused() -> None:
    with pytest.raises(TypeError, match="neither 'none' nor 'image'"):
        Pixels(normalise="batch")  # type: ignore[arg-type]


def test_it_holds_no_weights() -> None:
    assert not Pixels().state_dict()


def test_pixels_that_were_divided_already_are_warned_of() -> None:
    divided = torch.linspace(0, 1, 2 * 16).view(2, 1, 4, 4)
    stem = Pixels().eval()
    with pytest.warns(UserWarning, match="divide by 255 themselves"):
        stem(divided)
    for fine in (
        divided * 255,
        torch.zeros(2, 1, 4, 4),
        torch.ones(2, 1, 4, 4, dtype=torch.uint8),
        divided[:0],
        divided.round(),
    ):
        stem(fine)  # warnings are errors here


@pytest.mark.parametrize(
    "graph",
    [
        lambda stem, pixels: torch.export.export(stem, (pixels,)).module()(pixels),
        lambda stem, pixels: torch.compile(stem, backend="eager", fullgraph=True)(pixels),
        lambda stem, pixels: torch.jit.trace(stem, pixels, check_trace=False)(pixels),
        lambda stem, pixels: torch.func.vmap(stem)(pixels[:, None])[:, 0],
    ],
    ids=["export", "compile", "trace", "vmap"],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_the_warning_is_in_no_ones_way(graph: Callable[..., torch.Tensor]) -> None:
    pixels = torch.linspace(0, 1, 2 * 16).view(2, 1, 4, 4)
    stem = Pixels().eval()
    plain = Pixels()
    plain.looked = True  # nothing is said of the next
    torch.testing.assert_close(graph(stem, pixels), plain.train()(pixels))

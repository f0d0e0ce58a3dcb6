"""What happens to faces outside a benchmark: crops, rolls, blur, few pixels, JPEG, darkness, things in the way.

Every corruption takes faces `(N, H, W)` or `(N, H, W, 3)` uint8 and a level, and gives faces of the same shape. What is
random in it (the side of a roll, noise, where something is in the way) is drawn from a generator, so the same seed
gives the same faces with the same versions of numpy and Pillow. After the idea of Hendrycks and Dietterich, 2019; the
levels are ours.
"""

import io
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mien.data.faces import FaceSet

Faces = NDArray[np.uint8]


@dataclass(frozen=True)
class Corruption:
    """A kind of corruption, its `levels`, the `unit` that these are in, and `apply(faces, level, generator)`."""

    name: str
    unit: str
    levels: tuple[float, ...]
    apply: Callable[[Faces, float, np.random.Generator], Faces]


def corrupted(faces: FaceSet, corruption: Corruption, level: float, *, seed: int = 0) -> FaceSet:
    """The same faces, corrupted. What is random depends on the seed, the kind and the level alone."""
    kinds = [one.name for one in CORRUPTIONS]
    at = _place(corruption.name, kinds), _place(level, corruption.levels)
    images = corruption.apply(faces.images, level, np.random.default_rng((seed, *at)))
    return faces.replaced(images=images)


def _place(one: Any, among: Sequence[Any]) -> int:
    """The index of `one`; of a corruption or level of one's own, which isn't there, a checksum."""
    return among.index(one) if one in among else zlib.crc32(repr(one).encode())


def _each(faces: Faces, change: Callable[[Image.Image], Image.Image]) -> Faces:
    changed = np.empty(faces.shape, np.uint8)
    for at, face in enumerate(faces):  # one by one, so that a set is in memory twice and not more often
        changed[at] = np.asarray(change(Image.fromarray(face)))
    return changed


def _tighter(faces: Faces, share: float, _: np.random.Generator) -> Faces:
    height, width = faces.shape[1:3]
    across, down = share * width / 2, share * height / 2
    box = (across, down, width - across, height - down)
    return _each(faces, lambda face: face.resize((width, height), Image.Resampling.BILINEAR, box))


def _looser(faces: Faces, share: float, _: np.random.Generator) -> Faces:
    height, width = faces.shape[1:3]
    more = round(share * height / 2)  # whole pixels: a side of 48 gets 4, 10 or 14 more, 0.083, 0.208 or 0.292 of it
    return _each(faces, lambda face: _padded(face, more).resize((width, height), Image.Resampling.BILINEAR))


def _rolled(faces: Faces, degrees: float, generator: np.random.Generator) -> Faces:
    height, width = faces.shape[1:3]
    more = max(height, width) // 4
    box = (more, more, more + width, more + height)
    sides = iter(generator.choice((-1, 1), len(faces)))

    def turned(face: Image.Image) -> Image.Image:
        return _padded(face, more).rotate(next(sides) * degrees, Image.Resampling.BILINEAR).crop(box)

    return _each(faces, turned)


def _blurred(faces: Faces, sigma: float, _: np.random.Generator) -> Faces:
    return _each(faces, lambda face: face.filter(ImageFilter.GaussianBlur(sigma)))


def _coarse(faces: Faces, side: float, _: np.random.Generator) -> Faces:
    height, width = faces.shape[1:3]
    small = (round(side), round(side * height / width))
    return _each(
        faces, lambda face: face.resize(small, Image.Resampling.BOX).resize((width, height), Image.Resampling.BILINEAR)
    )


def _jpeg(faces: Faces, quality: float, _: np.random.Generator) -> Faces:
    def there_and_back(face: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        face.save(buffer, "JPEG", quality=round(quality))
        return Image.open(buffer)

    return _each(faces, there_and_back)


def _dark(faces: Faces, light: float, generator: np.random.Generator) -> Faces:
    darker = np.empty_like(faces)
    for start in range(0, len(faces), 8):  # in pieces: a float takes eight bytes
        some = faces[start : start + 8]
        noise = generator.normal(0, 3, some.shape)  # a sensor's own, which doesn't shrink with the light
        darker[start : start + 8] = np.clip(np.rint(some * light + noise), 0, 255)
    return darker


def _occluded(faces: Faces, share: float, generator: np.random.Generator) -> Faces:
    height, width = faces.shape[1:3]
    tall, wide = round(height * share**0.5), round(width * share**0.5)
    tops, lefts = (
        generator.integers(0, height - tall + 1, len(faces)),
        generator.integers(0, width - wide + 1, len(faces)),
    )
    covered = faces.copy()
    for face, top, left in zip(covered, tops, lefts, strict=True):
        face[top : top + tall, left : left + wide] = 128
    return covered


def _padded(face: Image.Image, more: int) -> Image.Image:
    pixels = np.asarray(face)
    return Image.fromarray(np.pad(pixels, [(more, more), (more, more), (0, 0)][: pixels.ndim], mode="edge"))


CORRUPTIONS = (
    Corruption("tighter crop", "share of the side cut off", (0.1, 0.2, 0.3), _tighter),
    Corruption("looser crop", "share of the side added, the edge repeated", (0.1, 0.2, 0.3), _looser),
    Corruption("roll", "degrees, to either side", (5.0, 10.0, 15.0), _rolled),
    Corruption("blur", "sigma in pixels", (0.5, 1.0, 1.5, 2.0), _blurred),
    Corruption("low resolution", "pixels across", (32.0, 24.0, 16.0, 12.0), _coarse),
    Corruption("JPEG", "quality", (50.0, 30.0, 15.0, 8.0), _jpeg),
    Corruption("low light", "share of the light, with noise", (0.5, 0.25, 0.12, 0.06), _dark),
    Corruption("occlusion", "share of the face under a gray square", (0.05, 0.1, 0.2, 0.3), _occluded),
)
"""Each kind with its levels, from mild to severe. docs/ROBUSTNESS.md shows what they look like and do."""

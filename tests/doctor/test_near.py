"""Near copies: photographs' faces changed as they are changed on their way through the web, among strangers."""

import io
import time

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageEnhance

from mien.data.drawn import drawn_faces
from mien.data.faces import FaceSet
from mien.data.splits import Splits
from mien.doctor.copies import identical
from mien.doctor.near import SAME, likeness, near
from mien.doctor.pool import Pool


def jpeg(face: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    face.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


WATERMARK = Image.new("L", (48, 48))
ImageDraw.Draw(WATERMARK).text((2, 18), "example", fill=150)

CHANGES = {
    "jpeg": lambda face: jpeg(face, 30),
    "brighter": lambda face: ImageEnhance.Brightness(face).enhance(1.15),
    "less contrast": lambda face: ImageEnhance.Contrast(face).enhance(0.7),
    "smaller and back": lambda face: face.resize((32, 32)).resize((48, 48)),
    "a watermark": lambda face: ImageChops.lighter(face, WATERMARK),
    "one pixel": lambda face: Image.fromarray(np.asarray(face) ^ (np.arange(2304).reshape(48, 48) == 99)),
}


def pool_of(images: np.ndarray) -> Pool:
    faces = FaceSet(images, np.zeros(len(images), np.int64))
    return Pool(Splits(faces, faces[[]], faces[[]]))


def groups_of(images: np.ndarray) -> np.ndarray:
    pool = pool_of(images)
    return near(pool, identical(pool), np.zeros(len(pool), np.bool_)).first


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found(change: str) -> None:
    drawn = drawn_faces(140).train.images  # 98
    changed = np.stack([np.asarray(CHANGES[change](Image.fromarray(face)).convert("L")) for face in drawn[:40]])
    first = groups_of(np.concatenate([drawn, changed]))
    assert (first[98:] == first[:40]).mean() >= 0.95


def test_it_finds_what_comparing_all_with_all_finds() -> None:
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (300, 6, 6), np.uint8)  # coarse noise: some pairs are a little alike
    images = np.stack([np.asarray(Image.fromarray(face).resize((48, 48), Image.Resampling.BICUBIC)) for face in base])
    for one, other in rng.choice(300, (60, 2), replace=False):
        share = rng.uniform(0.0, 0.5)
        images[other] = ((1 - share) * images[one] + share * images[other]).astype(np.uint8)
    left, right = np.triu_indices(300, 1)
    alike = np.concatenate(
        [
            likeness(images[a], images[b])
            for a, b in zip(np.array_split(left, 64), np.array_split(right, 64), strict=True)
        ]
    )
    true = alike > SAME
    assert 20 <= true.sum() <= 60
    first = groups_of(images)
    found = first[left] == first[right]
    assert found[true].mean() >= 0.95
    assert true[found].all()  # nothing else


def test_another_size_and_colour_and_a_crowd_of_the_same() -> None:
    rng = np.random.default_rng(1)
    crowd = np.repeat(rng.integers(0, 256, (1, 30, 40, 3), np.uint8), 3000, 0)
    crowd[np.arange(3000), rng.integers(0, 30, 3000), rng.integers(0, 40, 3000), 0] ^= 7  # nearly the same
    others = rng.integers(0, 256, (500, 30, 40, 3), np.uint8)
    began = time.process_time()
    first = groups_of(np.concatenate([crowd, others]))
    assert (first[:3000] == 0).all()
    assert (first[3000:] == np.arange(3000, 3500)).all()
    assert time.process_time() - began < 30  # comparing all with all of a crowd would take minutes


def test_blank_faces_are_like_nothing(planted) -> None:
    pool = Pool(planted)
    same = identical(pool)
    skip = np.zeros(len(pool), np.bool_)
    skip[30:33] = True
    assert near(pool, same, skip).first[30:33].tolist() == [30, 30, 32]
    pattern = np.kron(np.random.default_rng(0).integers(0, 4, (6, 6), np.uint8), np.ones((8, 8), np.uint8))
    faint = np.stack([100 + pattern, 140 + pattern])
    pool = pool_of(faint)
    assert groups_of(faint).tolist() == [0, 0]  # as if one were a copy of the other
    assert near(pool, identical(pool), np.ones(2, np.bool_)).first.tolist() == [0, 1]

import numpy as np
from PIL import Image

from mien.data.faces import FaceSet
from mien.data.splits import Splits
from mien.doctor.nonfaces import NO_FACE, faceness
from mien.doctor.pool import Pool


def test_photographed_faces_are_faces_and_other_things_are_none(astronaut: np.ndarray) -> None:
    face = Image.fromarray(astronaut[55:185, 160:290])
    pictures = [face, face.transpose(Image.Transpose.FLIP_LEFT_RIGHT), face.rotate(70), face.rotate(-35)]
    things = [
        astronaut[300:430, 20:150],
        astronaut[350:480, 350:480],
        np.random.default_rng(0).integers(0, 256, (130, 130, 3), np.uint8),
    ]
    images = np.stack(
        [np.asarray(p.resize((48, 48), Image.Resampling.BOX)) for p in [*pictures, *map(Image.fromarray, things)]]
    )
    images = np.concatenate([images, np.zeros((200, 48, 48, 3), np.uint8), images[:1]])  # more than one piece
    told: list[float] = []
    for shown in (images, np.asarray([np.asarray(Image.fromarray(image).convert("L")) for image in images])):
        faces = FaceSet(shown, np.zeros(len(shown), np.int64))
        found = faceness(Pool(Splits(faces, faces[[]], faces[[]])), told.append)
        assert (found[[0, 1, 2, 3, -1]] > 0.5).all()
        assert (found[4:-1] < NO_FACE).all()
    assert told[-1] == 1

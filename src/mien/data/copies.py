"""Faces that stand in two splits: a copy in training tells a network the answer before it is judged."""

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from mien.data.faces import FaceSet
from mien.data.pages import let_go


def leaked(train: FaceSet, val: FaceSet) -> NDArray[np.bool_]:
    """Which faces of `val` have a byte-identical copy in `train`, whatever their labels: a mask `(N,)` over `val`.

    Faces of another size or number of channels are never copies. The sets may lie on disk (`numpy.memmap`): their
    pixels are read once, in pieces, and only 16 bytes of each face are kept. FER2013 has 280 of them in PublicTest.

    >>> faces = FaceSet(np.eye(3, 2304, dtype=np.uint8).reshape(3, 48, 48), [0, 1, 2])
    >>> leaked(faces[:2], faces[1:]).tolist()
    [True, False]
    """
    if train.images.shape[1:] != val.images.shape[1:]:
        return np.zeros(len(val), np.bool_)
    known = set(digests(train))
    return np.fromiter((digest in known for digest in digests(val)), np.bool_, len(val))


def digests(faces: FaceSet) -> Iterator[bytes]:
    """16 bytes for each face, the same for the same pixels; read in pieces."""
    for start in range(0, len(faces), 4096):
        piece = np.ascontiguousarray(faces.images[start : start + 4096])
        yield from (blake2b(image, digest_size=16).digest() for image in piece)
        let_go(faces.images)

"""FER2013 files for the tests, written as the real ones are."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HEADER = b"emotion,pixels,Usage"


def faces(n: int, seed: int = 0) -> NDArray[np.uint8]:
    """`(n, 48, 48)`: random pixels of one, two and three digits."""
    return np.random.default_rng(seed).integers(0, 256, (n, 48, 48), np.uint8)


def text(face: NDArray[np.uint8]) -> bytes:
    return " ".join(map(str, face.ravel().tolist())).encode()


def csv_bytes(
    images: NDArray[np.uint8], labels: Sequence[int], usages: Sequence[str], *, header: bytes = HEADER
) -> bytes:
    """A CSV whose columns stand in the header's order."""
    rows = [header]
    for face, label, usage in zip(images, labels, usages, strict=True):
        cells = {b"emotion": str(label).encode(), b"pixels": text(face), b"usage": usage.encode()}
        rows.append(b",".join(cells[name.strip().strip(b'"').lower()] for name in header.split(b",")))
    return b"\n".join(rows) + b"\n"


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path

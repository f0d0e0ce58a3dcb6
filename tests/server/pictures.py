"""Pictures as files in memory, and ruined ones."""

import io
from collections.abc import Iterator
from random import Random

import numpy as np
from PIL import Image


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def ruined(files: list[bytes], seed: int = 0) -> Iterator[bytes]:
    """Without end: the files cut off, with bytes changed, doubled, torn out or put in, or mixed with each other."""
    dice = Random(seed)
    while True:
        data = bytearray(dice.choice(files))
        for _ in range(dice.randint(1, 6)):
            at = dice.randrange(len(data)) if data else 0
            kind = dice.randrange(6)
            if kind == 0:
                del data[at:]
            elif kind == 1:
                del data[at : at + dice.randint(1, 64)]
            elif kind == 2:
                data[at:at] = dice.randbytes(dice.randint(1, 64))
            elif kind == 3:
                data[at:at] = data[: dice.randint(1, 4096)]
            elif kind == 4:
                data[at:] = dice.choice(files)[at:]
            elif data:
                data[at] = dice.choice((0, 255, data[at] ^ 1 << dice.randrange(8)))
        yield bytes(data)

"""Where the reader decodes a picture: a small crop between two requests, what may be more than it tells in a worker."""

import asyncio
import io
import threading

import numpy as np
import pytest
from PIL import Image

from mien.server.reader import Reader
from mien.server.settings import Settings


@pytest.mark.parametrize(("form", "workers"), [("PNG", 0), ("AVIF", 1), ("GIF", 1)])
def test_what_may_be_larger_than_it_tells_is_decoded_in_a_worker(form: str, workers: int) -> None:
    held = io.BytesIO()
    Image.fromarray(np.full((48, 48), 90, np.uint8)).save(held, form)

    async def read() -> int:
        reader = Reader(Settings())
        try:
            reading, _ = await reader.read(held.getvalue(), await reader.networks.get(None), detect=False)
            assert reading.width == 48
            return sum(thread.name.startswith("mien worker") for thread in threading.enumerate())
        finally:
            reader.close()

    assert asyncio.run(read()) == workers

"""Where a picture is decoded and a form parsed, so that others get their turn."""

import asyncio
import io
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.requests import Request

from mien.server.bodies import pictures
from mien.server.reader import SMALL_BYTES, Reader
from mien.server.settings import Settings


@pytest.mark.parametrize(
    ("form", "side", "workers"), [("PNG", 48, 0), ("PNG", 2000, 1), ("AVIF", 48, 1), ("GIF", 48, 1)]
)
def test_what_is_or_may_be_large_is_decoded_in_a_worker(form: str, side: int, workers: int) -> None:
    held = io.BytesIO()
    Image.fromarray(np.full((side, side), 90, np.uint8)).save(held, form)
    assert len(held.getvalue()) <= SMALL_BYTES

    async def read() -> int:
        reader = Reader(Settings())
        try:
            reading, _ = await reader.read(held.getvalue(), await reader.networks.get(None), detect=False)
            assert reading.width == side
            return sum(thread.name.startswith("mien worker") for thread in threading.enumerate())
        finally:
            reader.close()

    assert asyncio.run(read()) == workers


def faces(data: bytes, settings: Settings, *, at: float | None = None) -> int:
    """How many a server with these settings finds in a picture, or in a stream's frame at that time."""

    async def read() -> int:
        reader = Reader(settings)
        try:
            return len((await reader.read(data, await reader.networks.get(None), at=at))[0])
        finally:
            reader.close()

    return asyncio.run(read())


def test_a_photo_is_looked_at_in_tiles_and_a_streams_frame_is_not(astronaut: np.ndarray) -> None:
    large, held = np.full((3000, 4000, 3), 90, np.uint8), io.BytesIO()
    large[1700:1810, 2100:2205] = np.asarray(Image.fromarray(astronaut[20:240, 120:330]).resize((105, 110)))
    Image.fromarray(large).save(held, "JPEG", quality=95)
    assert faces(held.getvalue(), Settings()) == 1
    assert faces(held.getvalue(), Settings(), at=0.0) == 0


def test_how_certain_the_detector_must_be_is_a_setting(photo: Path) -> None:
    assert faces(photo.read_bytes(), Settings(certain=1.0)) == 0


def test_while_a_crafted_form_is_parsed_others_get_their_turn() -> None:
    """What looks like a boundary again and again takes the parser a long time."""
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = part + b"\r\n--" * (1 << 20) + b"\r\n--b--\r\n"
    told = [(b"content-type", b"multipart/form-data; boundary=b")]

    async def receive() -> dict:
        return {"type": "http.request", "body": body, "more_body": False}

    async def turns() -> int:
        request, count = Request({"type": "http", "headers": told}, receive), 0
        parsing = asyncio.create_task(pictures(request, most=1, most_bytes=16 << 20, seconds=30))
        while not parsing.done():
            await asyncio.sleep(0)
            count += 1
        assert len((await parsing)[0].data) == 4 << 20
        return count

    assert asyncio.run(turns()) > 50

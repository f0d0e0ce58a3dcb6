"""Where a picture is decoded and a form parsed, so that others get their turn; and what OpenCV refuses."""

import asyncio
import io
import threading

import numpy as np
import pytest
from PIL import Image
from starlette.requests import Request

from mien import images
from mien.server.bodies import pictures
from mien.server.reader import Reader
from mien.server.refusal import Refusal
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


def test_what_opencv_refuses_is_no_fault_of_the_server(astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_SIDE", 40_000)
    strip = np.full((300, 33_000, 3), 128, np.uint8)
    strip[:, :512] = astronaut[:300]
    held = io.BytesIO()
    Image.fromarray(strip).save(held, "PNG")

    async def read() -> None:
        reader = Reader(Settings())
        try:
            with pytest.raises(Refusal, match="OpenCV can't work on it") as refused:
                await reader.read(held.getvalue(), await reader.networks.get(None))
            assert refused.value.code == "bad_picture"
        finally:
            reader.close()

    asyncio.run(read())


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

"""A real Chromium, without a window, on a real server; its camera plays a film of the astronaut.

`make chromium` installs one from Debian's packages where there is none, `make browser` what comes from npm.
"""

import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ROOT = Path(__file__).parents[3]
NPM = ROOT / "build" / "browser" / "node_modules"
SIZE = (320, 240)
PATIENCE = 60_000
"""Milliseconds that a page has for anything: a machine that does much else is slow."""

expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave these tests out where there is no browser, or nothing from npm; say which, and what mends it."""
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    if not any(map(shutil.which, NAMES)):
        reason = f"none of {', '.join(NAMES)} is here; `make chromium` as root installs Debian's"
    elif not NPM.is_dir():
        reason = f"{NPM.relative_to(ROOT)} isn't there; `make browser` gets it"
    else:
        return
    for item in here:
        item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def camera(astronaut: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film in a loop, motion JPEG: the astronaut nearer and farther, to the left and to the right."""
    path = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    width, height = SIZE
    with open(path, "wb") as file:
        for number in range(60):
            turn = 2 * math.pi * number / 60
            scale, x, y = 0.9 + 0.1 * math.sin(turn), 225 + 25 * math.cos(turn), 140
            place = np.array([[scale, 0, width / 2 - scale * x], [0, scale, height / 2 - scale * y]])
            frame = cv2.warpAffine(astronaut, place, SIZE, borderMode=cv2.BORDER_REPLICATE)
            Image.fromarray(frame).save(file, "JPEG", quality=90)
    return path


@pytest.fixture(scope="module")  # Playwright's loop runs in this thread, where other files' tests need one of their own
def chromium(camera: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=next(filter(None, map(shutil.which, NAMES))),
            args=[
                *(["--no-sandbox"] if os.geteuid() == 0 else []),  # Chromium's own sandbox refuses root
                "--use-fake-device-for-media-stream=fps=10",
                "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-video-capture={camera}",
            ],
        )
        yield browser
        browser.close()


class Seen:
    """What a page asked for and complained about."""

    def __init__(self, context: BrowserContext) -> None:
        self.requests: list[Any] = []
        self.sockets: list[Any] = []
        self.errors: list[str] = []
        context.on("request", lambda request: self.requests.append(request))  # it takes no built-in method
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("console", self._console)
        context.on("page", lambda page: page.on("websocket", lambda socket: self.sockets.append(socket)))

    def _console(self, message: Any) -> None:
        usual = (
            "Failed to load resource",
            "net::ERR_CONNECTION_REFUSED",
        )  # said for every 4xx, and of a server that ended
        if message.type == "error" and not any(words in message.text for words in usual):
            self.errors.append(message.text)

    @property
    def hosts(self) -> set[str]:
        addresses = [request.url for request in self.requests] + [socket.url for socket in self.sockets]
        return {urlsplit(address).netloc for address in addresses if not address.startswith(("blob:", "data:"))}


Visit = Callable[..., Page]


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Visit]:
    """Open a server's page; `page.seen` has what it asked for. At the end none may have asked elsewhere or failed."""
    contexts = []

    def open_page(address: str, **options: Any) -> Page:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        context.set_default_timeout(PATIENCE)
        seen = Seen(context)
        contexts.append((context, seen, address))
        page = context.new_page()
        page.seen = seen  # type: ignore[attr-defined]
        page.goto(address)
        page.wait_for_selector("html[data-ready]", state="attached")
        return page

    yield open_page
    for context, seen, address in contexts:
        context.close()
        assert seen.errors == []
        assert seen.hosts == {urlsplit(address).netloc}


@pytest.fixture
def page(visit: Visit, server: Any) -> Page:
    """The page of the server that all tests share."""
    return visit(server.address)


@pytest.fixture
def hold(page: Page) -> Callable[[str], Callable[[], Route]]:
    """Keep back what the page asks for at such an address; what is returned waits for the first, and hands it over."""

    def begin(address: str) -> Callable[[], Route]:
        held: list[Route] = []
        page.route(address, lambda route: held.append(route))

        def first() -> Route:
            until = time.monotonic() + PATIENCE / 1000
            while not held:
                assert time.monotonic() < until, f"the page doesn't ask for {address}"
                page.wait_for_timeout(50)
            return held[0]

        return first

    return begin


@pytest.fixture(scope="session")
def files(astronaut: np.ndarray, scene: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pictures to show the page: a photo, three faces, a gray wall, a drawn face that leaves the network in doubt."""
    from mien.data.drawn import drawn_faces
    from mien.net import Net
    from mien.shipped import DEFAULT

    faces = drawn_faces(700).val.images
    doubtful = faces[int(np.argmin(Net(DEFAULT)(faces).max(1)))]
    folder = tmp_path_factory.mktemp("pictures")
    pictures = {"photo": astronaut, "scene": scene, "wall": np.full((300, 400, 3), 120, np.uint8), "doubtful": doubtful}
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")
    (folder / "letter.png").write_text("Dear reader, this is no picture.")
    return {path.stem: path for path in folder.iterdir()}

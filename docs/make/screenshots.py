"""Take pictures of the page: docs/pictures/page.jpg and page-camera.jpg. They show scikit-image's astronaut only.

    python docs/make/screenshots.py

Needs Chromium (`make chromium`). The fonts are this system's, so the pictures differ a little from machine to machine.
"""

import io
import math
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from PIL import Image
from playwright.sync_api import Page, sync_playwright

PICTURES = Path(__file__).parents[1] / "pictures"


def film(path: Path) -> None:
    """Six seconds of motion JPEG: the astronaut nearer and farther, to the left and to the right."""
    with open(path, "wb") as file:
        for number in range(60):
            turn = 2 * math.pi * number / 60
            scale, x, y = 1.4 + 0.05 * math.sin(turn), 252 + 10 * math.cos(turn), 182
            place = np.array([[scale, 0, 320 - scale * x], [0, scale, 240 - scale * y]])
            frame = cv2.warpAffine(skimage.data.astronaut(), place, (640, 480))
            Image.fromarray(frame).save(file, "JPEG", quality=90)


def photo(page: Page, folder: Path) -> None:
    Image.fromarray(skimage.data.astronaut()).save(folder / "astronaut.png")
    for _ in range(3):  # the first takes longer
        page.set_input_files("#file", folder / "astronaut.png")
        page.wait_for_selector(".face")


def camera(page: Page, folder: Path) -> None:
    page.click("#camera")
    page.wait_for_selector(".face", timeout=120_000)
    page.wait_for_timeout(30_000)


SHOTS = {"page": (photo, "light", (1280, 900)), "page-camera": (camera, "dark", (390, 1280))}


def main() -> None:
    """Start a server, open its page, and take each picture."""
    line = [sys.executable, "-m", "mien", "serve", "--port", "0", "--log", "error"]
    with tempfile.TemporaryDirectory() as name, subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as server:
        folder, address = Path(name), server.stderr.readline().split()[3]
        film(folder / "film.mjpeg")
        arguments = [
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            "--use-fake-device-for-media-stream=fps=10",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-video-capture={folder / 'film.mjpeg'}",
        ]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
            for picture, (show, scheme, (width, height)) in SHOTS.items():
                page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": height})
                page.goto(address)
                page.wait_for_selector("html[data-ready]", state="attached")
                show(page, folder)
                page.wait_for_timeout(500)
                Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(
                    PICTURES / f"{picture}.jpg", quality=82, optimize=True
                )
            browser.close()
        server.terminate()


if __name__ == "__main__":
    main()

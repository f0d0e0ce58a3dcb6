"""Do the networks answer in the browser as on the server? Every face through onnxruntime-web and through onnxruntime.

    python benchmarks/browser.py                       # 900 drawn faces; needs `make chromium browser`
    python benchmarks/browser.py --data fer2013.npz    # the validation split, 3,589 faces, in a few minutes

The page of `mien serve --in-browser` reads each face as a PNG file of its own, in a Chromium without a window, and
`mien.Net` in this process reads its pixels; one face at a time in both. The page rounds a probability to 0.00001.
"""

import argparse
import base64
import io
import os
import platform
import shutil
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.progress import track

import mien
from mien.data.drawn import draw
from mien.data.load import load_faces

HOME = Path(__file__).parents[1]
sys.path.insert(0, str(HOME / "tests" / "server"))

from running import start  # noqa: E402

MODELS = ("small:int8", "small", "flagship:int8", "flagship")
FAR = 1e-3
"""What the page's tests allow a probability."""
AT_ONCE = 64

OPEN = """async () => {
  const [{ Browser }, { load }] = await Promise.all([import("/static/browser.js"), import("/static/settings.js")]);
  const { page, models } = await load();
  window.reader = new Browser(page, models);
}"""
READ = """async ([files, model]) => {
  const answers = [];
  for (const file of files) {
    const blob = new Blob([Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0))]);
    const answer = await window.reader.read(blob, { model, detect: false });
    answers.push([Object.values(answer.faces[0].probabilities), answer.timings_ms.network]);
  }
  return answers;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="FER2013, as `mien evaluate --data` takes it; without it drawn faces")
    parser.add_argument("--model", nargs="+", default=list(MODELS), help="networks in the box")
    wanted = parser.parse_args()
    faces = load_faces(wanted.data)["val"].images if wanted.data else draw(900).images
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("there is no Chromium here: `make chromium` as root installs Debian's")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's own sandbox refuses root
    served = start("--in-browser", *(word for name in wanted.model for word in ("--model", name)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=sandbox)
        page = browser.new_page()
        page.goto(f"{served.address}/page.json")
        page.evaluate(OPEN)
        print(f"{len(faces):,} faces, Chromium {browser.version}, onnxruntime {version('onnxruntime')}, "
              f"{platform.machine()}")  # fmt: skip
        print(f"{'network':14} {'largest':>9} {f'beyond {FAR}':>12} {'other label':>12} {'ms here':>8} {'in page':>8}")
        for name in wanted.model:
            inside, page_ms = in_page(page, faces, name)
            outside, our_ms = here(faces, name)
            apart = np.abs(inside - outside).max(1)
            labels = int((inside.argmax(1) != outside.argmax(1)).sum())
            print(f"{name:14} {apart.max():9.5f} {(apart > FAR).sum():12} {labels:12} {our_ms:8.2f} {page_ms:8.2f}")
        browser.close()
    served.end()


def in_page(page: Page, faces: NDArray[np.uint8], model: str) -> tuple[NDArray[np.float64], float]:
    """What the page answers, `(N, K)`, and the median of its milliseconds for a face."""
    answers = []
    for begin in track(range(0, len(faces), AT_ONCE), model, console=Console(stderr=True), transient=True):
        answers += page.evaluate(READ, [[png(face) for face in faces[begin : begin + AT_ONCE]], model])
    return np.array([shares for shares, _ in answers]), float(np.median([ms for _, ms in answers]))


def here(faces: NDArray[np.uint8], model: str) -> tuple[NDArray[np.float64], float]:
    """What `mien.Net` answers, and the median of its milliseconds for a face."""
    net, answers, times = mien.Net(model), [], []
    for at in range(len(faces)):
        began = time.perf_counter()
        answers.append(net(faces[at : at + 1])[0])
        times.append(time.perf_counter() - began)
    return np.array(answers, np.float64), 1000 * float(np.median(times))


def png(face: NDArray[np.uint8]) -> str:
    """A PNG file in base64."""
    file = io.BytesIO()
    Image.fromarray(face).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


if __name__ == "__main__":
    main()

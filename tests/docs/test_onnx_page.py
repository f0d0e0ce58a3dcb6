"""The commands and the code of docs/how-to/onnx.md, run as they stand beside a small `fer2013.csv`."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from mien.data.drawn import drawn_faces
from mien.net import Net

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "onnx.md").read_text(encoding="utf-8")
PACKAGES = ROOT / "build" / "browser" / "node_modules"


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return found


def run(folder: Path, *words: str) -> str:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def folder(mien, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `fer2013.csv`, `fer2013.npz`, and what the page's commands write."""
    folder = tmp_path_factory.mktemp("onnx")
    splits = drawn_faces(140)
    rows = ["emotion,pixels,Usage"]
    for usage, (_, faces) in zip(("Training", "PublicTest", "PrivateTest"), splits, strict=True):
        rows += [f"{label},{' '.join(map(str, face.ravel()))},{usage}" for face, label in faces]
    (folder / "fer2013.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    splits.save(folder / "fer2013.npz")
    Image.fromarray(splits.val.images[0]).save(folder / "crop.png")
    for line in block("sh").splitlines():
        _, *words = shlex.split(line)
        done = mien(folder, *words)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    return folder


def test_the_python_answers_as_mien_does(folder: Path) -> None:
    lines = run(folder, sys.executable, "-c", block("python")).splitlines()
    for name in ("small", "small:int8"):
        assert Net(name).path.is_file()
    expected = Net("small")(drawn_faces(140).val.images[:4])
    assert [line.split()[0] for line in lines] == [Net("small").classes[at] for at in expected.argmax(1)]
    np.testing.assert_allclose([float(line.split()[1]) for line in lines], expected.max(1), atol=1e-3)


def test_the_python_imports_neither_mien_nor_torch() -> None:
    assert set(re.findall(r"^(?:import|from) (\w+)", block("python"), re.MULTILINE)) == {"json", "numpy", "onnxruntime"}


def test_a_crop_is_read_as_the_page_says(folder: Path) -> None:
    (line,) = re.findall(r"`(np\.asarray\(Image.*?)`", PAGE)
    head = "import numpy as np; from PIL import Image"
    code = f"{head}; pixels = {line}; print(pixels.dtype, pixels.shape, pixels.sum())"
    known = drawn_faces(140).val.images[0]
    assert run(folder, sys.executable, "-c", code).strip() == f"uint8 (1, 1, 48, 48) {known.sum()}"


def test_the_int8_file_stands_alone_and_has_the_same_labels(folder: Path) -> None:
    assert Net(folder / "small-int8.onnx").classes == Net(folder / "small.onnx").classes
    shutil.copy(Net("small:int8").path, folder / "alone.onnx")
    assert Net(folder / "alone.onnx").classes == Net("small").classes


@pytest.mark.parametrize("name", ["small.onnx", "small-int8.onnx"])
def test_the_file_needs_no_newer_onnxruntime_than_the_page_says(folder: Path, name: str) -> None:
    ((version, opset),) = re.findall(r"IR version (\d+), opset (\d+)", PAGE)  # onnxruntime reads 10 since 1.18
    model = onnx.load(folder / name)
    sets = {one.domain: one.version for one in model.opset_import}
    assert (model.ir_version, sets[""]) == (int(version), int(opset))


@pytest.mark.skipif(shutil.which("node") is None or not PACKAGES.is_dir(), reason="no Node, or no `make browser`")
def test_the_javascript_answers_too(folder: Path) -> None:
    (folder / "node_modules").symlink_to(PACKAGES)
    code = block("js").replace('"small.onnx"', 'readFileSync("small.onnx")')  # a page would fetch it
    head = 'import { readFileSync } from "node:fs";\nconst gray = new Uint8Array(48 * 48).map((_, i) => i % 251);\n'
    (folder / "page.mjs").write_text(head + code, encoding="utf-8")
    said = run(folder, "node", "page.mjs")
    expected = Net(folder / "small.onnx")((np.arange(48 * 48) % 251).astype(np.uint8).reshape(1, 48, 48))[0]
    np.testing.assert_allclose([float(one) for one in re.findall(r"\d\.[\de-]+", said)], expected, atol=1e-4)

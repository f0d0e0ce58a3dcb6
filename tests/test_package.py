"""The package as a whole: what importing it costs, its public names, its core without torch, its pins."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires, version
from pathlib import Path
from types import ModuleType
from typing import get_type_hints

import pytest
import torch
import yaml

import mien
from mien.cards import Card
from mien.export import export_onnx
from mien.models import create_model

ROOT = Path(__file__).parents[1]


def in_a_new_process(code: str, *arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_checkout_that_isnt_installed_runs() -> None:
    line = [sys.executable, "-S", "-c", "import mien; print(mien.__version__)"]  # without what is installed
    done = subprocess.run(line, env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=False)
    assert done.stdout == "0+source\n", done.stderr


def test_importing_mien_loads_nothing_heavy() -> None:
    loaded = in_a_new_process("import mien, sys; print(*{name.split('.')[0] for name in sys.modules})").split()
    assert "mien" in loaded
    heavy = {
        "torch",
        "onnxruntime",
        "onnx",
        "matplotlib",
        "pandas",
        "numpy",
        "PIL",
        "pydantic",
        "typer",
        "rich",
        "sklearn",
    }
    assert heavy.isdisjoint(loaded)


def test_nothing_reports_to_anybody_and_nothing_is_kept_of_a_reading(photo: Path, tmp_path: Path) -> None:
    """onnxruntime's telemetry, where it isn't switched off, keeps a number of this machine in the home folder."""
    code = "import sys, mien; print(len(mien.Recognizer()(sys.argv[1])))"
    home, kept = tmp_path / "home", tmp_path / "kept"
    home.mkdir()
    kept.mkdir()
    told = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "MPLCONFIGDIR")
    environment = {name: value for name, value in os.environ.items() if name not in told}
    environment |= {"HOME": str(home), "USERPROFILE": str(home), "TMPDIR": str(kept), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, photo], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "1\n"
    assert [*home.rglob("*"), *kept.rglob("*")] == []
    assert done.stderr == ""


def test_the_public_names_are_those_that_all_lists() -> None:
    assert len(mien.__all__) == len(set(mien.__all__))
    for name in mien.__all__:
        assert not isinstance(getattr(mien, name), ModuleType), name
    public = {
        name for name in dir(mien) if not name.startswith("_") and not isinstance(getattr(mien, name), ModuleType)
    }
    assert public == set(mien.__all__)
    assert "__version__" in dir(mien)


def test_what_public_functions_raise_take_and_give_has_a_name() -> None:
    assert issubclass(mien.Diverged, mien.DataError)
    assert issubclass(mien.TooLittleMemory, mien.RecipeError)
    assert mien.UNLABELLED == -1
    summary = mien.summarise(create_model("logistic"))
    assert (type(summary), type(summary.layers[0])) == (mien.Summary, mien.Layer)
    faces = mien.drawn_faces(70).val
    report = mien.evaluate(mien.Net("small"), faces)
    assert {type(score) for score in report.per_class} == {mien.ClassScore}
    assert get_type_hints(mien.calibrate)["return"] is mien.Calibration
    stream = mien.Recognizer(threads=1, detect=False).stream([(faces.images[0], 0.0)], keep=True)
    assert [(type(frame), type(reading)) for frame, reading in stream] == [(mien.Frame, mien.Reading)]


def test_of_pictures_only_its_own_names_are_public() -> None:
    names: dict[str, object] = {}
    exec("from mien.pictures import *", names)
    assert names.keys() - {"__builtins__"} == {"Picture", "batch", "confusion", "curves", "predictions"}


def test_type_checkers_see_the_names_where_they_are_found_at_run_time() -> None:
    """The imports under `if TYPE_CHECKING` in `mien/__init__.py`, against the places that the lazy names come from."""
    tree = ast.parse(Path(mien.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    written = {
        alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert written.pop("pictures") == "mien"  # a module, not a name
    assert written == {name: f"mien.{place}" for name, place in mien._HOMES.items()}
    assert set(written) == set(mien.__all__)


def test_the_names_that_the_readme_uses_are_public() -> None:
    used = set(re.findall(r"\bmien\.([a-z]\w*)\(", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert used
    assert used <= set(mien.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        mien.no_such_name  # noqa: B018


def test_the_version_is_the_distributions() -> None:
    assert mien.__version__ == version("mien")


def test_the_version_is_the_same_wherever_it_stands() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert version("mien") == project["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    changes = re.findall(r"^## \[([^]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert changes[0] in ("Unreleased", project["version"])
    assert project["version"] in changes


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX file of an untrained network, as mien writes them."""
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    torch.manual_seed(0)
    export_onnx(create_model("logistic"), path, Card(model="logistic", classes=mien.drawn_faces(0).classes))
    return path


def test_the_core_works_without_the_extras(network: Path, without_extras: str) -> None:
    code = """
import json, mien
faces = mien.drawn_faces(200).val
report = mien.evaluate(mien.Net(sys.argv[1]), faces)
print(json.dumps([report.n, report.accuracy, sorted({m.split(".")[0] for m in sys.modules} & EXTRAS)]))
"""
    n, accuracy, extras = json.loads(in_a_new_process(without_extras + code, network))
    here = mien.evaluate(mien.Net(network), mien.drawn_faces(200).val)
    assert (n, accuracy, extras) == (30, here.accuracy, [])


def test_the_core_writes_faces_and_rows_without_the_extras(without_extras: str, tmp_path: Path) -> None:
    code = """
import mien
from mien.data.mapped import load_mapped, save_mapped
from mien.recognition.write import RowWriter
save_mapped(mien.drawn_faces(70), sys.argv[1] + "/x.faces")
with RowWriter(sys.argv[1] + "/rows.csv", classes=("happy",)):
    pass
print(len(load_mapped(sys.argv[1] + "/x.faces").train))
"""
    assert in_a_new_process(without_extras + code, tmp_path) == "50\n"


def test_every_module_of_the_core_imports_without_the_extras(without_extras: str) -> None:
    code = """
import importlib, pkgutil, mien
import mien.data, mien.evaluation
names = ["labels", "errors", "files", "cards", "net", "evaluation.scores", "evaluation.metrics", "evaluation.report"]
names += [f"data.{module.name}" for module in pkgutil.iter_modules(mien.data.__path__)]
for name in names:
    importlib.import_module(f"mien.{name}")
print(len(names))
"""
    assert int(in_a_new_process(without_extras + code)) > 12


def test_without_torch_a_name_that_needs_it_says_what_to_install(without_extras: str) -> None:
    code = """
import mien
try:
    mien.create_model("cnn")
except mien.MissingExtra as error:
    print(error)
"""
    assert 'pip install "mien[train]"' in in_a_new_process(without_extras + code)


def test_what_looks_at_all_names_finds_those_that_are_there(without_extras: str) -> None:
    code = """
import inspect, pydoc, mien
assert "load_faces" in pydoc.render_doc(mien, renderer=pydoc.plaintext)
print(*dict(inspect.getmembers(mien)))
"""
    found = set(in_a_new_process(without_extras + code).split())
    assert found > {"Card", "Net", "Recipe", "Recognizer", "evaluate", "recipe"}
    assert found.isdisjoint({"AsyncClient", "Client", "DeviceLoader", "create_model", "export_onnx", "fit", "train"})


def test_without_the_server_s_extra_its_verb_and_its_client_say_what_to_install(without_extras: str) -> None:
    code = """
import mien
from mien.cli import main
try:
    mien.Client
except mien.MissingExtra as error:
    print(error)
sys.exit(main(["serve"]) - 1)
"""
    said = in_a_new_process("import sys; sys.stderr = sys.stdout\n" + without_extras + code)
    assert said.count('pip install "mien[serve]"') == 2


def test_the_typing_marker_is_installed() -> None:
    assert Path(mien.__file__).with_name("py.typed").is_file()


def test_every_dependency_is_pinned_for_any_build_and_registry() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert pins["torch"] == "2.13.0"
    for line in lines:
        assert line.startswith("#") or re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line), line  # no +cpu, no address
    wanted = [
        need for need in requires("mien") or () if "extra == 'kaggle'" not in need and "extra == 'all'" not in need
    ]
    names = {re.split(r"[\[<>=! ;]", need)[0].lower() for need in wanted} - {"mien"}
    assert names <= set(pins)
    assert names > {"numpy", "torch", "pytest"}


@pytest.mark.soak
def test_types_hold_in_a_program_of_ones_own(tmp_path: Path) -> None:
    """mypy, strict, on a loop of one's own over faces; it reads torch's types, too, which takes a minute."""
    program = """
from torch.utils.data import DataLoader

import mien

splits = mien.drawn_faces(70)
some: mien.FaceSet = splits.train[:5]
for faces, targets in DataLoader(some, batch_size=2, shuffle=True):
    print(faces.shape, targets.shape)
face, target = some[3]
"""
    (tmp_path / "program.py").write_text(program)
    line = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir", tmp_path / "cache"]
    done = subprocess.run(
        [*line, "--config-file=", tmp_path / "program.py"],
        env={**os.environ, "MYPYPATH": str(ROOT / "src")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout

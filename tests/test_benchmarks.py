"""What the scripts in `benchmarks/` take from mien is there; some need hours, browsers or gigabytes to be run."""

import ast
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[1] / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_what_a_benchmark_takes_from_mien_is_there(script: Path) -> None:
    taken: set[tuple[str, str]] = set()
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):  # imports in functions, too
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "mien":
            taken |= {(str(node.module), one.name) for one in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "mien":
            taken.add(("mien", node.attr))
    assert [f"{module}.{name}" for module, name in sorted(taken) if not there(module, name)] == []


def there(module: str, name: str) -> bool:
    found = import_module(module)
    return hasattr(found, name) or (hasattr(found, "__path__") and find_spec(f"{module}.{name}") is not None)

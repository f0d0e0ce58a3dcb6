"""The pages that say where things are know every room."""

from pathlib import Path

import pytest

import mien

HERE = Path(__file__).parents[2]
ROOMS = sorted(
    path.stem
    for path in Path(mien.__file__).parent.iterdir()
    if not path.name.startswith("_") and (path.suffix == ".py" or (path / "__init__.py").exists())
)


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md"])
def test_every_room_has_its_place(page: str) -> None:
    text = (HERE / page).read_text(encoding="utf-8")
    assert len(ROOMS) > 30
    assert [room for room in ROOMS if f"`{room}`" not in text and f"`{room}/`" not in text] == []

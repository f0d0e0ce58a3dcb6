"""The page that says where things are knows every room, and what is in it."""

from pathlib import Path

import mien

HERE = Path(__file__).parents[2]
ROOMS = sorted(
    path.stem
    for path in Path(mien.__file__).parent.iterdir()
    if not path.name.startswith("_") and (path.suffix == ".py" or (path / "__init__.py").exists())
)


def test_every_room_has_its_place() -> None:
    page = (HERE / "docs" / "architecture.md").read_text(encoding="utf-8")
    floors, told = (page.partition(f"| {head} |")[2].partition("\n\n")[0] for head in ("floor", "in `src/mien`"))
    assert len(ROOMS) > 30
    for table in (floors, told):
        assert [room for room in ROOMS if f"`{room}`" not in table and f"`{room}/`" not in table] == []

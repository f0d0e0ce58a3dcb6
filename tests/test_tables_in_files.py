from pathlib import Path

import pytest

from mien.errors import DataError
from mien.tables import put_between


def test_a_table_goes_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- board: made by `mien board`, don't edit -->\nold\n<!-- /board -->\nafter\n")
    for _ in range(2):
        put_between(page, "board", "| new |\n")
    text = page.read_text()
    assert "old" not in text
    assert text.count("| new |") == 1
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    page.write_text("no marks")
    with pytest.raises(DataError, match="no place"):
        put_between(page, "board", "| new |\n")
    assert page.read_text() == "no marks"
    with pytest.raises(DataError, match=r"none\.md: can't read this file"):
        put_between(tmp_path / "none.md", "board", "")

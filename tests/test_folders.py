import shutil
from pathlib import Path

from mien.files import atomic_write
from mien.folders import files_below


def test_linked_folders_are_gone_through_once_and_circles_end(tmp_path: Path) -> None:
    for name in ("top/b.png", "top/inner/a.png", "top/.git/x.png", "elsewhere/deep/c.png", "elsewhere/d.png"):
        atomic_write(tmp_path / name, "")
    top = tmp_path / "top"
    (top / "inner" / "round").symlink_to(top)
    (top / "a link").symlink_to(top / "inner")  # what is there itself keeps its name
    (top / "linked").symlink_to(tmp_path / "elsewhere")
    (top / "once more").symlink_to(tmp_path / "elsewhere")
    (top / "nowhere").symlink_to(tmp_path / "none")
    unread: list[OSError] = []
    found = list(files_below(top, unread=unread.append))
    names = ["b.png", "nowhere", "inner/a.png", "linked/d.png", "linked/deep/c.png"]
    assert found == [top / name for name in names]
    assert not unread
    shutil.rmtree(top)
    assert list(files_below(top, unread=unread.append)) == []
    assert [type(error) for error in unread] == [FileNotFoundError]

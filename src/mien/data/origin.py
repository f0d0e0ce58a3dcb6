"""Where faces came from, so that a training that was stopped finds them again."""

import os
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class DataPath:
    """The arguments of `load_faces` that give the same faces again; without a path the drawn ones."""

    path: str | os.PathLike[str] | None = None
    votes: str | os.PathLike[str] | None = None
    skip_bad_rows: bool = False
    size: int | None = None
    rgb: bool = False
    groups: str | os.PathLike[str] | None = None

    def from_root(self) -> "DataPath":
        """The same with absolute paths, as text, which hold in other working folders and can be written to a file."""
        named = {name: getattr(self, name) for name in ("path", "votes", "groups")}
        return replace(self, **{name: path and os.path.abspath(path) for name, path in named.items()})

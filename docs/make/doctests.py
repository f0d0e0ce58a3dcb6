"""An extension of griffe, which reads the docstrings: doctests become code, wherever in a docstring they stand."""

import re
from typing import Any

import griffe

_DOCTEST = re.compile(r"^([ ]*)>>> .*?(?=\n[ ]*\n|\Z)", re.MULTILINE | re.DOTALL)


class Doctests(griffe.Extension):
    """Fences each doctest, from its first `>>>` to the next empty line."""

    def on_instance(self, *, obj: Any, **_: Any) -> None:
        """Called by griffe for every module, class, function and attribute that it has read."""
        if not obj.is_alias and obj.docstring:
            obj.docstring.value = _DOCTEST.sub(r"\1```pycon\n\g<0>\n\1```", obj.docstring.value)

"""The panel's ES modules as the one module anywidget takes, and their style sheets as one.

The files are ordinary modules that import each other by `./name.js`; joined, the imports fall
away, so no two of them may use a name twice at their top (a test watches).
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

ENTRY = "page.js"

_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([a-z]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|let|class) )", re.MULTILINE)


@cache
def script() -> str:
    """Return all modules in one, each after those it imports."""
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", _read(name))) for name in order())


@cache
def style() -> str:
    """Return all style sheets in one: the shared one first."""
    first = "panel.css"
    there = (one.name for one in files(__package__).iterdir() if one.name.endswith(".css"))
    return "\n".join(map(_read, (first, *sorted(name for name in there if name != first))))


def order() -> list[str]:
    """Return the names of the modules, each after those it imports."""
    found: dict[str, None] = {}

    def visit(name: str) -> None:
        for imported in _IMPORT.finditer(_read(name)):
            if imported[2] not in found:
                visit(imported[2])
        found[name] = None

    visit(ENTRY)
    return list(found)


def _read(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")

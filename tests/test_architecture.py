"""The house: imports go strictly down, towers never sideways, and importing is light.

The table of packages is the law: a new package gets its line here. The map, `wsflow/README.md`,
gets a line for each new module, or a test below fails.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent / "wsflow"

WORDS = {"tracebacks", "errors", "types", "events", "clock"}
"""The modules at the root that everybody may import: they know only each other."""

PACKAGES: dict[str, set[str]] = {
    "base": set(),
    "graph": {"base"},
    "wire": {"base"},
    "log": {"base"},
    "io": {"base", "log"},
    "compare": {"base", "log", "io"},
    "recording": {"base", "log", "io", "replay"},
    "replay": {"base", "graph", "wire", "log", "io", "compare"},
    "views": {"base", "graph"},
    "panel": {"base", "graph", "wire", "log", "io", "compare", "recording", "views"},
    "host": {"base", "graph", "wire", "log", "io", "views"},
    "serving": {"base", "graph", "wire", "host"},
    "flow": {
        *("base", "graph", "log", "io", "compare", "recording"),
        *("replay", "views", "panel", "serving", "host"),
    },
    "course": {"base", "io", "compare", "recording"},
    "testing": {"base", "wire", "flow"},
    "demo": {"graph", "flow"},
    "cli": {
        *("base", "graph", "wire", "log", "io", "compare"),
        *("recording", "replay", "serving", "flow", "course", "demo"),
    },
    "__init__": {"graph", "wire", "flow"},
    "__main__": {"cli"},
}
"""Who may import whom when it runs, besides the words; a module at the root is a package of its
own. Towers meet in the words, in `base` and in the flow."""

ASYNCIO = {
    "base.threads",
    "base.wake",
    "graph.exits",
    "graph.loop",
    "graph.tasks",
    "wire.acceptor",
    "wire.connection",
    "wire.deflate",
    "wire.listener",
    "replay.virtual_time",
    "cli.demo",
    "cli.serve",
    "testing",
}
"""Where the loop itself is dealt with: the owner, the socket, virtual time, and programs."""


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(HOUSE.rglob("*.py")):
        parts = path.relative_to(HOUSE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        found[name] = path
    return found


MODULES = modules()


def package(name: str) -> str:
    return name.split(".")[0]


def imported(name: str, *, types: bool = False) -> set[str]:
    """Return the modules of wsflow a module imports when it runs, or also for its annotations."""
    path = MODULES[name]
    within = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    within = [] if name == "__init__" else within
    found = set()
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if types else _running(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = within[: len(within) - node.level + 1]
            stem = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            for alias in node.names:
                inner = f"{stem}.{alias.name}".strip(".")
                found.add(inner if inner in MODULES else stem or "__init__")
    return found


def _running(tree: ast.AST) -> list[ast.AST]:
    """Return all nodes but those under `if TYPE_CHECKING`."""
    nodes, todo = [], [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        nodes.append(node)
        todo.extend(ast.iter_child_nodes(node))
    return nodes


def test_every_package_has_its_line() -> None:
    assert {package(name) for name in MODULES} == {*PACKAGES, *WORDS}


@pytest.mark.parametrize("name", sorted({*PACKAGES, *WORDS}))
def test_a_package_imports_what_the_table_lets_it(name: str) -> None:
    mine = [module for module in MODULES if package(module) == name]
    theirs = {package(other) for module in mine for other in imported(module)} - {name}
    assert theirs <= (WORDS if name in WORDS else PACKAGES[name] | WORDS)


@pytest.mark.parametrize("name", MODULES)
def test_who_is_below_the_flow_does_not_even_name_it_in_a_type(name: str) -> None:
    above = {"flow", "serving"} - {package(name)}
    named = {package(other) for other in imported(name, types=True)}
    assert named & above <= PACKAGES.get(package(name), set())


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_no_package_is_let_in_that_does_not_come(name: str) -> None:
    mine = [module for module in MODULES if package(module) == name]
    assert PACKAGES[name] <= {package(other) for module in mine for other in imported(module)}


def test_the_table_knows_no_circle() -> None:
    TopologicalSorter(PACKAGES).prepare()


def test_no_module_imports_itself_by_way_of_others() -> None:
    try:
        TopologicalSorter({name: imported(name) for name in MODULES}).prepare()
    except CycleError as error:
        pytest.fail(f"{' -> '.join(error.args[1])}")


@pytest.mark.parametrize("name", MODULES)
def test_asyncio_is_named_only_where_the_socket_and_the_owner_are(name: str) -> None:
    names = [
        alias.name
        for node in ast.walk(ast.parse(MODULES[name].read_text()))
        if isinstance(node, ast.Import)
        for alias in node.names
    ]
    assert ("asyncio" in names) == (name in ASYNCIO)


LONGEST_MODULE = 450
"""Lines; the files of this field that people complain about are longer."""


def test_no_module_is_long() -> None:
    files = [path for kind in ("py", "js", "css") for path in HOUSE.rglob(f"*.{kind}")]
    lengths = {path: len(path.read_text().splitlines()) for path in files}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "helpers", "common", "core", "misc", "manager"}
    assert not drawers & {part for name in MODULES for part in name.split(".")}


def test_no_module_hides_a_public_function() -> None:
    public = {"recordings", "exercises", "check", "tap", "watch", "outside", "help"}
    assert not public & {package(name) for name in MODULES}


MAP = (HOUSE / "README.md").read_text()


def _first_sentences(path: Path) -> str:
    """Return the first paragraph of a module's docstring, or the first comment of an ES module."""
    if path.suffix == ".js":
        lines = path.read_text().splitlines()
        return next(line.removeprefix("// ") for line in lines if line.startswith("// "))
    told = ast.get_docstring(ast.parse(path.read_text())) or ""
    return told.partition("\n\n")[0].replace("\n", " ")


def _rooms() -> dict[str, list[str]]:
    """Return what the map has to say: the heading of each folder, and the lines under it."""
    folders = sorted({path.parent for path in HOUSE.rglob("*.py")})
    rooms = {}
    for folder in folders:
        name = folder.relative_to(HOUSE).as_posix()
        heading = "### The root" if name == "." else f"### `{name}/`"
        files = [path for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]
        files += sorted(folder.glob("*.js"))
        rooms[heading] = [
            _first_sentences(folder / "__init__.py"),
            *(f"- `{path.name.removesuffix('.py')}`: {_first_sentences(path)}" for path in files),
        ]
    return rooms


@pytest.mark.parametrize(("heading", "lines"), _rooms().items())
def test_the_map_has_each_file_in_its_own_words(heading: str, lines: list[str]) -> None:
    _, _, rest = MAP.partition(f"{heading}\n")
    under = re.split(r"(?m)^##", rest)[0].split("\n")
    assert [line for line in under if line] == lines


def test_the_map_has_no_folder_that_is_not_there() -> None:
    assert set(re.findall(r"(?m)^### (?:The root|`.*/`)$", MAP)) == set(_rooms())


@pytest.mark.parametrize(
    "place", sorted(set(re.findall(r"`((?:[a-z_]+/)+[a-z_]+(?:\.js)?)`", MAP)))
)
def test_what_the_map_leads_to_is_there(place: str) -> None:
    assert (HOUSE / place).exists() or (HOUSE / f"{place}.py").exists()


def test_importing_wsflow_is_light() -> None:
    heavy = ["pandas", "numpy", "ipywidgets", "anywidget", "hypercorn", "websockets", "rich"]
    code = f"import sys, wsflow; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert done.stdout.strip() == "[]", done.stderr

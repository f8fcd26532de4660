"""The house: imports go strictly down, towers never sideways, and importing is light.

The table is the law. A new module gets its line here, or this test fails.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent / "wsflow"

# floor, tower: a module may import modules of lower floors, of its own tower or of no tower
HOUSEPLAN: dict[str, tuple[int, str]] = {
    # words
    "blame": (-1, ""),
    "errors": (0, ""),
    "types": (1, ""),
    "events": (1, ""),
    "clock": (1, ""),
    "path": (1, ""),
    "query": (2, ""),
    "table": (1, ""),
    "schema": (1, ""),
    "shapes": (1, ""),
    "usage": (2, ""),
    "snapshot": (1, ""),
    "rows": (2, ""),
    "bodies": (2, ""),
    "wire": (2, ""),
    "owner": (2, ""),
    "bell": (0, ""),
    "plain": (0, ""),
    "texts": (0, ""),
    "ink": (0, ""),
    "spelling": (1, ""),
    "stage": (0, ""),
    "progress": (0, ""),
    "virtual": (2, ""),
    # the flow tower: who does what with an event
    "state": (10, "flow"),
    "lifecycle": (10, "flow"),
    "cells": (10, "flow"),
    "scope": (10, "flow"),
    "port": (10, "flow"),
    "node": (11, "flow"),
    "context": (12, "flow"),
    "workers": (10, "flow"),
    "watchdog": (11, "flow"),
    "triggers": (13, "flow"),
    "triggers.base": (13, "flow"),
    "triggers.websocket": (14, "flow"),
    "triggers.http": (14, "flow"),
    "triggers.catch": (14, "flow"),
    "triggers.inject": (14, "flow"),
    "triggers.multi": (15, "flow"),
    "triggers.timer": (14, "flow"),
    "nodes": (13, "flow"),
    "nodes.connections": (14, "flow"),
    "nodes.barrier": (14, "flow"),
    "nodes.debounce": (14, "flow"),
    "nodes.switch": (14, "flow"),
    "nodes.throttle": (14, "flow"),
    "diagram": (16, "flow"),
    "picture": (17, "flow"),
    "statuspage": (18, "flow"),
    "asyncapi": (16, "flow"),
    "graph": (15, "flow"),
    "shelf": (16, "flow"),
    "engine": (16, "flow"),
    "freeze": (11, "flow"),
    "freezer": (15, "flow"),
    "runtime": (17, "flow"),
    "declarations": (17, "flow"),
    # the wire tower: who is connected
    "session": (10, "wire"),
    "policy": (10, "wire"),
    "sessions": (11, "wire"),
    "endpoint": (12, "wire"),
    "loopback": (12, "wire"),
    "asgi": (13, "wire"),
    "memory": (13, "wire"),
    "connection": (13, "wire"),
    "acceptor": (13, "wire"),
    "deflate": (14, "wire"),
    "listener": (15, "wire"),
    "server": (16, "wire"),
    # the record tower: what happened, and what was recorded
    "dataframe": (9, "record"),
    "answer": (8, "record"),
    "alignment": (9, "record"),
    "rules": (9, "record"),
    "lines": (10, "record"),
    "folder": (10, "record"),
    "tape": (10, "record"),
    "tally": (10, "record"),
    "compare": (11, "record"),
    "lane": (12, "record"),
    "timeline": (10, "record"),
    "witness": (11, "record"),
    "redaction": (11, "record"),
    "source": (11, "record"),
    "frame": (11, "record"),
    "sequence": (11, "record"),
    "meter": (10, "record"),
    "plot": (11, "record"),
    "log": (12, "record"),
    "recorder": (12, "record"),
    "haunting": (10, "record"),
    "visit": (11, "record"),
    "ghosts": (12, "record"),
    "har": (12, "record"),
    "editing": (12, "record"),
    "export": (12, "record"),
    "recording": (13, "record"),
    "address": (13, "record"),
    "guest": (14, "record"),
    "report": (13, "record"),
    "take": (14, "record"),
    "replay": (15, "record"),
    "livereplay": (16, "record"),
    "verdict": (14, "record"),
    "exercise": (15, "record"),
    # the roof, the rooms under it, the door
    "serving": (19, "roof"),
    "twin": (19, "roof"),
    "panel.bundle": (0, ""),
    "panel.part": (19, "roof"),
    "panel.body": (19, "roof"),
    "panel.composer": (20, "roof"),
    "panel.client": (20, "roof"),
    "panel.pulse": (0, ""),
    "panel.cell": (20, "roof"),
    "panel.sieve": (20, "roof"),
    "panel.logview": (21, "roof"),
    "panel.layout": (0, ""),
    "panel.diagram": (21, "roof"),
    "panel.sessions": (20, "roof"),
    "panel.gauge": (20, "roof"),
    "panel.icebox": (20, "roof"),
    "panel.freezer": (21, "roof"),
    "panel.plots": (21, "roof"),
    "panel.outline": (20, "roof"),
    "panel.shelf": (21, "roof"),
    "panel.deck": (22, "roof"),
    "panel.player": (23, "roof"),
    "panel.status": (20, "roof"),
    "panel.page": (20, "roof"),
    "panel.parts": (24, "roof"),
    "panel.widget": (25, "roof"),
    "panel": (26, "roof"),
    "flow": (27, "roof"),
    "terminal": (28, "rooms"),
    "app": (29, "rooms"),
    "arguments": (29, "rooms"),
    "archive": (30, "rooms"),
    "demo": (30, "rooms"),
    "lab": (30, "rooms"),
    "playback": (30, "rooms"),
    "service": (30, "rooms"),
    "grading": (30, "rooms"),
    "testing": (30, "rooms"),
    "cli": (31, "rooms"),
    "__init__": (40, "door"),
    "__main__": (41, "door"),
}

TOWERS = {"flow", "wire", "record"}

ASYNCIO = {
    "acceptor",
    "owner",
    "connection",
    "deflate",
    "listener",
    "virtual",
    "replay",
    "demo",
    "service",
    "testing",
}
"""Where the loop itself is dealt with: the owner, the socket, virtual time, and programs."""


def modules() -> dict[str, Path]:
    found = {}
    for path in HOUSE.rglob("*.py"):
        parts = path.relative_to(HOUSE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        found[name] = path
    return found


def imported(path: Path, name: str) -> set[str]:
    """Return the modules of wsflow a file imports when it runs (annotations do not count)."""
    package = name.split(".")[:-1]
    if path.name == "__init__.py":
        package = [] if name == "__init__" else name.split(".")
    found = set()
    for node in _running(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            stem = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            for alias in node.names:
                inner = f"{stem}.{alias.name}".strip(".")
                found.add(inner if inner in HOUSEPLAN else stem or "__init__")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("wsflow"):
            found.add((node.module or "").removeprefix("wsflow").strip(".") or "__init__")
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


def test_every_module_has_its_place() -> None:
    assert set(modules()) == set(HOUSEPLAN)


@pytest.mark.parametrize("name", HOUSEPLAN)
def test_imports_go_down_and_never_sideways(name: str) -> None:
    floor, tower = HOUSEPLAN[name]
    for other in imported(modules()[name], name):
        their_floor, their_tower = HOUSEPLAN[other]
        assert their_floor < floor, f"{name} (floor {floor}) imports {other} ({their_floor})"
        if tower in TOWERS and their_tower in TOWERS:
            assert their_tower == tower, f"{name} ({tower}) imports {other} ({their_tower})"


@pytest.mark.parametrize("name", HOUSEPLAN)
def test_asyncio_is_named_only_where_the_socket_and_the_owner_are(name: str) -> None:
    names = [
        alias.name
        for node in ast.walk(ast.parse(modules()[name].read_text()))
        if isinstance(node, ast.Import)
        for alias in node.names
    ]
    if name not in ASYNCIO:
        assert "asyncio" not in names


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "helpers", "common", "core", "misc", "manager"}
    assert not drawers & {part for name in modules() for part in name.split(".")}


def test_importing_wsflow_is_light() -> None:
    heavy = ["pandas", "numpy", "ipywidgets", "anywidget", "hypercorn", "websockets", "rich"]
    code = f"import sys, wsflow; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert done.stdout.strip() == "[]", done.stderr

"""The panel reaches into a flow by what `panel/host.py` names, and by nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from wsflow import Flow
from wsflow.panel import host

MODULES = sorted(Path(host.__file__).parent.glob("*.py"))

RESERVED = {"self", "cls"}


def asked(protocol: type) -> set[str]:
    """Return what a protocol asks for."""
    return {name for name in (*vars(protocol), *protocol.__annotations__) if name[0] != "_"}


def test_a_flow_has_all_that_a_panel_asks_for(flow: Flow) -> None:
    assert [name for name in asked(host.Flow) if not hasattr(flow, name)] == []
    assert [name for name in asked(host.Host) if not hasattr(flow.panel.host, name)] == []


def test_a_panel_asks_for_nothing_it_does_not_need() -> None:
    source = "\n".join(path.read_text() for path in MODULES if path.stem != "host")
    needed = {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
    assert (asked(host.Flow) | asked(host.Host)) - needed == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_part_reaches_into_what_is_private_to_others(path: Path) -> None:
    reached = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and ast.unparse(node.value) not in RESERVED
    ]
    assert reached == []

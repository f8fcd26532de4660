"""What a flow shows: few names, each told of somewhere, each example in a docstring true."""

from __future__ import annotations

import ast
import contextlib
import doctest
import inspect
import io
import re
from pathlib import Path
from typing import Any

import pytest

from wsflow import Flow, WiringError

ROOT = Path(__file__).parent.parent

MANUAL = "\n".join(
    path.read_text() for path in (ROOT / "README.md", *(ROOT / "notebooks").glob("*.ipynb"))
)

MOST_NAMES = 35


def public(thing: object) -> list[str]:
    return [name for name in dir(thing) if not name.startswith("_")]


NAMES = public(Flow("shown"))


def examples(name: str) -> list[doctest.Example]:
    told = inspect.getdoc(inspect.getattr_static(Flow, name, None)) or ""
    return doctest.DocTestParser().get_examples(told)


def test_a_flow_shows_few_names() -> None:
    assert len(NAMES) <= MOST_NAMES
    assert set(public(Flow)) <= set(NAMES)


def test_what_nodes_and_towers_ask_of_a_flow_is_not_among_them() -> None:
    from wsflow.host import FlowHost

    theirs = {"engine", "graph", "store", "call", "post", "redefined", "forget", "describe"}
    assert theirs <= set(public(Flow("hooks")._host)) | set(public(FlowHost))
    assert not theirs & set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_is_told_of_in_the_manual_or_has_an_example(name: str) -> None:
    in_manual = re.search(rf"\bflow\.{name}\b", MANUAL)
    own = [one for one in examples(name) if re.search(rf"\b{name}\b", one.source)]
    assert in_manual or own


@pytest.mark.parametrize("name", [name for name in NAMES if examples(name)])
async def test_examples_in_docstrings_run(name: str) -> None:
    flow = Flow("chat")
    names: dict[str, Any] = {"Flow": Flow, "flow": flow}
    try:
        for one in examples(name):
            assert await shown(one.source, names) == one.want, one.source
    finally:
        await flow.stop()


async def shown(source: str, names: dict[str, Any]) -> str:
    """Run a line as it is typed: `await` at the top, and what it gives is shown."""
    told = io.StringIO()
    code = compile(source, "docstring", "single", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    with contextlib.redirect_stdout(told):
        result = eval(code, names)
        if inspect.isawaitable(result):
            await result
    return told.getvalue()


@pytest.mark.parametrize("name", ["", "a\nb", 3])
def test_a_flow_needs_a_printable_name(name: Any) -> None:
    with pytest.raises(WiringError, match="a flow needs a name, not"):
        Flow(name)


async def test_clear_takes_out_everything_and_forgets(flow: Flow) -> None:
    flow.websocket("/").message >> flow.node(lambda: None, name="a")
    flow.catch()
    flow.state.set("count", 1)
    await flow.client("/").send("x")
    flow.clear()
    assert (flow.nodes, flow._host.wires, flow.state.keys(), len(flow.log)) == ({}, [], [], 0)
    assert flow.running
    flow.websocket("/")

"""The README tells the truth: its Python runs, its commands are the ones CI runs."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from wsflow import Flow

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


async def run(source: str, names: dict[str, Any]) -> None:
    """Run code as a notebook cell does: with `await` at the top."""
    code = compile(source, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, names)
    if inspect.isawaitable(result):
        await result


async def test_the_python_of_the_readme_runs_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a script may not declare a node twice; the README shows what a notebook may
    monkeypatch.setattr("wsflow.graph.graph.interactive", lambda: True)
    monkeypatch.chdir(tmp_path)  # recordings go into a folder below
    names: dict[str, Any] = {"print": lambda *_: None}
    first, family, replaying, learning, outside = blocks("python")
    await run(first, names)
    flow = names["flow"]
    assert isinstance(flow, Flow)
    replies = flow.log.frame(kind="response")
    assert list(replies["data"]) == ["HELLO"], "as the comment beside receive() says"
    await run(family, names)
    async with flow.client("/game") as player:
        for message in ('{"action": "say"}', '{"action": "say"}', "no JSON"):
            await player.send(message)
        assert [await player.receive() for _ in range(3)] == ["said", "slower!", "slower!"]
    before, after = replaying.split("report.ok", 1)
    await run(before, names)
    assert names["report"].ok
    await run("report.ok" + after, names)
    assert [list(row) for row in names["report"].diff[["old", "new"]].values] == [
        ["HELLO", "HELLO!"]
    ]
    await run(learning, names)
    assert not names["wsflow"].check("05-manager", flow)
    await flow.stop()
    await run(outside, names)
    assert not flow.running


def test_pictures_and_files_the_readme_names_are_there() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_test_command_is_the_one_ci_runs() -> None:
    command = next(block for block in blocks("sh") if "tests" in block).strip()
    assert command in (ROOT / ".ci" / "run").read_text()

"""Every notebook runs from top to bottom in a real kernel, and carries no outputs."""

from __future__ import annotations

import ast
import contextlib
import json
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import pytest_asyncio
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def stem(path: Path) -> str:
    return path.stem


def read(path: Path) -> Any:
    return nbformat.reads(path.read_text(), as_version=4)  # type: ignore[no-untyped-call]


def outputs(notebook: Any, mime: str) -> list[str]:
    """Return what cells showed in one MIME type."""
    return [
        output["data"][mime]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if mime in output.get("data", {})
    ]


TOLD = {
    "02-nodes-ports-scopes": [
        "('here is a bowl of soup', 'we have no pizza')",
        "('here is a bowl of soup', 'here is the steak for table 1')",
        "<Trace of row ",
        "('12 €, thank you!', '30 €, thank you!')",
    ],
    "03-the-panel": [
        "<Panel of help desk: 8 parts; ",
        "'yes, a red one'",
        "'we close in ten minutes'",
        "KeyError: 'sunday' (cell In[",
        "'open on fryday'",
        "'9 to 12'",
    ],
    "05-connection-manager": [
        "['good morning', 'good morning', 'good morning']",
        "'RuntimeError: dictionary changed size during iteration (cell In[",
        "({'readers': 3}, 'it rains', 'it rains')",
        "<Delivery reached 0, missed 1: s99-none: no such session>",
    ],
    "06-log-to-insight": ["ValueError: a card has 16 digits", "(60, 0)"],
    "07-debugging": [
        "invalid literal for int() with base 10: 'two' (cell In[",
        "I did not understand 'two for Ada'",
        "'3 for Ada'",
        "by node 'printer': cell In[",
        "1 for me    50",
        "sold out    40\n1 for me    10",
        "<CrowdReport 200 of 200 ghosts of customer came in",
    ],
    "08-a-real-service": [
        "({'from': 'ada', 'text': 'hello'}, {'here': 2})",
        "def test_first_day_is_answered_as_recorded()",
        "1 passed",
        "3 same, 1 changed",
        "exit status 1",
        "(0, '{\"here\":1}')",
    ],
}
"""What a reader must get to see, for the text around it is true only then."""


def streams(notebook: Any) -> list[str]:
    """Return what was printed."""
    return [
        output["text"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output["output_type"] == "stream"
    ]


PROBE = """
import asyncio, gc, os, threading
from pathlib import Path

import matplotlib

for _ in range(60):  # a busy machine is slow to end what ends
    await asyncio.sleep(0.5)
    gc.collect()
    folder = Path("/proc/self/fd")
    there = {
        "threads": len([one for one in threading.enumerate() if "orker" not in one.name
                        and not one.name.startswith("asyncio_")]),
        "tasks": len(asyncio.all_tasks()),
        "files": len(list(folder.iterdir())) if folder.is_dir() else 0,
    }
    if there["threads"] <= MOST["threads"] and there["tasks"] <= MOST["tasks"]:
        break
there
"""
"""What is open once a notebook has ended, without the workers that pools keep for a while."""


class Reading:
    """A notebook in a kernel of its own, that is run from top to bottom as often as one wants."""

    def __init__(self, path: Path) -> None:
        self.path, self.notebook = path, read(path)
        self._client = NotebookClient(self.notebook, timeout=200, kernel_name="python3")

    @contextlib.asynccontextmanager
    async def kernel(self) -> AsyncIterator[None]:
        """Start its kernel; leaving ends it."""
        async with self._client.async_setup_kernel():
            yield

    async def run(self) -> None:
        """Run all its cells, one after the other."""
        for index, cell in enumerate(self.notebook.cells):
            await self._client.async_execute_cell(cell, index)

    async def probe(self, most: dict[str, int]) -> dict[str, int]:
        """Return what is open in its kernel."""
        cell = nbformat.v4.new_code_cell(f"MOST = {most}\n{PROBE}")  # type: ignore[no-untyped-call]
        self.notebook.cells.append(cell)
        await self._client.async_execute_cell(cell, len(self.notebook.cells) - 1)
        self.notebook.cells.pop()
        told: dict[str, int] = ast.literal_eval(cell.outputs[0]["data"]["text/plain"])
        return told


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=NOTEBOOKS, ids=stem)
async def ran(request: pytest.FixtureRequest) -> AsyncIterator[Reading]:
    """A notebook that was run once, in a kernel that had run nothing before it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="zmq")
        reading = Reading(request.param)
        async with reading.kernel():
            await reading.run()
            yield reading


@pytest.mark.kernel
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.timeout(300)
async def test_a_notebook_runs_from_top_to_bottom_without_noise(ran: Reading) -> None:
    notebook = ran.notebook
    assert any(cell.cell_type == "code" for cell in notebook.cells)
    assert streams(notebook) == [], "nothing is printed"
    shown = "\n".join(outputs(notebook, "text/plain") + outputs(notebook, "text/markdown"))
    for text in TOLD.get(ran.path.stem, ()):
        assert text in shown
    if ran.path.stem == "01-first-flow":
        assert any("sequenceDiagram" in text for text in outputs(notebook, "text/vnd.mermaid"))
        frames = [html for html in outputs(notebook, "text/html") if "Hello Bob!" in html]
        assert len(frames) >= 1, "the conversation ends as a DataFrame"
    if ran.path.stem == "04-record-and-replay":
        replays = [text for text in outputs(notebook, "text/plain") if text.startswith("<Replay ")]
        verdicts = ["ok", "DIFFERENT", "DIFFERENT", "ok", "of", "DIFFERENT"]
        assert [text.split()[1] for text in replays] == verdicts
        assert [len(text.splitlines()) - 1 for text in replays] == [0, 2, 1, 0, 0, 2]


@pytest.mark.slow
@pytest.mark.kernel
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.timeout(1200)
async def test_p14_a_notebook_run_again_and_again_leaves_nothing_open(
    ran: Reading, long: bool
) -> None:
    """The first run is the one of the test before, in the same kernel."""
    passes = 20 if long else 2
    left = [await ran.probe({"threads": 1000, "tasks": 1000})]
    for _ in range(passes - 1):
        await ran.run()
        left.append(await ran.probe(left[0]))
        assert streams(ran.notebook) == []
    assert left[-1]["threads"] <= left[0]["threads"], left
    assert left[-1]["tasks"] <= left[0]["tasks"], left
    assert left[-1]["files"] <= left[min(1, passes - 2)]["files"] + 2, left


@pytest.mark.parametrize("path", NOTEBOOKS, ids=stem)
def test_a_notebook_tells_what_one_will_be_able_to_do_and_has_at_most_fifteen_code_cells(
    path: Path,
) -> None:
    cells = json.loads(path.read_text())["cells"]
    assert "you will\n" in "".join(cells[0]["source"])
    assert sum(cell["cell_type"] == "code" for cell in cells) <= 15


@pytest.mark.parametrize("path", NOTEBOOKS, ids=stem)
def test_a_committed_notebook_carries_no_outputs(path: Path) -> None:
    for cell in json.loads(path.read_text())["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_the_first_notebook_needs_at_most_twelve_cells() -> None:
    first = json.loads(NOTEBOOKS[0].read_text())
    assert len(first["cells"]) <= 12

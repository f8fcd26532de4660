"""Every notebook runs from top to bottom in a real kernel, and carries no outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


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


@pytest.mark.kernel
@pytest.mark.filterwarnings("ignore::DeprecationWarning:zmq")  # pyzmq with asyncio on old ipykernel
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
async def test_a_notebook_runs_from_top_to_bottom_without_noise(path: Path) -> None:
    notebook = read(path)
    await NotebookClient(notebook, timeout=60, kernel_name="python3").async_execute()
    streams = [
        output["text"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output["output_type"] == "stream"
    ]
    assert streams == [], "nothing is printed"
    if path.stem == "01-first-flow":
        assert any("sequenceDiagram" in text for text in outputs(notebook, "text/vnd.mermaid"))
        frames = [html for html in outputs(notebook, "text/html") if "Hello Bob!" in html]
        assert len(frames) >= 1, "the conversation ends as a DataFrame"
    if path.stem == "04-record-and-replay":
        replays = [text for text in outputs(notebook, "text/plain") if text.startswith("<Replay ")]
        verdicts = ["ok", "DIFFERENT", "DIFFERENT", "ok", "of", "DIFFERENT"]
        assert [text.split()[1] for text in replays] == verdicts
        assert [len(text.splitlines()) - 1 for text in replays] == [0, 2, 1, 0, 0, 2]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_committed_notebook_carries_no_outputs(path: Path) -> None:
    for cell in json.loads(path.read_text())["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_the_first_notebook_needs_at_most_twelve_cells() -> None:
    first = json.loads(NOTEBOOKS[0].read_text())
    assert len(first["cells"]) <= 12

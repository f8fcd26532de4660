"""The ten exercises of the course, and how they are written.

`python -m tests.course.tasks` plays the right solutions and writes `wsflow/course/exercises/` and
the notebook with the tasks; the tests hold solutions and mistakes against what was written.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import anyio

from tests.course.exercises import (
    counting,
    crossing,
    echo,
    greet,
    manager,
    news,
    private,
    rooms,
    sorter,
    sums,
)
from tests.course.task import PAUSE, Task
from wsflow import Flow, Recording, make_exercise
from wsflow.course.exercise import SHIPPED

TASKS = tuple(
    exercise.TASK
    for exercise in (echo, greet, sums, sorter, manager, private, crossing, rooms, counting, news)
)


async def write(task: Task, folder: Path) -> None:
    """Play a right solution, record it, and make the exercise of it."""
    with tempfile.TemporaryDirectory() as scratch:
        flow = Flow(task.name)
        task.solution(flow)
        await flow.start()
        with flow.record(task.name, folder=scratch):
            await task.play(flow)
            await anyio.sleep(PAUSE)
        await flow.stop()
        assert not flow.log.frame(kind="error").size, "a right solution raises nothing"
        make_exercise(
            Recording.open(task.name, folder=scratch),
            task.name,
            title=task.title,
            task=task.task,
            hints=task.hints,
            starter=task.starter,
            rules=task.rules,
            folder=folder,
        ).path.chmod(0o644)


INTRODUCTION = """
# Exercises

Ten flows to build yourself, from an echo to a news desk. Read what is asked, write it where `...` stands,
and run the cell: `wsflow.check` plays a recording of what a right flow answers into yours, and says in
words what is not yet right. Each further try shows one more hint, at most three.

After these exercises you will

- know triggers, nodes, ports and scopes by heart,
- have written a connection manager with your own hands,
- have met the mistakes everybody makes, and know what they look like.

Run the cells with <kbd>Shift</kbd>+<kbd>Enter</kbd>, as often as you like.
"""

CLOSING = """
**A teacher?** `wsflow.make_exercise(recording, ...)` makes an exercise of any recording, and
`wsflow grade folder/` runs the notebooks of a class and tells who solved what.
"""


def notebook() -> dict[str, Any]:
    """Return the notebook of the exercises: what is asked, and a cell to write in."""
    cells = [
        _cell("markdown", INTRODUCTION),
        _cell("code", "import wsflow\nfrom wsflow import Flow"),
    ]
    for task in TASKS:
        asked = f"## {task.name[:2].lstrip('0')} · {task.title}\n\n{task.task}"
        cells.append(_cell("markdown", asked))
        cells.append(_cell("code", f'{task.starter}\n\n\nwsflow.check("{task.name}", flow)'))
    cells.append(_cell("markdown", CLOSING))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number:02d}"
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _cell(kind: str, source: str) -> dict[str, Any]:
    made: dict[str, Any] = {"cell_type": kind, "id": "", "metadata": {}}
    if kind == "code":
        made |= {"execution_count": None, "outputs": []}
    return made | {"source": source.strip().splitlines(keepends=True)}


NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "exercises.ipynb"


async def main() -> None:
    """Write all of them anew."""
    for path in SHIPPED.glob("*.jsonl"):
        path.unlink()
    for task in TASKS:
        await write(task, SHIPPED)
    NOTEBOOK.write_text(json.dumps(notebook(), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    asyncio.run(main())

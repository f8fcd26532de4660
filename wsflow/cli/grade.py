"""Grades a folder of notebooks: runs each, and holds the flows in it against their exercises.

A notebook runs in a process of its own, without a kernel and without a port: `flow.serve()` only
starts the flow there. It runs the code of whoever wrote it: grade what you would also open.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base.display import plain
from ..course import exercise
from ..errors import WsflowError
from ..flow import Flow
from ..serving import served_by
from ..tracebacks import named
from .terminal import DONE, RAISED, CommandError

if TYPE_CHECKING:
    from rich.console import Console

    from ..course.verdict import Verdict

TIMEOUT = 120.0
"""Seconds a notebook may take."""

NO_PORT = "ws://no-port-while-grading"
"""Where a flow serves that is graded."""


@dataclass(frozen=True)
class Mark:
    """How one exercise was solved in one notebook."""

    exercise: str
    solved: bool
    words: tuple[str, ...] = ()


@dataclass
class Grade:
    """What became of one notebook; `trouble` says why there are no marks."""

    notebook: str
    marks: list[Mark] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)
    """What its cells raised, besides."""
    trouble: str = ""

    @property
    def ok(self) -> bool:
        """Whether there are marks, and all are good."""
        return bool(self.marks) and all(mark.solved for mark in self.marks)


# ---- the folder


def grade(where: Path, console: Console, *, name: str | None = None, as_json: bool = False) -> int:
    """Grade a notebook, or all of a folder; return the exit status.

    Without `name` a notebook has a mark for each `wsflow.check(...)` in it. With one, it has a mark
    for that exercise: the notebook's own check, or else its last flow is checked.
    """
    if name is not None:
        name = exercise.Exercise.open(name).name  # who asks for none there is hears it once
    grades = []
    for path in notebooks(where):
        if not as_json and console.is_terminal:
            with console.status(f"running {plain(path.name)}"):
                grades.append(grade_one(path, name))
        else:
            grades.append(grade_one(path, name))
    if as_json:
        console.print(json.dumps([_plain(one) for one in grades], indent=2), soft_wrap=True)
    else:
        _show(grades, console)
    return DONE if all(one.ok for one in grades) else RAISED


def notebooks(where: Path) -> list[Path]:
    """Return the notebooks to grade, sorted.

    Raises:
        CommandError: there are none.
    """
    if where.is_file():
        return [where]
    found = sorted(
        path for path in where.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts
    )
    if not found:
        what = "no notebook in" if where.is_dir() else "no such folder or notebook:"
        raise CommandError(f"{what} {where}")
    return found


def grade_one(path: Path, name: str | None = None) -> Grade:
    """Run a notebook in a process of its own, and return its marks."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "grade.json"
        command = [sys.executable, "-m", "wsflow.cli.grade", str(path.resolve()), str(out)]
        environment = os.environ | {"IPYTHONDIR": scratch, "MPLBACKEND": "agg"}
        try:
            done = subprocess.run(
                [*command, *([name] if name else [])],
                cwd=path.resolve().parent,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT,
            )
        except subprocess.TimeoutExpired:
            return Grade(path.name, trouble=f"it ran longer than {TIMEOUT:g} s and was ended")
        if not out.is_file():
            last = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
            return Grade(path.name, trouble=f"its process ended ({done.returncode}): {last:.200}")
        told = json.loads(out.read_text(encoding="utf-8"))
    marks = [Mark(one["exercise"], one["solved"], tuple(one["words"])) for one in told["marks"]]
    return Grade(path.name, marks, told["raised"], told["trouble"])


def _show(grades: Iterable[Grade], console: Console) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
    for head in ("notebook", "exercise", ""):
        table.add_column(head, no_wrap=True)
    table.add_column("what is not yet right", no_wrap=True, overflow="ellipsis", ratio=1)
    solved = total = 0
    for one in grades:
        name = plain(one.notebook)
        for mark in one.marks:
            total, solved = total + 1, solved + mark.solved
            sign, style = ("solved", "green") if mark.solved else ("not yet", "yellow")
            why = plain(mark.words[0]) if mark.words else ""
            table.add_row(name, mark.exercise, f"[{style}]{sign}[/]", _escaped(why))
            name = ""
        if not one.marks:
            why = one.trouble or "there is no wsflow.check(...) in it"
            table.add_row(name, "", "[red]nothing[/]", _escaped(plain(why)))
    console.print(table, markup=True)
    console.print(f"{solved} of {total} solved")


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _plain(one: Grade) -> dict[str, Any]:
    marks = [
        {"exercise": mark.exercise, "solved": mark.solved, "words": list(mark.words)}
        for mark in one.marks
    ]
    return {
        "notebook": one.notebook,
        "marks": marks,
        "raised": one.raised,
        "trouble": one.trouble,
    }


# ---- one notebook, in its process


def run(path: Path, name: str | None = None) -> Grade:
    """Run the cells of a notebook here, and return what its checks found, the last of each.

    A cell that raises ends itself and no other, as for somebody who runs the next one.
    """
    marks: dict[str, Mark] = {}
    raised: list[str] = []
    trouble = ""
    with served_by(_start), _marking(marks):
        shell = _shell()
        for number, source in enumerate(_cells(path), 1):
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                result = shell.run_cell(source, store_history=True)
            error = result.error_before_exec or result.error_in_exec
            if error is not None:
                raised.append(f"cell {number}: {named(error)}")
        if name is not None and name not in marks:
            flow = _last_flow(shell.user_ns)
            if flow is None:
                trouble = "there is no Flow in it" + (f"; {raised[0]}" if raised else "")
            else:
                exercise.check(name, flow)
    found = [mark for mark in marks.values() if name in {None, mark.exercise}]
    return Grade(path.name, found, raised, trouble)


def _cells(path: Path) -> Iterator[str]:
    """Give the source of each code cell.

    Raises:
        WsflowError: the file is no notebook.
    """
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        found = ["".join(one["source"]) for one in cells if one["cell_type"] == "code"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WsflowError(f"{path.name} is no notebook: {named(error)}") from error
    yield from found


def _shell() -> Any:
    try:
        from IPython.core.interactiveshell import InteractiveShell
    except ImportError:
        raise WsflowError("grading needs IPython: pip install 'wsflow[lab]'") from None
    shell: Any = InteractiveShell.instance()
    shell.colors = "nocolor"
    return shell


def _last_flow(names: dict[str, Any]) -> Flow | None:
    found = [value for value in names.values() if isinstance(value, Flow)]
    return found[-1] if found else None


async def _start(flow: Flow) -> _Portless:
    """Start a flow instead of serving it: no port is opened."""
    await flow.start()
    return _Portless()


class _Portless:
    """What `flow.serve()` gives while grading: a server nobody can connect to."""

    url, host, port = NO_PORT, "", 0
    sessions: tuple[()] = ()

    async def stop(self) -> None:
        """Nothing to stop."""


@contextlib.contextmanager
def _marking(marks: dict[str, Mark]) -> Iterator[None]:
    """Keep what `wsflow.check` says."""

    def keep(verdict: Verdict) -> None:
        marks[verdict.exercise] = Mark(verdict.exercise, verdict.ok, verdict.words)

    exercise.listeners.append(keep)
    try:
        yield
    finally:
        exercise.listeners.remove(keep)


def main(argv: list[str]) -> None:
    """Run one notebook and write its grade: its path, where to, and perhaps the exercise."""
    path, out, *name = argv
    try:
        one = run(Path(path), name[0] if name else None)
    except WsflowError as error:
        one = Grade(Path(path).name, trouble=str(error))
    Path(out).write_text(json.dumps(_plain(one)), encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)  # threads and loops of somebody else's code may still run


if __name__ == "__main__":
    main(sys.argv[1:])

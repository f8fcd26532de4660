"""Exercises that check themselves: a recording of what a right flow answers, a task, some hints.

`wsflow.check("05-manager", flow)` plays the recording into the learner's flow, beside the clients
that are connected to it, and says in words what is not yet as it should be.
"""

from __future__ import annotations

import concurrent.futures
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..base.display import plain, table
from ..errors import RecordingError, ReplayError, WsflowError
from ..io import editing
from ..io.folder import names
from ..recording import Recording
from ..types import texts
from .verdict import Verdict, listed, words

if TYPE_CHECKING:
    from ..compare.report import Report
    from ..replay.replay import Replay

SHIPPED = Path(__file__).parent / "exercises"

TIMEOUT = 20.0
"""Real seconds a flow may take; a right one takes a fraction of one."""

RULES = frozenset({"ignore", "ignore_times", "ignore_ids", "any_order", "late", "early"})
"""What an exercise may ask for: a replay's rules, and how many seconds too early is too early."""

listeners: list[Callable[[Verdict], object]] = []
"""Who hears each verdict of `check`."""

_tries: Counter[tuple[str, str]] = Counter()
"""How often which exercise was tried in vain with which flow: a hint a time."""


class Flow(Protocol):
    """What an exercise asks of a flow: today's answers to what was recorded."""

    @property
    def name(self) -> str: ...

    def replay(
        self,
        recording: Recording,
        *,
        ignore: Iterable[str] = (),
        ignore_times: bool = False,
        ignore_ids: bool = False,
        any_order: bool = False,
        late: float | None = None,
    ) -> Replay: ...


@dataclass(frozen=True)
class Exercise:
    """An exercise. End a cell with it to read the task."""

    name: str
    title: str
    task: str
    """What to build: Markdown."""
    starter: str
    """Code to begin with."""
    hints: tuple[str, ...]
    """From a nudge to nearly the solution."""
    rules: dict[str, Any]
    path: Path

    @classmethod
    def open(cls, name_or_path: str | Path) -> Exercise:
        """Return an exercise that ships with wsflow, or one of your own by its path.

        Raises:
            WsflowError: there is no such exercise.
            RecordingError: it can not be read.
        """
        if not isinstance(name_or_path, str | Path):
            raise WsflowError(
                f"the name of an exercise comes first, not {name_or_path!r}: "
                "wsflow.check('01-echo', flow)"
            )
        if isinstance(name_or_path, str) and "/" not in name_or_path:
            path = SHIPPED / f"{name_or_path.removesuffix('.jsonl')}.jsonl"
            if not path.is_file():
                found = [one for one in names(SHIPPED) if name_or_path in one]
                if len(found) != 1:
                    raise WsflowError(
                        f"no exercise {name_or_path!r}; there are: {listed(names(SHIPPED))}"
                    )
                path = SHIPPED / f"{found[0]}.jsonl"
        else:
            path = Path(name_or_path)
        recording = Recording.open(path)
        told = recording.header.get("exercise")
        if not isinstance(told, dict):
            raise RecordingError(
                f"{path} is a recording, but no exercise: wsflow.make_exercise(...) makes one of it"
            )
        rules = told.get("rules")
        rules = rules if isinstance(rules, dict) else {}
        return cls(
            name=recording.name,
            title=str(told.get("title", "")),
            task=str(told.get("task", "")),
            starter=str(told.get("starter", "")),
            hints=tuple(map(str, told.get("hints") or ())),
            rules={key: rules[key] for key in RULES & set(rules)}
            if isinstance(rules, dict)
            else {},
            path=path,
        )

    def check(self, flow: Flow, *, hints: int | None = None) -> Verdict:
        """Play it into a flow and say what is not right; `hints`: how many to show.

        Blocks until it is done, a fraction of a second for a right solution.
        """
        recording = Recording.open(self.path)
        found: tuple[str, ...] = ()
        report: Report | None = None
        rules = dict(self.rules)
        early = rules.pop("early", None)
        replay = flow.replay(recording, **rules)
        try:
            report = replay.result(TIMEOUT)
            found = words(report, recording, early)
        except (TimeoutError, concurrent.futures.TimeoutError):
            replay.stop()
            found = (
                f"Your flow did not come to an end within {TIMEOUT:g} s: does a handler loop for "
                "ever, or wait without await?",
            )
        except ReplayError as error:
            found = (_missing_route(str(error)),)
        tried = (str(self.path), flow.name)
        if found:
            _tries[tried] += 1
            shown = _tries[tried] - 1 if hints is None else hints
        else:
            del _tries[tried]
            shown = 0
        return Verdict(
            self.name,
            self.title,
            found,
            self.hints[:shown],
            len(self.hints[shown:]) if found else 0,
            report.tally.same if report is not None else 0,
            report,
        )

    def __repr__(self) -> str:
        lines = [f"{self.name} · {self.title}", "", self.task]
        return plain_lines([*lines, "", self.starter] if self.starter else lines)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        code = f"\n\n```python\n{self.starter}\n```" if self.starter else ""
        ask = f'\n\nThen: `wsflow.check("{self.name}", flow)`'
        return {
            "text/plain": repr(self),
            "text/markdown": f"#### {self.name} · {self.title}\n\n{self.task}{code}{ask}",
        }


class Exercises(list[Exercise]):
    """Exercises, easy to hard, shown as a table; `exercises()["01-echo"]` is one of them."""

    def __getitem__(self, key: Any) -> Any:
        """Return one by its name or the beginning of it, or by its place."""
        if not isinstance(key, str):
            return super().__getitem__(key)
        found = [one for one in self if one.name.startswith(key)]
        if len(found) != 1:
            raise WsflowError(f"no exercise {key!r}; there are: {listed(one.name for one in self)}")
        return found[0]

    def __repr__(self) -> str:
        return "\n".join(f"{one.name:16} {one.title}" for one in self) or "no exercises"

    def _repr_html_(self) -> str:
        note = 'read one: wsflow.exercises()["01"]; try it: wsflow.check("01-echo", flow)'
        return table(("exercise", "what you build"), [(e.name, e.title) for e in self], note=note)


def exercises(folder: str | Path = SHIPPED) -> Exercises:
    """Return the exercises that ship with wsflow, or those of a folder."""
    return Exercises(Exercise.open(Path(folder) / f"{name}.jsonl") for name in names(folder))


def check(name_or_path: str | Path, flow: Flow, *, hints: int | None = None) -> Verdict:
    """Check a flow against an exercise, and say in words what is not yet right.

    Live clients of the flow notice nothing. Each further try in vain shows one more hint; `hints`
    asks for so many.

    Raises:
        WsflowError: there is no such exercise, or that is no flow.
    """
    found = Exercise.open(name_or_path)
    if not hasattr(flow, "replay"):
        raise WsflowError(
            f"check takes the name of an exercise and a Flow, not {type(flow).__name__}: "
            f"wsflow.check({found.name!r}, flow)"
        )
    verdict = found.check(flow, hints=hints)
    for listener in listeners:
        listener(verdict)
    return verdict


def make_exercise(
    recording: Recording | str | Path,
    name: str,
    *,
    title: str,
    task: str,
    hints: Iterable[str] = (),
    starter: str = "",
    rules: Mapping[str, Any] | None = None,
    folder: str | Path = "exercises",
) -> Exercise:
    """Make an exercise of a recording in which a right solution answers; return it.

    Call a client by the query or path parameter `name`: it is called so in what learners read.

    Args:
        recording: a recording, its name or its path.
        name: what it is called; `folder/<name>.jsonl` is written.
        title, task: what to build; the task is Markdown.
        hints: from a nudge to nearly the solution; each try in vain shows one more.
        starter: code to begin with.
        rules: what does not matter: `ignore`, `ignore_times`, `ignore_ids`, `any_order`, `late`,
            `early`.

    Raises:
        RecordingError: the recording can not be read, or the exercise not be written.
        WsflowError: there is no such rule.
    """
    given = dict(rules or {})
    unknown = sorted(set(given) - RULES)
    if unknown:
        raise WsflowError(f"no rule {unknown[0]!r}; rules: {', '.join(sorted(RULES))}")
    source = recording if isinstance(recording, Recording) else Recording.open(recording)
    told = {
        "title": title,
        "task": task.strip(),
        "hints": list(texts(hints)),
        "starter": starter.strip(),
        "rules": given,
    }
    return Exercise.open(Path(editing.copy(source, name, folder, exercise=told)))


def _missing_route(text: str) -> str:
    """Return a replay's complaint about a route as far as it is a learner's business."""
    what = text.partition(": ")[2].partition(" Declare the route, or")[0]
    return f"Your flow does not take all that the exercise brings: {what}"


def plain_lines(lines: list[str]) -> str:
    """Return lines that hold no control code."""
    return "\n".join(plain(line) for text in lines for line in text.split("\n"))

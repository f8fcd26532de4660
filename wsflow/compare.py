"""What was answered then against what is answered now, session by session.

Answers are paired in order, with as few changes as can be found quickly: same, changed, missing,
extra, late. Rules say what does not matter.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, islice, zip_longest
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, get_args

from .alignment import STEPS, Span, aligned, unordered

Status: TypeAlias = Literal["same", "changed", "missing", "extra", "late"]

_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?"
    r"|\b\d{2}:\d{2}:\d{2}(?:\.\d+)?\b"
)
_ID = re.compile(
    r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b|\b[0-9a-fA-F]{16,}\b|\bs\d+-[0-9a-f]{4}\b"
)

NEAR = 0.005
"""Seconds within which answers to different events may change places: who was first was chance."""

AFTER = "after the end"
"""Why an answer is excused that came when nothing was recorded any more."""

UNCAUSED = "caused by no event"
"""Why an answer is excused that a task of its own gave, or a person."""

NOBODY, EARLIER = -1, -2
"""The event of such an answer, and of one that a handler gave who had begun before."""

BEFORE = "begun before the recording"

EXCUSES = {NOBODY: UNCAUSED, EARLIER: BEFORE}


class Said(NamedTuple):
    """One answer: when (seconds), what, and why it is none of the handlers' business, if so."""

    t: float
    body: Any
    excuse: str = ""
    """It need not be on the other side: sent by hand, said after the end, and the like."""
    event: int = 0
    """The recorded number of the event that was answered; 0: not known."""


class Answer(NamedTuple):
    """The answer to an HTTP request: its status, its content type without parameters, its body."""

    status: int
    kind: str
    body: Any

    @classmethod
    def of(cls, status: int, content_type: str | None, body: bytes) -> Answer:
        """Return the answer with its body as text, where it is text."""
        try:
            readable: Any = body.decode()
        except UnicodeDecodeError:
            readable = body
        return cls(status, (content_type or "").partition(";")[0].strip().lower(), readable)

    def __str__(self) -> str:
        return f"{self.status} {self.kind} {self.body}"


class Pair(NamedTuple):
    """An answer then and now; None stands where there is none."""

    session: str
    status: Status
    old: Said | None
    new: Said | None


@dataclass(frozen=True)
class Rules:
    """What does not matter in a comparison.

    `ignore` names parts of JSON bodies: a key at any depth (`"id"`), or a path from the top
    (`"$.user.id"`, `"$.items[*].id"`, `"$.items[0].id"`). `times` and `ids` make dates, clock
    times, UUIDs, long hexadecimal numbers and session ids equal wherever they stand. With
    `any_order` answers of a session may come in any order. `late` is how many seconds later an
    equal answer may come.
    """

    ignore: tuple[str, ...] = ()
    times: bool = False
    ids: bool = False
    any_order: bool = False
    late: float | None = None

    @property
    def plain(self) -> bool:
        """Whether bodies are compared as they are."""
        return not (self.ignore or self.times or self.ids)

    def normal(self, body: Any) -> Any:
        """Return what is compared of an answer."""
        if self.plain:
            return body
        if isinstance(body, Answer):
            return body._replace(body=self.normal(body.body))
        if isinstance(body, str) and self.ignore and body.lstrip()[:1] in {"{", "["}:
            with contextlib.suppress(ValueError, RecursionError):  # it only begins like JSON
                body = json.dumps(self._without(json.loads(body), "$"), sort_keys=True)
        if isinstance(body, str):
            if self.times:
                body = _TIME.sub("<time>", body)
            if self.ids:
                body = _ID.sub("<id>", body)
        return body

    def _without(self, value: Any, *paths: str) -> Any:
        """Return a value without what is ignored; `paths` are the names its place has."""
        if isinstance(value, dict):
            return {
                key: self._without(one, *(f"{path}.{key}" for path in paths))
                for key, one in value.items()
                if key not in self.ignore and not self._ignores(f"{path}.{key}" for path in paths)
            }
        if isinstance(value, list):
            indexed = any("[" in name for name in self.ignore)
            if not indexed:
                return [self._without(one, *paths) for one in value]
            named = [
                (one, [f"{path}[{at}]" for path in paths for at in (index, "*")])
                for index, one in enumerate(value)
            ]
            return [self._without(one, *names) for one, names in named if not self._ignores(names)]
        return value

    def _ignores(self, paths: Any) -> bool:
        return any(path in self.ignore for path in paths)


NO_RULES = Rules()


@dataclass
class Tally:
    """How many pairs of each kind, and those that differ (the first ten thousand)."""

    same: int = 0
    changed: int = 0
    missing: int = 0
    extra: int = 0
    late: int = 0
    excused: Counter[str] = field(default_factory=Counter)
    """Answers that were not compared, and why."""
    differing: list[Pair] = field(default_factory=list)
    kept: int = 10_000
    steps: int = STEPS
    """What is left of the work that may go into pairing what differs."""

    def add(self, pair: Pair) -> None:
        """Count a pair."""
        setattr(self, pair.status, getattr(self, pair.status) + 1)
        if pair.status != "same" and len(self.differing) < self.kept:
            self.differing.append(pair)

    def merge(self, other: Tally) -> None:
        """Add the pairs of another round."""
        for pair_status in get_args(Status):
            setattr(self, pair_status, getattr(self, pair_status) + getattr(other, pair_status))
        self.excused.update(other.excused)
        self.differing = sorted([*self.differing, *other.differing], key=_moment)[: self.kept]

    @property
    def differences(self) -> int:
        """How many pairs are not the same."""
        return self.changed + self.missing + self.extra + self.late


class Rows(Protocol):
    """What tells of the answers: `seq` is its newest row when one is heard."""

    seq: int


class Unseen:
    """Nothing tells of them."""

    seq = 0


class Lane:
    """The answers of one session as they come: what is equal is counted and forgotten at once.

    `origin` says which event the answer was for that was heard at a row, once it was told: 0 when
    that is not known, `NOBODY` when it was for none, `EARLIER` when it was none of the recording.
    """

    __slots__ = (
        "_behind",
        "_in_order",
        "_late",
        "_now",
        "_origin",
        "_rows",
        "_rules",
        "_tally",
        "clean",
        "heard",
        "new",
        "old",
        "who",
    )

    def __init__(
        self,
        who: str,
        rules: Rules,
        tally: Tally,
        now: Callable[[], float],
        rows: Rows = Unseen,
        origin: Callable[[int], int] = lambda _: 0,
    ) -> None:
        self.who = who
        self.old: deque[tuple[float, Any, str, int]] = deque()
        """Time, body, excuse, and the event that was answered."""
        self.new: deque[tuple[float, Any, str, int]] = deque()
        """Time, body, excuse, and the newest row at that moment."""
        self.heard: Callable[[], object] | None = None
        """Called when it is behind no more."""
        self._rules, self._tally, self._now = rules, tally, now
        self._rows, self._origin = rows, origin
        self._in_order = not rules.any_order
        self._late = math.inf if rules.late is None else rules.late
        self._behind = 0

    @property
    def behind(self) -> bool:
        """Whether answers are recorded that have not been heard."""
        return self._behind > 0

    def hear(self, body: Any, excuse: str = "") -> None:
        """Take an answer that is given now."""
        self.new.append((self._now(), body, excuse, self._rows.seq))
        self._behind -= 1
        if self.old:
            self._pair(nearby=False)  # what it was for is told right after this
        if self.heard is not None and self._behind <= 0:
            self.heard()

    def expect(self, t: float, body: Any, excuse: str = "", event: int = 0) -> None:
        """Take an answer that was given then, to some event."""
        new = self.new
        if new and not self.old and new[0][1] == body and self._in_order:
            self._behind += not excuse  # mostly it has been heard, and is the next one
            if new[0][0] - t > self._late:
                self._count((t, body, excuse, event), new.popleft())
            else:
                new.popleft()
                self._tally.same += 1
            return
        self.old.append((t, body, excuse, event))
        if not excuse:
            self._behind += 1
        if self.new:
            self._pair()

    def catch_up(self) -> None:
        """Wait no longer for what is missing or late; the next one may be there."""
        self._behind = min(self._behind, 0)

    def forget(self) -> None:
        """Forget what was heard."""
        self.new.clear()
        self._behind = 0

    def _pair(self, *, nearby: bool = True) -> None:
        """Count what is equal from the start on, as far as it goes."""
        old, new = self.old, self.new
        while old and new and self._in_order:
            at = 0 if self._equal(old[0], new[0]) else self._nearby() if nearby else -1
            if at < 0:
                return
            then = old[at]
            del old[at]
            self._count(then, new.popleft())

    def _count(self, then: tuple[float, Any, str, int], now: tuple[float, Any, str, int]) -> None:
        """Count two that are equal."""
        if now[0] - then[0] > self._late:
            self._tally.add(Pair(self.who, "late", Said(*then), Said(*now[:3])))
        else:
            self._tally.same += 1

    def _equal(self, then: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
        normal = self._rules.normal
        return then[1] == now[1] or (not self._rules.plain and normal(then[1]) == normal(now[1]))

    def _nearby(self) -> int:
        """Return where the answer heard now was among those that came at the same moment.

        The answers to one event keep their order; -1 when it was not there.
        """
        now, passed = self.new[0], set[int]()
        event = -1
        for at, then in enumerate(islice(self.old, 16)):
            if then[0] - self.old[0][0] > NEAR:
                break
            if then[3] not in passed and self._equal(then, now):
                if event < 0:
                    event = self._origin(now[3])
                if not event or then[3] in {0, event}:
                    return at
            passed.add(then[3])
        return -1

    def _said(self, t: float, body: Any, excuse: str, row: int) -> Said:
        event = self._origin(row)
        return Said(t, body, excuse or EXCUSES.get(event, ""), max(0, event))

    def finish(self, end: float) -> None:
        """Pair what is left; what was answered after `end` may or may not have been recorded."""
        self._pair()
        old = [Said(*one) for one in self.old]
        new = [self._said(*one) for one in self.new]
        new = [one if one.t <= end else one._replace(excuse=AFTER) for one in new]
        for pair in compare(self.who, old, new, self._rules, self._tally):
            self._tally.add(pair)


def compare(
    session: str,
    old: list[Said],
    new: list[Said],
    rules: Rules = NO_RULES,
    tally: Tally | None = None,
) -> Iterator[Pair]:
    """Give the pairs of one session, in the order of time; `tally` bounds the work.

    Where it is known which events were answered, only answers to the same one belong together.
    """
    tally = tally or Tally()
    known = not rules.any_order and all(one.event or one.excuse for one in (*old, *new))
    before, after = _keys(old, rules, known=known), _keys(new, rules, known=known)
    if rules.any_order:
        spans: Iterator[Span] = unordered(before, after)
    else:
        spans = aligned(before, after, tally)
    for equal, group in groupby(spans, key=lambda span: span[2]):
        then, now = list[Said](), list[Said]()
        for left, right, _ in group:
            then += [old[i] for i in left]
            now += [new[j] for j in right]
        if not equal:
            tally.excused.update(one.excuse for one in then if one.excuse)
            then, now = _owed(then, now)
        by_cause = known and not equal
        matches = _by_event(then, now, rules, tally) if by_cause else zip_longest(then, now)
        for one, other in matches:
            yield _judged(session, one, other, equal, rules)


def _keys(some: list[Said], rules: Rules, *, known: bool = False) -> list[Any]:
    """Return what has to be equal; of answers to known events the event, too."""
    bodies = [_comparable(rules.normal(one.body)) for one in some]
    return [(one.event, body) for one, body in zip(some, bodies, strict=True)] if known else bodies


def _by_event(then: list[Said], now: list[Said], rules: Rules, tally: Tally) -> list[Match]:
    """Return what belongs together: answers to one event as they align, or else equal ones."""
    events: dict[int, tuple[list[Said], list[Said]]] = {}
    for side, some in enumerate((then, now)):
        for one in some:
            events.setdefault(one.event, ([], []))[side].append(one)
    found = [
        (before[i] if i is not None else None, after[j] if j is not None else None)
        for before, after in events.values()
        for left, right, _ in aligned(_keys(before, rules), _keys(after, rules), tally)
        for i, j in zip_longest(left, right)
    ]
    extra: dict[Any, deque[Said]] = {}
    for old, new in found:
        if old is None and new is not None:
            (key,) = _keys([new], rules)
            extra.setdefault(key, deque()).append(new)
    matches: list[Match] = []
    for old, new in found:
        if old is not None:
            (key,) = _keys([old], rules)
            moved = None if new else extra.get(key)
            matches.append((old, moved.popleft() if moved else new))
    matches += [(None, one) for some in extra.values() for one in some]
    return list(_in_order(sorted(matches, key=_when), rules))


def _in_order(matches: list[Match], rules: Rules) -> Iterator[Match]:
    """Give the matches; what is equal and yet was overtaken is missing here and extra there."""
    newest = -math.inf
    for old, new in matches:
        if old and new and new.t < newest - NEAR and _same(old, new, rules):
            yield old, None
            yield None, new
        else:
            newest = max(newest, new.t) if new else newest
            yield old, new


Match: TypeAlias = tuple[Said | None, Said | None]
"""An answer then and the one that stands for it now."""


def _owed(then: list[Said], now: list[Said]) -> tuple[list[Said], list[Said]]:
    """Leave out what is excused; of what came now, only where nothing else stands for it."""
    then = [one for one in then if not one.excuse]
    spare = len(then) - sum(not one.excuse for one in now)
    chosen = []
    for one in now:
        if one.excuse:
            spare -= 1
        if not one.excuse or spare >= 0:
            chosen.append(one)
    return then, chosen


def _judged(session: str, old: Said | None, new: Said | None, equal: bool, rules: Rules) -> Pair:
    status: Status
    if old is None:
        status = "extra"
    elif new is None:
        status = "missing"
    elif not equal and not _same(old, new, rules):
        status = "changed"
    elif rules.late is not None and new.t - old.t > rules.late:
        status = "late"
    else:
        status = "same"
    return Pair(session, status, old, new)


def _same(old: Said, new: Said, rules: Rules) -> bool:
    return _keys([old], rules) == _keys([new], rules)


def _when(pair: Match) -> float:
    return (pair[0] or pair[1] or Said(0.0, None)).t


def _moment(pair: Pair) -> float:
    return _when((pair.old, pair.new))


def _comparable(body: Any) -> Any:
    """Return a body as what can be a key."""
    return body if isinstance(body, str | bytes) else (type(body).__name__, repr(body))

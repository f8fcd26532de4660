"""What a teacher would say about a flow that answered otherwise than an exercise asks for.

Made from the report of a replay and the recording that was replayed: who asked what, what was
expected, what came instead, and what usually leads there.
"""

from __future__ import annotations

import html
import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .compare import Pair, Said
from .plain import plain
from .report import Report, readable
from .source import Source

MOST = 5
"""Sentences about single answers; what is wrong comes in the same way again and again."""

LONGEST = 80
"""Characters of an answer that are cited."""

SOON = 0.002
"""Seconds after an event in which an answer belongs to it."""


@dataclass(frozen=True)
class Verdict:
    """The outcome of `wsflow.check`. `ok`, or `words` that say what is not, and some `hints`."""

    exercise: str
    title: str
    words: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    more: int = 0
    """Hints that have not been shown; a further try shows the next."""
    answers: int = 0
    """Answers that were right."""
    report: Report | None = field(default=None, repr=False)
    """What the comparison found."""

    @property
    def ok(self) -> bool:
        """Whether every answer was right."""
        return not self.words

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        if self.ok:
            return f"{self.exercise}: solved, all {self.answers} answers are right."
        lines = [f"{self.exercise}: not yet."]
        lines += [f"  - {one}" for one in self.words]
        lines += [f"  Hint {n}: {one}" for n, one in enumerate(self.hints, 1)]
        return "\n".join(map(plain, lines)) + ("\n" + self._rest() if self.more else "")

    def _rest(self) -> str:
        return f"  {_number(self.more, 'more hint')} when you try again."

    def _repr_html_(self) -> str:
        colour, word = ("#1a7f37", "solved") if self.ok else ("#9a6700", "not yet")
        badge = f"padding:0 .5em;border-radius:.3em;color:#fff;background:{colour}"
        title = html.escape(f"{self.exercise} · {self.title}" if self.title else self.exercise)
        if self.ok:
            body = f"<p>All {_number(self.answers, 'answer')} are right.</p>"
        else:
            words = "".join(f"<li>{html.escape(plain(one))}</li>" for one in self.words)
            hints = "".join(
                f"<p style='margin:.2em 0'><b>Hint {n}:</b> {html.escape(plain(one))}</p>"
                for n, one in enumerate(self.hints, 1)
            )
            rest = f"<p><small>{self._rest().strip()}</small></p>" if self.more else ""
            body = f"<ul style='margin:.4em 0'>{words}</ul>{hints}{rest}"
        return f"<div><b style='{badge}'>{word}</b> {title}{body}</div>"


class Moment(NamedTuple):
    """A recorded event: when, of which session, and what was asked."""

    t: float
    session: str | None
    kind: str
    asked: str
    seq: int


class Story:
    """A recording as one tells it: who is who, who asked what, and which answer that led to."""

    def __init__(self, source: Source) -> None:
        self.people: dict[str, str] = {}
        self.events: list[Moment] = []
        self._root: dict[int, int] = {}
        self._by_seq: dict[int, Moment] = {}
        self._answered: dict[tuple[str, float], list[int]] = defaultdict(list)
        for entry in source.entries():
            if entry.opened is not None:
                self._meet(entry.opened)
                continue
            if entry.kind in {"req", "message", "close", "fire"}:
                self._enter(entry)
            elif entry.cause:
                self._root[entry.seq] = self._root.get(entry.cause, entry.cause)
            if entry.kind in {"response", "send"} and entry.session is not None:
                self._answered[entry.session, entry.t].append(entry.seq)
        self._times = [moment.t for moment in self.events]

    def _meet(self, facts: dict[str, Any]) -> None:
        given = {**(facts.get("query") or {}), **(facts.get("params") or {})}
        name = given.get("name")
        who = str(facts.get("id"))
        self.people[who] = str(name) if name else f"client {len(self.people) + 1}"

    def _enter(self, entry: Any) -> None:
        if entry.kind == "message":
            asked = f"sent {cited(entry.value)}"
        elif entry.kind == "req" and entry.session is None:
            event = entry.value if isinstance(entry.value, dict) else {}
            asked = f"{event.get('method', 'a request to')} {event.get('path', '')} came in"
        else:
            asked = {"req": "connected", "close": "left"}.get(entry.kind, "fired")
        moment = Moment(entry.t, entry.session, entry.kind, asked, entry.seq)
        self.events.append(moment)
        self._by_seq[entry.seq] = moment

    def name(self, session: str) -> str:
        """Return how a client is called."""
        return self.people.get(session, session)

    def led_to(self, pair: Pair) -> str:
        """Return what came before an answer, `alice sent 'hi'`, as far as one can tell."""
        moment = None
        if pair.old is not None:
            for seq in self._answered.get((pair.session, pair.old.t), ()):
                moment = self._by_seq.get(self._root.get(seq, 0)) or moment
        if moment is None:
            at = (pair.old or pair.new or Said(0.0, None)).t
            index = bisect_right(self._times, at + SOON) - 1
            moment = self.events[index] if index >= 0 else None
        if moment is None:
            return "the clients came"
        who = self.name(moment.session) + " " if moment.session is not None else ""
        return who + moment.asked


def words(report: Report, source: Source) -> tuple[str, ...]:
    """Return what is wrong, in sentences; the causes first that explain most."""
    story = Story(source)
    found = [
        *_raised(report),
        *_returned(report),
        *_compared(report.tally.differing, story, report),
    ]
    unique = list(dict.fromkeys(found))
    rest = len(unique) - MOST
    return (*unique[:MOST], *([f"And {rest} more of this kind."] if rest > 0 else []))


def _raised(report: Report) -> Iterator[str]:
    for error in report.errors[:2]:
        node, _, what = error.partition(": ")
        yield f"Your node {node!r} raised {what}."


def _returned(report: Report) -> Iterator[str]:
    """Find the remark that a handler returned a value: values that are returned go nowhere."""
    for row in report.log.tail(1_000) if report.log is not None else ():
        if row.kind == "mark" and "returned values go nowhere" in str(row.data):
            yield (
                f"Your node {row.node!r} returned a value, and what a node returns goes nowhere. "
                "ctx.emit('response', {'body': ...}) answers the client."
            )


def _compared(pairs: list[Pair], story: Story, report: Report) -> Iterator[str]:
    if not report.tally.same and all(pair.status == "missing" for pair in pairs):
        first = pairs[0]
        yield (
            f"{_first(story.led_to(first))} and nobody was answered; expected "
            f"{cited(first.old and first.old.body)} for {story.name(first.session)}. Is your node "
            "wired to the port of the trigger, and does it emit a response?"
        )
        return
    astray, rest = _crossed(pairs)
    for missing, extra in astray:
        owner, finder = story.name(missing.session), story.name(extra.session)
        yield (
            f"{_first(finder)} got {cited(_body(missing.old))}, which was meant for {owner} (when "
            f"{story.led_to(missing)}): your node answers in the scope of {finder}. Answer with "
            "the ctx of the event, or keep the ctx of each client apart."
        )
    heard = {pair.session for pair in pairs if pair.new is not None}
    for pair in rest:
        yield _sentence(pair, story, pair.session in heard)


def _crossed(pairs: list[Pair]) -> tuple[list[tuple[Pair, Pair]], list[Pair]]:
    """Find what one client was to get and another got: answers that went astray."""
    lost = [pair for pair in pairs if pair.old is not None]
    astray: list[tuple[Pair, Pair]] = []
    used: set[int] = set()
    for finder in pairs:
        if finder.new is None:
            continue
        for owner in lost:
            if (
                id(owner) not in used
                and owner.session != finder.session
                and owner.old is not None
                and owner.old.body == finder.new.body
                and (owner.new is None or owner.new.body != owner.old.body)
            ):
                astray.append((owner, finder))
                used |= {id(owner), id(finder)}
                break
    return astray, [pair for pair in pairs if id(pair) not in used]


def _sentence(pair: Pair, story: Story, heard: bool) -> str:
    who, when = story.name(pair.session), story.led_to(pair)
    old, new = _body(pair.old), _body(pair.new)
    if pair.status == "missing":
        instead = "" if heard else " and heard nothing at all"
        return f"When {when}, {who} was to get {cited(old)}{instead}; it never came."
    if pair.status == "extra":
        return (
            f"{_first(who)} got {cited(new)} when {when}, though nothing more was meant for {who}: "
            "is something wired twice, or sent to everybody?"
        )
    if pair.status == "late":
        return f"When {when}, {who} got {cited(new)} too late."
    return f"When {when}, {who} was to get {cited(old)} and got {cited(new)}.{_kind(old, new)}"


def _kind(old: Any, new: Any) -> str:
    """Say what kind of thing came, where that is the mistake."""
    if isinstance(old, str) and isinstance(new, str):
        if _is_json(old) and new[:1] == "{" and not _is_json(new):
            return " That is a dict's repr: give the dict itself as body, it is sent as JSON."
        if old == new.strip('"'):
            return " That is JSON of a text: give the text itself as body."
    if isinstance(old, bytes) != isinstance(new, bytes):
        return " One is text, the other bytes."
    return ""


def cited(body: Any) -> str:
    """Return a body as one cites it: JSON and text as they are sent, in quotes."""
    text = readable(body, LONGEST)
    if isinstance(body, bytes):
        return text
    return text if text[:1] in {"{", "["} else f"'{text}'"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _body(said: Said | None) -> Any:
    return None if said is None else said.body


def _first(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"


def listed(names: Iterable[str]) -> str:
    """Return names as one lists them."""
    return ", ".join(names) or "none"

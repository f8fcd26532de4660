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

from ..base.display import plain
from ..compare.answer import Answer, HttpAnswer, Pair
from ..compare.pairs import NEAR
from ..compare.report import Report
from ..compare.side_by_side import readable
from ..events import ANSWERS, EVENTS
from ..io.reader import Reader

MAX_SENTENCES = 3
"""Sentences about single answers; what is wrong comes in the same way again and again."""

CITED_LENGTH = 80
"""Characters of an answer that are cited."""

ANSWER_SECONDS = 0.002
"""Seconds after an event in which an answer belongs to it."""

SKEW_SECONDS = 1e-5
"""Seconds by which what came first may have been written down later."""


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

    def __init__(self, reader: Reader) -> None:
        self.people: dict[str, str] = {}
        self.events: list[Moment] = []
        self._root: dict[int, int] = {}
        self._by_seq: dict[int, Moment] = {}
        self._answered: dict[tuple[str, float], list[int]] = defaultdict(list)
        for entry in reader.entries():
            if entry.opened is not None:
                self._meet(entry.opened)
                continue
            if entry.kind in EVENTS:
                self._enter(entry)
            elif entry.cause:
                self._root[entry.seq] = self._root.get(entry.cause, entry.cause)
            if entry.kind in ANSWERS and entry.session is not None:
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
        return self.people.get(session) or f"the request {session.partition(' #')[0]}"

    def led_to(self, pair: Pair) -> str:
        """Return what came before an answer, `alice sent 'hi'`, as far as one can tell."""
        at = pair.t
        index = bisect_right(self._times, at + SKEW_SECONDS) - 1
        last = self.events[index] if index >= 0 else None
        cause = self._cause(pair.session, at) if pair.old is not None else None
        moment = cause or last
        if cause is not None and cause.kind == "req" and cause.session is not None:
            # a manager answers in the scope of a coming long ago: what happened last led there
            moment = last if last is not None and at - last.t <= ANSWER_SECONDS else cause
        if moment is None:
            return "the clients came"
        who = self.name(moment.session) + " " if moment.session is not None else ""
        return who + moment.asked

    def _cause(self, session: str, at: float) -> Moment | None:
        """Return the event whose scope a recorded answer was given in."""
        for seq in self._answered.get((session, at), ()):
            found = self._by_seq.get(self._root.get(seq, 0))
            if found is not None:
                return found
        return None


def words(report: Report, reader: Reader, early: float | None = None) -> tuple[str, ...]:
    """Return what is wrong, in sentences; the causes first that explain most.

    `early`: how many seconds earlier than recorded an answer may come; None: as it likes.
    """
    story = Story(reader)
    causes = [*_raised(report), *_returned(report)]
    if report.incomplete and not report.tally.differences:
        causes.append(f"The check is {report.incomplete}.")
    pairs = report.tally.differing
    if pairs and not report.tally.same and all(pair.status == "missing" for pair in pairs):
        found = causes or [_nobody(pairs[0], story)]
    else:
        found = [*causes, *_compared(pairs, story)]
    if early is not None:
        found += _hasty(report, reader, story, early)
    unique = list(dict.fromkeys(found))
    rest = len(unique) - MAX_SENTENCES
    return (*unique[:MAX_SENTENCES], *([f"And {rest} more of this kind."] if rest > 0 else []))


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


def _nobody(pair: Pair, story: Story) -> str:
    return (
        f"{_first(story.led_to(pair))} and nobody was answered; expected {cited(_body(pair.old))} "
        f"for {story.name(pair.session)}. Is your node wired to the port of the trigger, and does "
        "it emit a response?"
    )


def _hasty(report: Report, reader: Reader, story: Story, early: float) -> Iterator[str]:
    """Find answers that came before their time, in sessions that are answered as recorded."""
    began = int(reader.header.get("time") or 0)
    then: dict[str, list[tuple[float, Any]]] = defaultdict(list)
    now: dict[str, list[tuple[float, Any]]] = defaultdict(list)
    for row in reader.rows():
        if row.kind == "response" and row.session is not None:
            then[row.session].append((row.t, row.value))
    for told in report.log if report.log is not None else ():
        if told.kind == "response" and told.session is not None:
            now[told.session].append(((told.time - began) / 1e9, told.data))
    for who, answers in then.items():
        for (due, body), (came, other) in zip(answers, now[who], strict=False):
            if body == other and came < due - early:
                yield (
                    f"{_first(story.name(who))} got {cited(body)} {due - came:.1f} s too early: "
                    "does your node await what takes time (await asyncio.sleep, not time.sleep)?"
                )


def _compared(pairs: list[Pair], story: Story) -> Iterator[str]:
    astray, rest = _crossed(pairs)
    for missing, extra in astray:
        owner, finder = story.name(missing.session), story.name(extra.session)
        yield (
            f"{_first(finder)} got {cited(_body(missing.old))}, which was meant for {owner} (when "
            f"{story.led_to(missing)}): your node answers in the scope of {finder}. Answer with "
            "the ctx of the event, or keep the ctx of each client apart."
        )
    for pair in rest:
        yield _sentence(pair, story)


def _crossed(pairs: list[Pair]) -> tuple[list[tuple[Pair, Pair]], list[Pair]]:
    """Find what one client was to get when another got it, and what is wrong besides."""
    astray: list[tuple[Pair, Pair]] = []
    lost = [pair for pair in pairs if pair.old is not None]
    explained_old: set[int] = set()
    explained_new: set[int] = set()
    for finder in pairs:
        for owner in lost if finder.new is not None else ():
            if id(owner) not in explained_old and _went_astray(owner, finder):
                astray.append((owner, finder))
                explained_old.add(id(owner))
                explained_new.add(id(finder))
                break
    rest = []
    for pair in pairs:
        old = None if id(pair) in explained_old else pair.old
        new = None if id(pair) in explained_new else pair.new
        if old is not None and new is not None:
            rest.append(pair)
        elif old is not None or new is not None:
            rest.append(Pair(pair.session, "missing" if new is None else "extra", old, new))
    return astray, rest


def _went_astray(owner: Pair, finder: Pair) -> bool:
    """Say whether one got, at that very moment, what was meant for the other."""
    meant, got = owner.old, finder.new
    return (
        meant is not None
        and got is not None
        and owner.session != finder.session
        and _content(meant.body) == _content(got.body)
        and abs(meant.t - got.t) <= NEAR
    )


def _content(body: Any) -> Any:
    """Return what was said, wherever it went: of the answer to a request its body."""
    return body.body if isinstance(body, HttpAnswer) else body


def _sentence(pair: Pair, story: Story) -> str:
    who, when = story.name(pair.session), story.led_to(pair)
    old, new = _body(pair.old), _body(pair.new)
    if pair.status == "missing":
        return f"When {when}, {who} was to get {cited(old)}; it never came."
    if pair.status == "extra":
        return (
            f"{_first(who)} got {cited(new)} when {when}, though nothing more was meant for {who}: "
            "is something wired twice, or sent to everybody?"
        )
    if pair.status == "late":
        late = "" if pair.old is None or pair.new is None else f"{pair.new.t - pair.old.t:.1f} s "
        return f"When {when}, {who} got {cited(new)} {late}too late: does one wait for another?"
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
    text = readable(body, CITED_LENGTH)
    if isinstance(body, bytes):
        return text
    return text if text[:1] in {"{", "["} else f"'{text}'"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _body(said: Answer | None) -> Any:
    return None if said is None else said.body


def _first(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"


def listed(names: Iterable[str]) -> str:
    """Return names as one lists them."""
    return ", ".join(names) or "none"

"""Writes to clients by hand: an answer to an event, one session, a group, everybody."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ..base.interfaces import CLOSE_NORMAL, check_close
from ..errors import WsflowError
from ..graph.context import Context
from ..graph.nodes.connections import LEFT, SLOW, Connections, Delivery
from ..graph.scope import Scope
from ..graph.triggers.websocket import WebSocketTrigger
from ..types import Data
from .body import message
from .part import News, Part, preview, text

if TYPE_CHECKING:
    from ..events import Row
    from ..wire.session import Session
    from .host import Flow

MAX_CHOICES = 100
"""Sessions, and groups of a manager, that a page can choose from."""

MAX_HISTORY = 50
"""Messages a flow's panels remember."""

MAX_HISTORY_BYTES = 16_000_000
"""What they may weigh together; the newest is kept whatever it weighs."""

MAX_MISSED = 20
"""Sessions that could not be reached and are named."""

ANSWERABLE = frozenset({"req", "message"})


class SentMessage(NamedTuple):
    """A message that was sent by hand, as it was typed."""

    number: int
    kind: str
    body: str


class History:
    """The last messages sent by hand in one flow, oldest first; all its pages share it."""

    def __init__(self) -> None:
        self._sent: deque[SentMessage] = deque(maxlen=MAX_HISTORY)
        self._weight = self._last = 0

    def add(self, kind: str, body: str) -> None:
        """Remember a message; the same one sent again moves to the end."""
        for one in list(self._sent):
            if (one.kind, one.body) == (kind, body):
                self._sent.remove(one)
        self._last += 1
        self._sent.append(SentMessage(self._last, kind, body))
        while len(self._sent) > 1 and sum(len(one.body) for one in self._sent) > MAX_HISTORY_BYTES:
            self._sent.popleft()

    def find(self, number: int) -> SentMessage:
        """Return what was sent.

        Raises:
            WsflowError: it is forgotten.
        """
        for one in self._sent:
            if one.number == number:
                return one
        raise WsflowError(f"only the last {MAX_HISTORY} messages are remembered")

    def listed(self) -> list[tuple[int, str, str, int]]:
        """Return number, kind, beginning and length of each. Safe from any thread."""
        return [
            (one.number, one.kind, text(one.body, 80), len(one.body)) for one in list(self._sent)
        ]


class ComposerPart(Part):
    """Whom a page can write to, what was written, and the hand that sends it."""

    name: ClassVar[str] = "composer"
    actions: ClassVar[tuple[str, ...]] = ("send", "watch", "recall")

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow)
        self._told: News = {}
        self._watched: Session | None = None
        self._looked: tuple[Session | None, int, int] = (None, 0, 0)
        """Whose rows were looked at, up to which, and the newest event among them."""

    # ---- what it tells

    def news(self) -> News | None:
        flow = self.flow
        there = list(flow.sessions)
        now: News = {
            "running": flow.running,
            "total": len(there),
            "sessions": [(one.id, text(one.path, 60)) for one in there[-MAX_CHOICES:]],
            "managers": [_known(manager) for manager in self._managers()],
            "history": flow.panel.history.listed(),
            "event": self._event(),
        }
        news = {key: value for key, value in now.items() if self._told.get(key, ...) != value}
        self._told = now
        return news or None

    def _event(self) -> News | None:
        """Return the last event of the session that is watched, as far as the log has it."""
        session = self._watched
        if session is None or not session.is_open:
            return None
        upto = self.flow.log.seq
        whose, looked, newest = self._looked
        if whose is not session:
            looked = newest = 0
        if upto != looked:
            newest = self._newest(session, looked + 1) or newest
        self._looked = (session, upto, newest)
        row = self.host.store.row(newest)
        if row is None:
            return None
        said = preview(row.data, 60) if row.kind == "message" else ""
        return {"session": session.id, "seq": row.seq, "kind": row.kind, "text": said}

    def _newest(self, session: Session, since: int) -> int:
        """Return the newest row from `since` on that can be answered; 0 when there is none."""
        store = self.host.store
        answerable = {at for at, place in enumerate(store.places()) if place.kind in ANSWERABLE}
        mine = session.number  # a row is its seq, time, place, session, ...
        rows = (row[0] for row in store.since(since) if row[3] == mine and row[2] in answerable)
        return max(rows, default=0)

    def _managers(self) -> list[Connections]:
        return [node for node in self.flow.nodes.values() if isinstance(node, Connections)]

    # ---- what it is asked

    def watch(self, session: str | None = None) -> None:
        """Tell from now on which event of this session an answer would belong to."""
        self._watched = None if session is None else self._find(session)

    def recall(self, number: int) -> News:
        """Return a message of the history, whole."""
        sent = self.flow.panel.history.find(number)
        return {"kind": sent.kind, "body": sent.body}

    def send(
        self,
        to: str,
        kind: str = "text",
        body: str | None = None,
        session: str | None = None,
        event: int = 0,
        manager: str | None = None,
        group: str | None = None,
        end: bool = False,
        code: int = CLOSE_NORMAL,
        reason: str = "",
    ) -> News:
        """Send to an `event`'s client (in its scope), a `session`, `all`, or a `group`.

        Without a body nothing is sent; `end` closes what was one session.
        """
        data = None if body is None else message(kind, body)
        how = check_close(code, reason) if end else None
        if not self.flow.running:
            raise WsflowError("the flow does not run, so nobody is there: await flow.serve()")
        if to == "event":
            told = self._answer(self._find(session), event, data, how)
        elif to == "session":
            told = self._write(self._find(session), data, how)
        elif to in ("all", "group") and data is not None:
            told = self._broadcast(data, manager, group if to == "group" else None)
        else:
            raise WsflowError("nothing to send, or nobody to send it to")
        if body is not None:
            self.flow.panel.history.add(kind, body)
        return told

    # ---- one client

    def _find(self, who: str | None) -> Session:
        if who is None:
            raise WsflowError("choose a session first")
        for session in self.flow.sessions:
            if session.id == who:
                return session
        raise WsflowError(f"session {text(who, 40)} has left: nothing was sent")

    def _answer(
        self, session: Session, event: int, data: Data | None, how: tuple[int, str] | None
    ) -> News:
        """Emit a `response` in the scope of an event, so that it is a part of what came of it."""
        row = self._answerable(session, event)
        trigger = session.route
        assert isinstance(trigger, WebSocketTrigger)
        scope = Scope(row.scope, session, trigger.respond)
        ctx = Context(self.host.engine, self.host.hand("panel"), "", scope, row.seq, 0, False)
        reply: dict[str, Any] = {} if data is None else {"body": data}
        if how is not None:
            reply |= {"end": True, "code": how[0], "reason": how[1]}
        was_open = session.is_open
        taken = bool(ctx.emit("response", reply))
        what = None if data is None else f"sent to {session.id} as an answer to event {row.seq}"
        return _told_of_one(session, taken, was_open, what, how)

    def _answerable(self, session: Session, event: int) -> Row:
        row = self.host.store.row(event or self._newest(session, 1))
        if row is None or row.session != session.id or row.kind not in ANSWERABLE:
            raise WsflowError(
                f"the log has no event of {session.id} any more that could be answered; "
                "write to the session instead"
            )
        return row

    def _write(self, session: Session, data: Data | None, how: tuple[int, str] | None) -> News:
        was_open = session.is_open
        taken = was_open if data is None else session.send(data)
        if how is not None:
            session.close(*how)
        what = None if data is None else f"sent to {session.id}"
        return _told_of_one(session, taken, was_open, what, how)

    # ---- many clients

    def _broadcast(self, data: Data, manager: str | None, group: str | None) -> News:
        open_ones = len(self.flow.sessions)
        if manager is None:
            delivery = self._to_everybody(data)
        else:
            known = {node.name: node for node in self._managers()}
            if manager not in known:
                raise WsflowError(f"the flow has no connection manager {text(manager, 40)} (now)")
            delivery = known[manager].broadcast(data, group=group)
        return _told_of_many(delivery, open_ones, manager, group)

    def _to_everybody(self, data: Data) -> Delivery:
        reached: list[str] = []
        missed: dict[str, str] = {}
        for session in self.flow.sessions:
            was_open = session.is_open
            if session.send(data):
                reached.append(session.id)
            else:
                missed[session.id] = SLOW if was_open else LEFT
        return Delivery(tuple(reached), missed)


def _known(manager: Connections) -> News:
    """Return whom a manager knows, in numbers."""
    groups = islice(manager.groups.items(), MAX_CHOICES)
    return {
        "name": manager.name,
        "total": len(manager.sessions),
        "groups": [(text(name), len(members)) for name, members in groups],
    }


def _told_of_one(
    session: Session, taken: bool, was_open: bool, what: str | None, how: tuple[int, str] | None
) -> News:
    if not taken:
        why = SLOW if was_open else LEFT
        return {"words": "nothing was sent", "missed": [(session.id, why)], "more": 0}
    closed = None if how is None else f"closed {session.id} with {how[0]}"
    words = ", then ".join(one for one in (what, closed) if one is not None)
    return {"words": words or "nothing to do", "missed": [], "more": 0}


def _told_of_many(
    delivery: Delivery, open_ones: int, manager: str | None, group: str | None
) -> News:
    reached, missed = len(delivery.reached), delivery.missed
    words = f"sent to {reached}" + (f" of {reached + len(missed)}" if missed else "")
    if not reached and not missed:
        words = "nobody is connected: nothing was sent"
        if group is not None:
            words = f"nobody is in group {text(group, 60)} now: nothing was sent"
    strangers = open_ones - reached - len(missed)
    if manager is not None and group is None and strangers > 0:
        words += f"; {strangers} more are open that {text(manager, 60)} does not know"
    return {
        "words": words,
        "missed": [(text(who, 40), why) for who, why in islice(missed.items(), MAX_MISSED)],
        "more": max(0, len(missed) - MAX_MISSED),
    }

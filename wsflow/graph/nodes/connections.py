"""The connection manager: remembers the `req` scope of every session and answers through it.

Built on nothing but the trigger contract. One dead or slow client never delays another: emitting
a response hands it over and returns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from ...base.bodies import to_sendable
from ...base.interfaces import SessionView
from ...base.snapshot import snapshot
from ...errors import WiringError
from ..context import Context
from ..node import Node

if TYPE_CHECKING:
    from ..host import Host

Excepted: TypeAlias = Any
"""Whom a broadcast leaves out: a session or its id, or several of them."""

LEFT, SLOW, UNKNOWN = "session has ended", "does not keep up", "no such session"


@dataclass(frozen=True)
class Delivery:
    """Whom a broadcast reached, and whom it could not reach and why (by session id)."""

    reached: tuple[str, ...] = ()
    missed: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return not self.missed

    def __repr__(self) -> str:
        text = f"<Delivery reached {len(self.reached)}"
        if self.missed:
            first = ", ".join(f"{who}: {why}" for who, why in list(self.missed.items())[:3])
            text += f", missed {len(self.missed)}: {first}"
            text += ", …" if len(self.missed) > 3 else ""
        return text + ">"


class Connections(Node):
    """Wire `chat.req >> manager.req` and `chat.close >> manager.close`, then `broadcast`.

    Its input `broadcast` takes a body, or a mapping `{body, group, except}`; of an HTTP event
    routed there everybody gets the body, of a message event the message.
    """

    def __init__(self, host: Host, name: str) -> None:
        super().__init__(host, name, ("req", "close", "broadcast"), ())
        self._tell, self._current = host.tell, host.engine.current
        self._members: dict[str, Context] = {}
        self._groups: dict[str, dict[str, None]] = {}
        self._joined: dict[str, dict[str, None]] = {}
        """The groups of a session that is in any: who leaves passes by no others."""
        self._place = host.place("broadcast", name, "broadcast")
        self.define(self._handle)

    def _handle(self, event: Any, ctx: Context) -> None:
        if ctx.input == "req":
            self._members[event["sessionId"]] = ctx
        elif ctx.input == "close":
            self._forget(event["sessionId"])
        else:
            self._from_wire(event, ctx)

    def _from_wire(self, event: Any, ctx: Context) -> None:
        if isinstance(event, Mapping) and "body" in event:
            self._send_to(
                self._chosen(event.get("group"), event.get("except", ())), event["body"], ctx
            )
        elif isinstance(event, Mapping) and "sessionId" in event:
            # a socket event: what was said, never the handshake of who said it
            if "message" in event:
                self._send_to(list(self._members), event["message"], ctx)
        else:
            self._send_to(list(self._members), event, ctx)

    # ---- what a flow's author calls, from any thread

    @property
    def sessions(self) -> list[str]:
        """The ids of the sessions it knows, oldest first."""
        return list(self.here()._members)

    @property
    def groups(self) -> dict[str, list[str]]:
        """The groups there are, and who is in them."""
        there = list(self.here()._groups.items())  # at once: any thread may ask
        return {name: list(members) for name, members in there}

    def broadcast(self, body: Any, *, group: str | None = None, except_: Excepted = ()) -> Delivery:
        """Send `body` to every session, or to those of a group, and say whom it reached.

        "Reached" means that the session's connection took the message; not that a person read it.

        Raises:
            ReplyError: nothing can carry the body; nobody got it.
        """
        me = self.here()
        ctx = me._current()
        return me._do(lambda: me._send_to(me._chosen(group, except_), body, ctx))

    def send(self, session: str | SessionView, body: Any) -> Delivery:
        """Send `body` to one session, given by its id or as `ctx.session`."""
        me = self.here()
        ctx = me._current()
        return me._do(lambda: me._send_to([_id(session)], body, ctx))

    def join(self, session: str | SessionView, group: str) -> None:
        """Put a session into a group; a group exists while somebody is in it.

        Raises:
            WiringError: the manager does not know the session.
        """
        me, who = self.here(), _id(session)
        if who not in me._members:
            raise WiringError(
                f"session {who!r} is not known to {self.name!r}; is its trigger's req port wired "
                f"to {self.name}.req, and the session open?"
            )
        me._groups.setdefault(group, {})[who] = None
        me._joined.setdefault(who, {})[group] = None

    def leave(self, session: str | SessionView, group: str) -> None:
        """Take a session out of a group; harmless when it is not in it."""
        me, who = self.here(), _id(session)
        joined = me._joined.get(who, {})
        if group not in joined:
            return
        del joined[group], me._groups[group][who]
        if not joined:
            del me._joined[who]
        if not me._groups[group]:
            del me._groups[group]

    # ---- inside

    def _do(self, action: Callable[[], Delivery]) -> Delivery:
        return self.host.call(action)

    def _chosen(self, group: str | None, except_: Excepted) -> list[str]:
        single = isinstance(except_, str) or hasattr(except_, "id")
        barred = {_id(one) for one in ((except_,) if single else except_ or ())}
        there = self._members if group is None else self._groups.get(group, {})
        return [who for who in there if who not in barred]

    def _send_to(self, chosen: list[str], body: Any, ctx: Context | None) -> Delivery:
        data = to_sendable(body)  # once for all: every session gets the same object
        picture, size = snapshot(body)
        scope, cause = (ctx._scope.number, ctx._cause) if ctx else (0, 0)
        seq = self._tell(self._place, 0, scope, cause, picture, size)
        reached: list[str] = []
        missed: dict[str, str] = {}
        response = {"body": data}
        for who in chosen:
            member = self._members.get(who)
            if member is None:
                missed[who] = UNKNOWN
                continue
            member._cause = seq
            was_open = member.session is not None and member.session.is_open
            if member.emit("response", response):
                reached.append(who)
            else:
                missed[who] = SLOW if was_open else LEFT
        return Delivery(tuple(reached), missed)

    def _forget(self, who: str) -> None:
        self._members.pop(who, None)
        for group in list(self._joined.get(who, ())):
            self.leave(who, group)

    def __repr__(self) -> str:
        groups = f" groups={len(self._groups)}" if self._groups else ""
        return f"<Connections {self.name} sessions={len(self._members)}{groups}>"


def _id(session: str | SessionView) -> str:
    return session if isinstance(session, str) else session.id

"""What is frozen in a flow, as its panels show it: freezes armed here, and those of cells.

All pages see the same. An event is shown as JSON to be edited; what nobody edited goes on as it
was, also where JSON has no word for it and where a secret was not shown.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from ..base.secrets import redacted
from ..base.snapshot import describe
from ..base.threads import starts
from ..errors import WsflowError
from ..graph.port import Output
from ..graph.triggers.base import Trigger
from ..graph.triggers.catch import Catch
from ..io.format import data, unwrapped
from .part import News, text

if TYPE_CHECKING:
    from ..graph.freeze import Freeze
    from .host import Flow

MAX_EDITABLE = 200_000
"""Characters of JSON up to which an event can be edited on a page."""

PREVIEW_LENGTH = 2_000
"""Characters shown of one that is longer."""

UNSEEN_SECONDS = 60.0
"""Seconds an event waits when no page shows the freezer: one that is reloaded comes back."""

NOTHING: Any = object()
"""What a freeze holds that waits."""

HIDDEN = re.compile(
    "[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
"""What could hide, or draw over its neighbours: JSON has an escape for it."""

FIRST_KEYS = ("message", "body")
"""Keys that stand first: what a person is most likely to edit."""


@dataclass
class PanelFreeze:
    """A freeze as pages know it."""

    number: int
    freeze: Freeze
    mine: bool = False
    """Whether it was armed on a page; others belong to a cell."""
    every: bool = False
    """Whether it waits for the next event when one was let go."""
    event: Any = NOTHING
    """What is held, to see that it is another one."""
    since: float = 0.0
    """Since when, in seconds since 1970."""
    shown: Any = field(default=None, repr=False)
    whole: str = field(default="", repr=False)


class PanelFreezes:
    """The freezes of a flow. `listed` is for the ticker's thread, the rest for the flow's loop."""

    def __init__(self, flow: Flow) -> None:
        self._flow, self._host = flow, flow.panel.host
        self._numbers = itertools.count(1)
        self._known: dict[Freeze, PanelFreeze] = {}
        self._lock = threading.Lock()
        self._pages = 0
        self._timer: threading.Timer | None = None

    # ---- pages

    def open(self) -> None:
        """A page shows it."""
        self._pages += 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """A page is gone; what was armed on pages goes on soon, when no other comes."""
        self._pages -= 1
        if not self._pages and any(one.mine for one in self._known.values()):
            self._timer = threading.Timer(UNSEEN_SECONDS, self._thaw)
            self._timer.daemon = True
            if not starts(self._timer):
                self._thaw()

    def _thaw(self) -> None:
        if not self._pages:
            for one in list(self._known.values()):
                if one.mine:
                    with contextlib.suppress(WsflowError):  # the loop is blocked
                        one.freeze.cancel()

    # ---- what there is (the ticker's thread)

    def ports(self) -> list[str]:
        """Return the ports that can be frozen, by their labels."""
        return list(_ports(self._flow))

    def listed(self) -> list[News]:
        """Return each freeze, and the event it holds."""
        return [self._listed(one) for one in self._look()]

    def waiting(self) -> list[str]:
        """Return the ids of the sessions whose events are held."""
        return [text(who, 60) for one in self._look() if (who := _session_of(one.event))]

    def _look(self) -> list[PanelFreeze]:
        with self._lock:
            there = self._host.freezes.all()
            for gone in [freeze for freeze in self._known if freeze not in there]:
                del self._known[gone]
            for freeze in there:
                one = self._known.get(freeze)
                if one is None:
                    one = self._known[freeze] = PanelFreeze(next(self._numbers), freeze)
                held = freeze.held if freeze.is_holding else NOTHING
                if held is not one.event:
                    one.event, one.since = held, time.time()
                    one.whole, one.shown = _written(held)
            return list(self._known.values())

    def _listed(self, one: PanelFreeze) -> News:
        freeze = one.freeze
        line: News = {
            "number": one.number,
            "port": text(freeze.port.label, 60),
            "session": None if freeze.session is None else freeze.session.id,
            "every": one.every,
            "mine": one.mine,
            "since": None,
        }
        if one.event is NOTHING:
            return line
        editable = len(one.whole) <= MAX_EDITABLE
        return line | {
            "since": round(one.since, 3),
            "held": text(_session_of(one.event) or "", 60),
            "text": one.whole if editable else one.whole[:PREVIEW_LENGTH],
            "size": len(one.whole),
            "editable": editable,
        }

    # ---- what is asked for (the flow's loop)

    def arm(self, port: str, session: str | None, every: bool) -> int:
        """Hold the next event of a port; return the number of the freeze.

        Raises:
            WsflowError: there is no such port or session, or a freeze waits there already.
        """
        outputs = _ports(self._flow)
        output = outputs.get(port)
        if output is None:
            raise WsflowError(f"no trigger sends {port!r}; there are: {', '.join(outputs)}")
        if not self._flow.running:
            raise WsflowError("the flow does not run, so nothing comes: await flow.serve()")
        for one in self._look():
            who = one.freeze.session
            if one.freeze.port is output and session in (None if who is None else who.id,):
                raise WsflowError(f"{port} is frozen already; let that one go first")
        freeze = self._flow.freeze(output, session=session)
        with self._lock:
            made = PanelFreeze(next(self._numbers), freeze, mine=True, every=every)
            self._known[freeze] = made
        return made.number

    def let_go(self, number: int, edited: str | None) -> None:
        """Let an event go on: as it came, or as it was edited on the page.

        Raises:
            WsflowError: it does not wait any more, or is no JSON; it says where.
        """
        one = self._holding(number)
        event = None if edited is None else _restored(_read(edited), one.shown, one.event)
        if edited is not None and event is None:
            raise WsflowError("null can not go on in its place; drop it instead")
        freeze = one.freeze
        (freeze.step if one.every else freeze.release)(event)

    def drop(self, number: int) -> None:
        """Let no handler see it."""
        one = self._holding(number)
        one.freeze.drop(again=one.every)

    def cancel(self, number: int) -> None:
        """Freeze no more; what is held goes on as it came."""
        self._find(number).freeze.cancel()

    def repeat(self, number: int, every: bool) -> None:
        """Say whether the next event is held, too, once this one was let go."""
        self._find(number).every = bool(every)

    def _find(self, number: int) -> PanelFreeze:
        for one in self._look():
            if one.number == number:
                return one
        raise WsflowError("this freeze is over")

    def _holding(self, number: int) -> PanelFreeze:
        one = self._find(number)
        if one.event is NOTHING:
            raise WsflowError("no event waits here any more")
        return one


def _ports(flow: Flow) -> dict[str, Output]:
    triggers = (
        node
        for node in list(flow.nodes.values())
        if isinstance(node, Trigger) and not isinstance(node, Catch)
    )
    return {port.label: port for node in triggers for port in list(node.outputs.values())}


def _session_of(event: Any) -> str | None:
    who = event.get("sessionId") if isinstance(event, dict) else None
    return who if isinstance(who, str) else None


# ---- an event as JSON, and back


def _written(event: Any) -> tuple[str, Any]:
    """Return an event as JSON to read and to edit, and as the values that stand there."""
    if event is NOTHING:
        return "", None
    try:
        shown = redacted(json.loads(data(event)))
    except Exception:  # noqa: BLE001 (an object that changes while we look, a number too long)
        shown = describe(event)
    if isinstance(shown, dict):
        first = {key: shown[key] for key in FIRST_KEYS if key in shown}
        shown = first | shown
    whole = json.dumps(shown, ensure_ascii=False, indent=2)
    return HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", whole), shown


def _read(edited: str) -> Any:
    try:
        edited.encode()
        return json.loads(edited, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise WsflowError(f"not JSON at {where}: {error.msg}") from error
    except UnicodeEncodeError as error:
        raise WsflowError(f"not text at character {error.start + 1}: half of a pair") from error
    except (RecursionError, ValueError) as error:
        raise WsflowError(f"this JSON can not be read: {error}") from error


def _no_constant(name: str) -> NoReturn:
    raise WsflowError(f"not JSON: {name} is Python's")


def _restored(edited: Any, shown: Any, event: Any) -> Any:
    """Return what was edited; all that still stands there as it was shown is as it came."""
    if json.dumps(edited, sort_keys=True) == json.dumps(shown, sort_keys=True):
        return event
    if isinstance(edited, dict) and isinstance(shown, dict) and isinstance(event, dict):
        return {
            key: _restored(value, shown[key], event[key])
            if key in shown and key in event
            else unwrapped(value)
            for key, value in edited.items()
        }
    return unwrapped(edited)

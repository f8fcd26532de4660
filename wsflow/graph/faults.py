"""Writes down what goes wrong in a flow, and the remarks of its handlers: `error`, `drop`, `mark`.

Opposite: `engine.py`, which runs handlers and fences what they raise. Nothing here stops or routes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..base.fence import fenced
from ..base.interfaces import Places, Tell
from ..base.snapshot import snapshot
from ..errors import meant
from ..tracebacks import kind, named, place, said, whole
from ..types import ErrorEvent
from .cells import cited

if TYPE_CHECKING:
    from .context import Context


MAX_HINTS = 20
"""Remarks for the author of one handler."""


MAX_SIGNALS = 1_000
"""Names of signals that are remembered; who makes up more is told of no misspelt one."""


class Faults:
    """The errors and remarks of one flow, as rows of its log."""

    def __init__(self, flow: str, tell: Tell, place: Places) -> None:
        self._flow, self._tell, self._place = flow, tell, place
        self.line: Callable[[str, str], object] = self.mark
        """Where lines of `ctx.log` go, from any thread."""
        self.clean: Callable[[str], str] = str
        """Takes what is secret out of a text."""
        self._loggers: dict[str, logging.Logger] = {}

    # ---- errors

    def raised(self, ctx: Context, value: Any, error: BaseException) -> int:
        """Tell of an error that a handler raised, with the value it got; return the row's `seq`."""
        node, scope = ctx._node, ctx._scope
        node.errors += 1
        data, size = snapshot(value)
        place = self._place("error", node.name, ctx.input)
        number = scope.session_number
        return self._tell(
            place, number, scope.number, ctx._cause, data, size, ctx.elapsed, summary(error)
        )

    def wrong(self, node: str, port: str, text: str) -> None:
        """Write down what is wrong outside every scope."""
        self._tell(self._place("error", node, port), 0, 0, 0, None, 0, None, text)

    def failed(self, node: str, port: str, error: BaseException) -> None:
        """Write down what something raised that runs outside every scope."""
        self.wrong(node, port, summary(error))

    def dropped(self, ctx: Context, port: str, data: Any, size: int) -> None:
        """Write down that a handler of a stopped flow routed something."""
        place, scope = self._place("drop", ctx._node.name, port), ctx._scope
        why = "the flow is stopped: nothing was routed"
        number = scope.session_number
        self._tell(place, number, scope.number, ctx._cause, data, size, ctx.elapsed, why)

    # ---- remarks

    def mark(self, node: str, text: str, ctx: Context | None = None) -> None:
        """Write a remark into the log."""
        session = ctx._scope.session_number if ctx else 0
        scope = ctx._scope.number if ctx else 0
        cause = ctx._cause if ctx else 0
        data, size = snapshot(text)
        self._tell(self._place("mark", node, ""), session, scope, cause, data, size)

    def blocked(self, node: str, text: str, seconds: float) -> None:
        """Write down that something blocked the loop: a handler, or (no node) a cell."""
        self._tell(self._place("mark", node, "loop"), 0, 0, 0, text, len(text), seconds)

    def hint_at_emit(self, ctx: Context, result: Any) -> None:
        """Tell a learner, once a function, that what a handler returns is not sent."""
        if isinstance(result, str | bytes | dict | list):
            self._hint(
                ctx,
                "returned",
                lambda: (
                    f"handler {ctx._node.name!r} returned {snapshot(result)[0]!r}; "
                    "returned values go nowhere: ctx.emit('response', {'body': ...}) answers, "
                    "ctx.route(value) sends on"
                ),
            )

    def hint_at_signal(self, ctx: Context, signal: str, known: Collection[str]) -> None:
        """Tell, once a node and signal, that nobody listens, and what may have been meant."""

        def text() -> str:
            who = f"handler {ctx._node.name!r} emitted {signal!r}: "
            if signal == "response":
                return (
                    f"{who}no client is behind this event, so nothing was sent; "
                    "flow.connections() has a broadcast that reaches clients"
                )
            return f"{who}nobody listens to {signal!r}{meant(signal, known)}"

        if len(known) < MAX_SIGNALS:
            self._hint(ctx, f"signal {signal}", text)

    def hint_at_reply(
        self, ctx: Context, reply: Mapping[Any, Any], known: Sequence[str], *, empty: bool = False
    ) -> None:
        """Tell, once a node, of a reply with keys nobody knows, or with nothing to send."""
        unknown = [key for key in reply if key not in known]
        if not unknown and not empty:
            return

        def text() -> str:
            shown = ", ".join(map(repr, unknown)) or "nothing to send"
            node = f"handler {ctx._node.name!r} emitted 'response' with {shown}"
            if empty:
                return f"{node}: nothing was sent; did you mean {{'body': ...}}?"
            near = meant(str(unknown[0]), known) or f"; a reply has: {', '.join(known)}"
            return f"{node}, which nobody reads{near}"

        self._hint(ctx, "reply", text)

    def _hint(self, ctx: Context, about: str, text: Callable[[], str]) -> None:
        """Write a remark for a handler's author, once for each thing it is about."""
        node = ctx._node
        if about not in node.hinted and len(node.hinted) < MAX_HINTS:
            node.hinted.add(about)
            self.mark(node.name, text(), ctx)

    def logger(self, node: str) -> logging.Logger:
        """Return the logger of a node: this flow's own, so that it goes with the flow."""
        logger = self._loggers.get(node)
        if logger is None:
            logger = logging.Logger(f"wsflow.flow.{self._flow}.{node}", logging.INFO)
            logger.parent = logging.getLogger("wsflow")
            logger.addFilter(self._cleaned)
            logger.addHandler(_MarkHandler(node, lambda node, text: self.line(node, text)))
            self._loggers[node] = logger
        return logger

    def _cleaned(self, record: logging.LogRecord) -> bool:
        """Let no other handler either, of `logging` or of stderr, write down a secret (P20)."""

        def clean() -> None:
            text, error = record.getMessage(), record.exc_info
            said = self.clean(text)
            if said != text:
                record.msg, record.args = said, None
            if error and error[1] is not None:
                traced = whole(error[1]).rstrip("\n")
                told = self.clean(traced)
                record.exc_text = record.exc_text if told == traced else told

        fenced(lambda error: None, clean)
        return True


class _MarkHandler(logging.Handler):
    """Writes lines of `ctx.log` into the flow's log."""

    def __init__(self, node: str, mark: Callable[[str, str], object]) -> None:
        super().__init__()
        self._node, self._mark = node, mark

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except BaseException as error:  # noqa: BLE001 (logging never breaks who logs)
            text = f"{snapshot(record.msg)[0]!r} (its arguments do not fit: {named(error)})"
        self._mark(self._node, f"{record.levelname} {text}")


def summary(error: BaseException) -> str:
    """Return `ValueError: no room (app.py:31)`: what was raised, and the user's innermost line."""
    where = place(error)
    return f"{named(error)}{f' ({cited(*where)})' if where else ''}"


def error_event(ctx: Context, value: Any, error: BaseException) -> ErrorEvent:
    """Return what a Catch trigger sends for an error."""
    session = ctx._scope.session
    return {
        "error": said(error),
        "type": kind(error),
        "node": ctx._node.name,
        "port": ctx.input,
        "value": value,
        "sessionId": None if session is None else session.id,
        "traceback": whole(error),
    }

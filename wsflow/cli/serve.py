"""A flow that is served at a terminal, until a signal asks it to stop.

It decides nothing about clients: it calls `flow.serve` and says what a person needs to know.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from ..errors import PortInUseError, SetupError, UnsafeBindError, WsflowError
from ..flow import Flow
from ..graph.triggers.http import RequestTrigger
from ..graph.triggers.websocket import WebSocketTrigger
from ..io.recorder import Recorder
from ..tracebacks import told
from ..wire.server import Server
from .app import CodeError
from .terminal import DONE, CommandError, Printer, counted, version

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def run(
    flow: Flow,
    options: dict[str, Any],
    out: Console,
    *,
    everything: bool = False,
    record: str | None = None,
) -> int:
    """Serve a flow until a signal asks to stop, and return the exit status.

    `options` are those of `Flow.serve`; with `everything` each row of the log is printed, else
    only trouble; `record` names a recording.

    Raises:
        CodeError: a `setup` of the flow raised.
        CommandError: it can not be served, or not be recorded.
    """
    try:
        return asyncio.run(_serve(flow, options, out, everything, record))
    except SetupError as error:
        cause = error.__cause__ or error
        raise CodeError(f"{error}\n{told(cause)}") from error
    except WsflowError as error:
        raise CommandError(_refusal(error, options)) from error


async def _serve(
    flow: Flow, options: dict[str, Any], out: Console, everything: bool, record: str | None
) -> int:
    """Serve, and print what a person at the terminal needs.

    While clients are told that the server goes away nothing is printed here: a terminal that takes
    nothing must not hold that up.
    """
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    recorder = None
    with _signals(lambda: loop.call_soon_threadsafe(asked.set)):
        with Printer(flow.log, out, everything=everything):
            async with flow.serving(**options) as server:
                started = time.monotonic()
                if record is not None:
                    recorder = flow.record(record)
                out.print(_greeting(flow, server, recorder), soft_wrap=True)
                while server.running and not asked.is_set():
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(asked.wait(), 0.5)
        if out.is_terminal:
            out.print()  # the terminal has written ^C there
        out.print(_summary(flow, time.monotonic() - started), soft_wrap=True)
        if recorder is not None:
            out.print(_recorded(recorder), soft_wrap=True)
    return DONE


_HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)


@contextlib.contextmanager
def _signals(stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` at the first signal to end; a second SIGINT or SIGTERM ends the process at once.

    SIGHUP (the terminal was closed) is one, unless `nohup` had it ignored.

    They are not asyncio's handlers: those would wait for a loop that a handler of the user blocks.
    """
    asked = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            if number == _HANGUP:  # a terminal that goes says both
                return
            os.write(2, b"\nwsflow: ended at once, clients were not told\n")
            os._exit(128 + number)
        asked = True
        stop()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if _HANGUP is not None and signal.getsignal(_HANGUP) is not signal.SIG_IGN:
        numbers.append(_HANGUP)
    before = [signal.signal(number, handle) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _greeting(flow: Flow, server: Server, recorder: Recorder | None) -> Text:
    from rich.text import Text

    text = Text.assemble((f"wsflow {version()}", "bold"), f" serves {flow.name}\n")
    routes = _routes(flow, server)
    for route in routes:
        text.append(f"  {route}\n", "bold cyan")
    if not routes:
        text.append("  no routes yet: flow.websocket('/chat') makes one\n", "yellow")
    if server.options.host not in {"127.0.0.1", "::1", "localhost"}:
        text.append(f"  bound to {server.options.host!r}: other machines can connect\n", "yellow")
    if server.options.token:
        text.append("  clients bring the token: ?token=… or Authorization: Bearer …\n")
    if recorder is not None:
        text.append(f"  records to {recorder.path}")
        text.append(f" (the one before is now {recorder.kept.name})" if recorder.kept else "")
        text.append("\n")
    return text.append("Ctrl-C stops it", "dim")


def _routes(flow: Flow, server: Server) -> list[str]:
    """Return the addresses of a flow, as a client is told them."""
    plain = server.url.replace("ws", "http", 1)
    found = []
    for node in flow.nodes.values():
        if isinstance(node, WebSocketTrigger):
            found.append(f"{server.url}{node.template.pattern}")
        elif isinstance(node, RequestTrigger):
            methods = ", ".join(filter(node.takes, node.methods)) or "no method yet:"
            found.append(f"{methods} {plain}{node.pattern}")
    if server.options.page:
        found.append(f"{plain}/ (a page to try them)")
    return found


def _summary(flow: Flow, seconds: float) -> str:
    rows = flow.log.tail(len(flow.log))
    kinds = [row.kind for row in rows]
    counts = (
        counted(sum(row.kind == "req" and row.session is not None for row in rows), "session"),
        counted(kinds.count("message"), "message"),
        counted(kinds.count("error"), "error"),
    )
    least = f" in the last {counted(len(rows), 'row')} of the log" if flow.log.dropped else ""
    return f"stopped after {seconds:.1f} s: {', '.join(counts)}{least}"


def _recorded(recorder: Recorder) -> str:
    if recorder.failed is not None:
        return f"the recording is not whole: {recorder.failed}"
    return f"recorded {counted(recorder.rows, 'row')}; look: wsflow show {recorder.name}"


def _refusal(error: WsflowError, options: dict[str, Any]) -> str:
    """Return why it can not be served, in the words of the command line."""
    if isinstance(error, UnsafeBindError):
        return (
            f"--host {options['host']} would let other machines in without a password; "
            f"give --token, or say --allow-unauthenticated"
        )
    if isinstance(error, PortInUseError):
        cause = error.__cause__
        reason = getattr(cause, "strerror", None) or cause
        return (
            f"port {error.port} on {error.host} can not be had ({reason}); "
            f"stop what listens there, or take another --port (0: a free one)"
        )
    return str(error)

"""The command line: `wsflow run app.py` serves a flow, `wsflow demo` shows one.

It loads a file, calls `flow.serve` and prints; it decides nothing about clients. What a client
sent reaches the terminal without control characters. Whatever is heavy is imported by the command
that needs it, so `wsflow --help` is quick.
"""

from __future__ import annotations

import argparse
import asyncio
import codecs
import contextlib
import importlib
import importlib.util
import inspect
import io
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from . import __version__
from .errors import PortInUseError, SetupError, UnsafeBindError, WsflowError
from .events import Row
from .flow import Flow
from .log import Log, clock_text, data_text
from .server import Server
from .triggers.http import HttpTrigger
from .triggers.websocket import WebSocketTrigger

if TYPE_CHECKING:
    from rich.console import Console, OverflowMethod
    from rich.text import Text

DONE, RAISED, REFUSED, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses, explained in `EPILOG`."""

EPILOG = """\
examples:
  wsflow run app.py            the only Flow of app.py, on port 8000
  wsflow run app.py:chat       the Flow named chat, or a function that returns one
  wsflow run pkg.mod:chat      the same, in a module that can be imported
  wsflow run app.py --log      and print what happens, a line each

Ctrl-C (or SIGTERM) tells every client that the server goes away (1001), and the exit status is 0;
a second one ends the process at once (128 + the signal's number). Exit status 1: your own code
raised; 2: it can not be served.
"""

SERVED = (
    "host",
    "port",
    "token",
    "allow_unauthenticated",
    "max_message_size",
    "max_sessions",
    "allowed_origins",
    "allowed_hosts",
    "trusted_proxies",
    "certfile",
    "keyfile",
)
"""Arguments of `run` that are those of `Flow.serve`."""

LOOK = 0.1
"""Seconds between two looks at what is new in the log."""

QUIET_ROWS, TERMINAL_ROWS, FILE_ROWS = 1_000, 200, 5_000
"""Rows taken a look, to find trouble, to draw or to write: all take time away from the flow."""

TROUBLE = frozenset({"error", "gap", "mark"})
"""Kinds of rows that are printed unasked."""

STYLES = {
    "req": "green",
    "message": "cyan",
    "close": "yellow",
    "route": "bright_blue",
    "response": "magenta",
    "send": "magenta",
    "broadcast": "bold magenta",
    "signal": "bright_blue",
    "error": "bold red",
    "drop": "red",
    "gap": "bold red",
    "mark": "bold yellow",
}
"""How kinds of rows look: the terminal's own colours, which fit its background."""

PLAIN = dict(zip("─│┬├╭╮╰╯━▶→←·…↺", "-|++++++=>><.~@", strict=True))
"""What stands for our signs where the terminal's encoding lacks them."""


class AppError(WsflowError):
    """What the command line asks for can not be had; `status` is the exit status."""

    status = REFUSED


class CodeError(AppError):
    """The user's own code raised; the text is the traceback as far as it is the user's."""

    status = RAISED


# ---- the commands


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    _forgive_encodings()
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
        if arguments.command is None:
            parser.print_help()
            return DONE
        return int(arguments.command(arguments))
    except AppError as error:
        console(stderr=True).print(_complaint(error), soft_wrap=True)
        return error.status
    except KeyboardInterrupt:
        return INTERRUPTED


class _Parser(argparse.ArgumentParser):
    """Complains in one line, where argparse would print its usage."""

    def error(self, message: str) -> NoReturn:
        raise AppError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="wsflow",
        description="WebSocket servers you can see and play with.",
        epilog="wsflow run --help tells more.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"wsflow {__version__}")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_run(commands)
    demo = commands.add_parser("demo", help="three clients talk through a flow; see what happens")
    demo.set_defaults(command=_demo)
    return parser


def _add_run(commands: Any) -> None:
    run = commands.add_parser(
        "run",
        help="serve the flow of a file or module",
        description="Serve the flow of a file or module until Ctrl-C.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = run.add_argument
    add("app", help="app.py, app.py:flow or pkg.mod:flow")
    add("--log", action="store_true", help="print every row of the log, not only errors")
    add("--host", default="127.0.0.1", help="address to bind (%(default)s)")
    add("--port", type=_port, default=8000, help="0 for a free one (%(default)s)")
    add(
        "--token",
        default=os.environ.get("WSFLOW_TOKEN") or None,
        help="what clients must bring; $WSFLOW_TOKEN unless given",
    )
    add(
        "--allow-unauthenticated",
        action="store_true",
        help="bind beyond this machine without a token",
    )
    add(
        "--max-message-size",
        type=_size,
        default=2**20,
        metavar="BYTES",
        help="larger messages close with 1009; 64K and 4M are understood (1M)",
    )
    add("--max-sessions", type=int, default=10_000, metavar="N", help="beyond: 503 (%(default)s)")
    for option, what in (
        ("--allowed-origin", "a web page that may connect, such as https://example.org"),
        ("--allowed-host", "a name this server is called by"),
        ("--trusted-proxy", "a network whose X-Forwarded-For is believed, such as 10.0.0.0/8"),
    ):
        name = option.removeprefix("--").replace("-", "_")
        plural = f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"
        add(
            option,
            action="append",
            default=[],
            dest=plural,
            metavar=name.rpartition("_")[2].upper(),
            help=f"{what}; may be repeated",
        )
    add("--certfile", metavar="PEM", help="speak wss:// and https:// with this certificate")
    add("--keyfile", metavar="PEM", help="its private key, when it is in another file")
    run.set_defaults(command=_run)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def _size(text: str) -> int:
    """Return bytes: `65536`, `64K` and `4M` are understood."""
    number, factor = text, 1
    if text[-1:].upper() in {"K", "M"}:
        number, factor = text[:-1], 2**10 if text[-1].upper() == "K" else 2**20
    if not number.isdecimal() or int(number) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: 65536, 64K or 4M")
    return int(number) * factor


def _demo(_arguments: argparse.Namespace) -> int:
    from .demo import main as demo

    return demo(console())


def _run(arguments: argparse.Namespace) -> int:
    flow = load(arguments.app)
    options = {name: getattr(arguments, name) for name in SERVED}
    try:
        return asyncio.run(serve(flow, options, console(), everything=arguments.log))
    except SetupError as error:
        cause = error.__cause__ or error
        raise CodeError(f"{error}\n{their_traceback(cause)}") from error
    except WsflowError as error:
        raise AppError(_refusal(error, options)) from error


# ---- serving


async def serve(
    flow: Flow, options: dict[str, Any], out: Console, *, everything: bool = False
) -> int:
    """Serve a flow until a signal asks to stop, and print what a person at the terminal needs.

    While clients are told that the server goes away nothing is printed here: a terminal that takes
    nothing must not hold that up.
    """
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    with _signals(lambda: loop.call_soon_threadsafe(asked.set)):
        with Printer(flow.log, out, everything=everything):
            async with flow.serving(**options) as server:
                started = time.monotonic()
                out.print(_greeting(flow, server), soft_wrap=True)
                while server.running and not asked.is_set():
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(asked.wait(), 0.5)
        if out.is_terminal:
            out.print()  # the terminal has written ^C there
        out.print(_summary(flow, time.monotonic() - started), soft_wrap=True)
    return DONE


@contextlib.contextmanager
def _signals(stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` at the first SIGINT or SIGTERM; the second ends the process at once.

    They are not asyncio's handlers: those would wait for a loop that a handler of the user blocks.
    """
    asked = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            os.write(2, b"\nwsflow: ended at once, clients were not told\n")
            os._exit(128 + number)
        asked = True
        stop()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, handle) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _greeting(flow: Flow, server: Server) -> Text:
    from rich.text import Text

    text = Text.assemble((f"wsflow {__version__}", "bold"), f" serves {flow.name}\n")
    routes = _routes(flow, server)
    for route in routes:
        text.append(f"  {route}\n", "bold cyan")
    if not routes:
        text.append("  no routes yet: flow.websocket('/chat') makes one\n", "yellow")
    if server.options.host not in {"127.0.0.1", "::1", "localhost"}:
        text.append(f"  bound to {server.options.host!r}: other machines can connect\n", "yellow")
    if server.options.token:
        text.append("  clients bring the token: ?token=… or Authorization: Bearer …\n")
    return text.append("Ctrl-C stops it", "dim")


def _routes(flow: Flow, server: Server) -> list[str]:
    """Return the addresses of a flow, as a client is told them."""
    plain = server.url.replace("ws", "http", 1)
    found = []
    for node in flow.nodes.values():
        if isinstance(node, WebSocketTrigger):
            found.append(f"{server.url}{node.template.pattern}")
        elif isinstance(node, HttpTrigger):
            found.append(f"{node.method} {plain}{node.pattern}")
    return found


def _summary(flow: Flow, seconds: float) -> str:
    rows = flow.log.tail(len(flow.log))
    kinds = [row.kind for row in rows]
    counts = (
        _count(sum(row.kind == "req" and row.session is not None for row in rows), "session"),
        _count(kinds.count("message"), "message"),
        _count(kinds.count("error"), "error"),
    )
    least = f" in the last {_count(len(rows), 'row')} of the log" if flow.log.dropped else ""
    return f"stopped after {seconds:.1f} s: {', '.join(counts)}{least}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


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


# ---- finding the flow


def load(target: str) -> Flow:
    """Return the flow of `app.py`, `app.py:chat`, `pkg.mod` or `pkg.mod:chat`.

    A name may also be that of a function that returns a flow.

    Raises:
        AppError: there is no such file, module or flow.
        CodeError: what was imported raised.
    """
    source, name = _split(target)
    try:
        found = _find(_imported(source), source, name)
        return found if isinstance(found, Flow) else _made(found(), target)
    except AppError:
        raise
    except SyntaxError as error:
        raise _unreadable(error) from error
    except Exception as error:
        raise CodeError(their_traceback(error)) from error


def _split(target: str) -> tuple[str, str]:
    source, colon, name = target.rpartition(":")
    if colon and len(source) > 1 and not {"/", "\\"} & set(name):  # `C:\app.py` has no name
        return source, name
    return target, ""


def _imported(source: str) -> ModuleType:
    path = Path(source)
    dotted = all(part.isidentifier() for part in source.split("."))
    if not dotted or path.suffix in {".py", ".ipynb"} or path.is_file():
        return _from_file(path)
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(source)
    except ModuleNotFoundError as error:
        if error.name and f"{source}.".startswith(f"{error.name}."):
            raise AppError(f"no module {source!r}; is it a file? {source}.py") from error
        raise


def _from_file(path: Path) -> ModuleType:
    try:
        path.open("rb").close()
    except OSError as error:
        there = ", ".join(sorted(one.name for one in path.parent.glob("*.py"))[:5]) or "none"
        raise AppError(f"{path}: {error.strerror}; Python files there: {there}") from error
    if path.suffix == ".ipynb":
        raise AppError(f"{path} is a notebook; export it first: jupyter nbconvert --to script")
    sys.path.insert(0, str(path.parent.resolve()))
    name = path.stem
    if name in sys.modules or name in sys.stdlib_module_names:
        name = f"wsflow_app_{name}"  # an app called queue.py must not stand for the library's
    loader = SourceFileLoader(name, str(path.resolve()))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _find(module: ModuleType, source: str, name: str) -> Any:
    """Return a module's flow, or the function named that makes one."""
    flows = {known: one for known, one in vars(module).items() if isinstance(one, Flow)}
    there = ", ".join(flows) or "none"
    if name:
        found = getattr(module, name, None)
        if isinstance(found, Flow) or inspect.isfunction(found):
            return found
        what = f"is no Flow but {data_text(found)}" if hasattr(module, name) else "does not exist"
        raise AppError(f"{name!r} of {source} {what}; Flows there: {there}")
    if not flows:
        raise AppError(
            f"{source} has no Flow at its top level; flow = Flow('chat') there makes one, "
            f"and {source}:make takes the one that a function make() returns"
        )
    if len({id(one) for one in flows.values()}) > 1:
        raise AppError(
            f"{source} has several Flows: {there}; name one: {source}:{next(iter(flows))}"
        )
    return next(iter(flows.values()))


def _made(found: object, target: str) -> Flow:
    if not isinstance(found, Flow):
        raise AppError(f"{target} is a function that returned {data_text(found)}, not a Flow")
    return found


# ---- errors that are the user's


def their_traceback(error: BaseException) -> str:
    """Return a traceback without the frames of wsflow and of the import machinery."""
    told = traceback.TracebackException.from_exception(error)
    _forget_ours(told)
    return "".join(told.format()).rstrip()


def _forget_ours(told: traceback.TracebackException) -> None:
    ours = (f"{Path(__file__).parent}{os.sep}", "<frozen importlib")
    told.stack[:] = [frame for frame in told.stack if not frame.filename.startswith(ours)]
    for before in (told.__cause__, told.__context__, *(told.exceptions or ())):
        if before is not None:
            _forget_ours(before)


def _unreadable(error: SyntaxError) -> AppError:
    """Return `app.py:3: SyntaxError: …` and the line; what ran and raised itself: a traceback."""
    if not error.filename or not Path(error.filename).is_file():
        return CodeError(their_traceback(error))
    path = Path(error.filename)
    path = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    line = f":{error.lineno}" if error.lineno else ""
    shown = "".join(traceback.format_exception_only(error)[1:-1]).rstrip()
    return AppError(f"{path}{line}: {type(error).__name__}: {error.msg}\n{shown}".rstrip())


def _complaint(error: AppError) -> Text:
    from rich.text import Text

    return Text.assemble(("" if type(error) is CodeError else "wsflow: ", "bold red"), str(error))


# ---- rows as lines


class Printer:
    """Prints what is new in a log, in a thread of its own.

    It reads the log as anybody may, so a terminal that does not keep up holds nobody up; what it
    could not show is counted. Without `everything` only trouble is printed.
    """

    def __init__(self, log: Log, out: Console, *, everything: bool) -> None:
        self._log, self._out, self._everything = log, out, everything
        loud = TERMINAL_ROWS if out.is_terminal else FILE_ROWS
        self._most = loud if everything else QUIET_ROWS
        self._seen = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="wsflow log", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        """Wait for the last rows; a terminal that takes none is left by a second Ctrl-C."""
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        with contextlib.suppress(OSError):  # the terminal is gone; the flow goes on
            while not self._done.wait(LOOK):
                self._show()
            self._show()

    def _show(self) -> None:
        """Print what is new: cut to the width of a terminal, whole into a file."""
        from rich.text import Text

        if all(row.seq == self._seen for row in self._log.tail(1)):
            return
        rows = [row for row in self._log.tail(self._most) if row.seq > self._seen]
        newest = rows[-1].seq if rows else self._seen
        missed, self._seen = newest - self._seen - len(rows), newest
        if self._everything and missed:
            self._out.print(f"… {_count(missed, 'row')} not shown", style="dim")
        lines = [line(row) for row in rows if self._everything or _is_trouble(row)]
        if lines:
            overflow: OverflowMethod = "ellipsis" if self._out.is_terminal else "ignore"
            text = Text("\n").join(lines)
            self._out.print(text, no_wrap=True, overflow=overflow, crop=self._out.is_terminal)


def _is_trouble(row: Row) -> bool:
    return row.kind in TROUBLE or (row.kind == "drop" and row.session is None)


def line(row: Row) -> Text:
    """Return a row of the log as one line of a terminal."""
    from rich.text import Text

    where = f"{row.node}.{row.port}" if row.node else row.port
    return Text.assemble(
        (clock_text(row.time), "dim"),
        f" {alias(row):4} ",
        (f"{row.kind:9} ", STYLES.get(row.kind, "")),
        f"{plain(where):20} ",
        (f"{plain(row.error)}  " if row.error else "", "red"),
        (plain(told(row)), "dim" if row.error else ""),
    )


def told(row: Row) -> str:
    """Return what a row says: its data, or of which path it tells when there is none."""
    return row.path if row.data is None else data_text(row.data)


def alias(row: Row) -> str:
    """Return the short name of a row's session: `s7` for `s7-k3f9`."""
    return (row.session or "").partition("-")[0]


def plain(text: str) -> str:
    """Return text that can not steer a terminal: what does not print is written as an escape."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


# ---- the terminal


def console(*, stderr: bool = False) -> Console:
    """Return the terminal; without colours where it is none, or NO_COLOR is set."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def _forgive_encodings() -> None:
    """Have signs that the encoding of stdout lacks come out as ASCII, not as an error."""
    codecs.register_error("wsflow", _spelled)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="wsflow")


def _spelled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(PLAIN.get(sign, "?") for sign in text), error.end

"""The command line: `wsflow run app.py` serves a flow, `wsflow demo` shows one.

Here arguments are read; what a command does has its module. Whatever is heavy is imported by the
command that needs it, so `wsflow --help` is quick.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from .terminal import DONE, INTERRUPTED, CommandError, console, forgive_encodings, version

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

# ---- the commands


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    forgive_encodings()
    parser = _parser()
    argv, options = _for_jupyter(list(sys.argv[1:] if argv is None else argv))
    try:
        arguments = parser.parse_args(argv, argparse.Namespace(options=options))
        if arguments.version:
            console().print(f"wsflow {version()}")
            return DONE
        if arguments.command is None:
            parser.print_help()
            return DONE
        return int(arguments.command(arguments))
    except CommandError as error:
        console(stderr=True).print(error.told(), soft_wrap=True)
        return error.status
    except KeyboardInterrupt:
        return INTERRUPTED


def _for_jupyter(argv: list[str]) -> tuple[list[str], list[str]]:
    """Return what is ours and, of `wsflow lab`, all from the first option on: that is Jupyter's."""
    ours = len(argv)
    if argv[:1] == ["lab"]:
        options = (at for at, one in enumerate(argv) if one.startswith("-"))
        ours = next((at for at in options if argv[at] not in {"-h", "--help"}), ours)
    return argv[:ours], argv[ours:]


class _Parser(argparse.ArgumentParser):
    """Complains in one line, where argparse would print its usage."""

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="wsflow",
        description="WebSocket servers you can see and play with.",
        epilog="wsflow run --help tells more.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print it and end")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_run(commands)
    _add_lab(commands)
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
    add("--record", metavar="NAME", help="record all that happens to recordings/NAME.jsonl")
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


def _add_lab(commands: Any) -> None:
    lab = commands.add_parser(
        "lab",
        help="open a notebook in JupyterLab; the first lesson unless named",
        description="Open a notebook in JupyterLab.",
        epilog="Options that follow are those of jupyter lab: wsflow lab --no-browser --port 8890",
        usage="%(prog)s [-h] [NOTEBOOK] [OPTION OF JUPYTER LAB ...]",
    )
    lab.add_argument("notebook", nargs="?", metavar="NOTEBOOK", help="a path, or a lesson's name")
    lab.set_defaults(command=_lab)


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


def _lab(arguments: argparse.Namespace) -> int:
    from .lab import main as lab

    return lab(arguments.notebook, arguments.options)


def _run(arguments: argparse.Namespace) -> int:
    from .app import load
    from .service import run

    flow = load(arguments.app)
    options = {name: getattr(arguments, name) for name in SERVED}
    return run(flow, options, console(), everything=arguments.log, record=arguments.record)

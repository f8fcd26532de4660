"""The arguments of the command line: what can be asked for, and how it is told.

Opposite: `main.py` does what was asked for.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from ..events import KINDS
from ..wire.server import Options
from .terminal import CommandError

RUN_EPILOG = """\
examples:
  wsflow run app.py            the only Flow of app.py, on port 8000
  wsflow run app.py:chat       the Flow named chat, or a function that returns one
  wsflow run pkg.mod:chat      the same, in a module that can be imported
  wsflow run app.py --log      and print what happens, a line each

Ctrl-C (or SIGTERM) tells every client that the server goes away (1001), and the exit status is 0;
a second one ends the process at once (128 + the signal's number). Exit status 1: your own code
raised; 2: it can not be served.
"""

RECORD_EPILOG = """\
example:
  wsflow record app.py lesson1     until Ctrl-C; then: wsflow show lesson1

A recording of that name that is there is kept under a number (lesson1-1). Exit statuses are those
of wsflow run.
"""

REPLAY_EPILOG = """\
examples:
  wsflow replay lesson1 --app app.py                      as fast as possible, in memory
  wsflow replay lesson1 --to ws://127.0.0.1:8000          in real time, over sockets
  wsflow replay lesson1 --to 'wss://example.org/?token=x' the query is added to each recorded one

Exit status 0: every answer is the same; 1: some differ; 2: it can not be played.
"""

GRADE_EPILOG = """\
examples:
  wsflow grade handed-in/                       a line for each wsflow.check(...) in the notebooks
  wsflow grade handed-in/ --exercise 05-manager
  wsflow grade handed-in/ --json                with every word, for a program to read

The notebooks' code is run: grade what you would also open. Exit status 0: all is solved; 1: not.
"""

APP = "app.py, app.py:flow or pkg.mod:flow"
RECORDING = "a recording's name, or its file"


class _Parser(argparse.ArgumentParser):
    """Complains in one line, where argparse would print its usage."""

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message} (see {self.prog} --help)")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments of a command line; `command` is None where none was given.

    What `jupyter lab` is to get is in `options`.

    Raises:
        CommandError: they can not be understood.
    """
    ours, options = for_jupyter(list(argv))
    return parser().parse_args(ours, argparse.Namespace(options=options))


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    made = _Parser(
        prog="wsflow",
        description="WebSocket servers you can see and play with.",
        epilog="wsflow run --help tells more.",
        allow_abbrev=False,
    )
    made.add_argument("--version", action="store_true", help="print it and end")
    commands = made.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    _add_run(commands)
    _add_record(commands)
    _add_replay(commands)
    _add_show(commands)
    _add_repair(commands)
    _add_convert(commands)
    _add_grade(commands)
    _add_lab(commands)
    commands.add_parser("demo", help="three clients talk through a flow; see what happens")
    return made


def _add_run(commands: Any) -> None:
    run = commands.add_parser(
        "run",
        help="serve the flow of a file or module",
        description="Serve the flow of a file or module until Ctrl-C.",
        epilog=RUN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    run.add_argument("app", help=APP)
    run.add_argument("--record", metavar="NAME", help="and record it to recordings/NAME.jsonl")
    _add_serving(run)


def _add_record(commands: Any) -> None:
    record = commands.add_parser(
        "record",
        help="serve a flow and record all that happens",
        description="Serve a flow until Ctrl-C and record all that happens.",
        epilog=RECORD_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    record.add_argument("app", help=APP)
    record.add_argument("record", metavar="NAME", help="the file is recordings/NAME.jsonl")
    _add_serving(record)


def _add_serving(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
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
        default=Options.max_message_size,
        metavar="BYTES",
        help="larger messages close with 1009; 64K and 4M are understood "
        f"({Options.max_message_size // 2**20}M)",
    )
    add("--page", action="store_true", help="answer GET / with routes, graph and a client")
    add(
        "--max-sessions",
        type=int,
        default=Options.max_sessions,
        metavar="N",
        help="beyond: 503 (%(default)s)",
    )
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


def _add_replay(commands: Any) -> None:
    replay = commands.add_parser(
        "replay",
        help="play a recording again and compare the answers",
        description="Play what clients did to a flow, or to any server, and compare the answers.",
        epilog=REPLAY_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = replay.add_argument
    add("recording", help=RECORDING)
    where = replay.add_mutually_exclusive_group(required=True)
    where.add_argument("--app", help=f"a flow, played in memory: {APP}")
    where.add_argument("--to", metavar="URL", help="a server of any make: ws://127.0.0.1:8000")
    add("--speed", type=_speed, help="1 as it was, 10 ten times as fast, or max (1 with --to)")
    add(
        "--ignore",
        action="append",
        default=[],
        metavar="KEY",
        help="a JSON key, or a path ($.items[*].id), that does not matter; may be repeated",
    )
    add("--ignore-times", action="store_true", help="dates and clock times do not matter")
    add("--ignore-ids", action="store_true", help="UUIDs and the ids of sessions do not matter")
    add("--any-order", action="store_true", help="answers of a session may come in any order")


def _add_show(commands: Any) -> None:
    show = commands.add_parser(
        "show",
        help="show what is in a recording",
        description="Show what a recording is, and its rows: all that is given must fit.",
        allow_abbrev=False,
    )
    add = show.add_argument
    add("recording", help=RECORDING)
    add("--from", type=float, default=0.0, dest="start", metavar="SECONDS", help="from then on")
    add("--to", type=float, default=float("inf"), dest="end", metavar="SECONDS", help="up to then")
    add("--session", metavar="ID", help="of this session only: s7 or s7-k3f9")
    add("--kind", action="append", default=[], choices=KINDS, metavar="KIND",
        help=f"of this kind only; may be repeated: {', '.join(KINDS)}")  # fmt: skip
    add("--rows", type=_count, default=200, metavar="N", help="at most so many (%(default)s)")


def _add_repair(commands: Any) -> None:
    repair = commands.add_parser(
        "repair",
        help="take damaged lines out of a recording",
        description="Take out what can not be read; the file as it was is kept beside it.",
        allow_abbrev=False,
    )
    repair.add_argument("recording", help=RECORDING)


def _add_convert(commands: Any) -> None:
    convert = commands.add_parser(
        "convert",
        help="write a recording as another file",
        description="Write a recording as another file. The suffixes say what becomes what: "
        "a recording becomes .csv, .har (what browsers save) or .parquet; a .har becomes .jsonl.",
        allow_abbrev=False,
    )
    convert.add_argument("source", metavar="IN", help=f"{RECORDING}, or a .har")
    convert.add_argument("target", metavar="OUT", help="the file to write")
    convert.add_argument("--force", action="store_true", help="write over a file that is there")


def _add_grade(commands: Any) -> None:
    grade = commands.add_parser(
        "grade",
        help="run learners' notebooks and check what they built",
        description="Run each notebook of a folder, without a port, and check what it builds.",
        epilog=GRADE_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    grade.add_argument("where", type=Path, metavar="FOLDER", help="a folder, or one notebook")
    grade.add_argument(
        "--exercise",
        metavar="NAME",
        help="only this one; where a notebook does not check it, its last flow is checked",
    )
    grade.add_argument("--json", action="store_true", help="print the grades as JSON")


def _add_lab(commands: Any) -> None:
    lab = commands.add_parser(
        "lab",
        help="open a notebook in JupyterLab; the first lesson unless named",
        description="Open a notebook in JupyterLab.",
        epilog="Options that follow are those of jupyter lab: wsflow lab --no-browser --port 8890",
        usage="%(prog)s [-h] [NOTEBOOK] [OPTION OF JUPYTER LAB ...]",
    )
    lab.add_argument("notebook", nargs="?", metavar="NOTEBOOK", help="a path, or a lesson's name")


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def _speed(text: str) -> float:
    """Return a speed; `max`, as fast as possible, is 0."""
    if text == "max":
        return 0.0
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.0 < speed < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no speed: a number above 0, or max")
    return speed


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rows")
    return int(text)


def _size(text: str) -> int:
    """Return bytes: `65536`, `64K` and `4M` are understood."""
    number, factor = text, 1
    if text[-1:].upper() in {"K", "M"}:
        number, factor = text[:-1], 2**10 if text[-1].upper() == "K" else 2**20
    if not number.isdecimal() or int(number) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: 65536, 64K or 4M")
    return int(number) * factor


def for_jupyter(argv: list[str]) -> tuple[list[str], list[str]]:
    """Return what is ours and, of `wsflow lab`, all from the first option on: that is Jupyter's."""
    ours = len(argv)
    if argv[:1] == ["lab"]:
        options = (at for at, one in enumerate(argv) if one.startswith("-"))
        ours = next((at for at in options if argv[at] not in {"-h", "--help"}), ours)
    return argv[:ours], argv[ours:]

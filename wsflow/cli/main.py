"""The command line: `wsflow run app.py` serves a flow, `wsflow demo` shows one.

`arguments.py` reads what is asked for, and what a command does has its module. Whatever is heavy is
imported by the command that needs it, so `wsflow --help` is quick.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence

from ..errors import WsflowError
from .arguments import parse, parser
from .terminal import DONE, INTERRUPTED, CommandError, console, forgive_encodings, version

SERVED = (
    "host",
    "port",
    "token",
    "allow_unauthenticated",
    "max_message_size",
    "max_sessions",
    "page",
    "allowed_origins",
    "allowed_hosts",
    "trusted_proxies",
    "certfile",
    "keyfile",
)
"""Arguments of `run` that are those of `Flow.serve`."""


MUTE = frozenset({errno.ENOSPC, errno.EPIPE, errno.EIO})
"""What a terminal, pipe or file says that takes nothing more."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    forgive_encodings()
    try:
        arguments = parse(sys.argv[1:] if argv is None else argv)
        if arguments.version:
            console().print(f"wsflow {version()}")
            return DONE
        if arguments.command is None:
            parser().print_help()
            return DONE
        return COMMANDS[arguments.command](arguments)
    except WsflowError as error:
        failure = error if isinstance(error, CommandError) else CommandError(str(error))
        console(stderr=True).print(failure.told(), soft_wrap=True)
        return failure.status
    except OSError as error:
        if error.errno not in MUTE:
            raise
        why = CommandError(f"the output can not be written: {error.strerror}")
        console(stderr=True).print(why.told(), soft_wrap=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still to be written goes nowhere
        return why.status
    except KeyboardInterrupt:
        return INTERRUPTED


def _demo(_arguments: argparse.Namespace) -> int:
    from .demo import main as demo

    return demo(console())


def _lab(arguments: argparse.Namespace) -> int:
    from .lab import main as lab

    return lab(arguments.notebook, arguments.options)


def _run(arguments: argparse.Namespace) -> int:
    from .app import load
    from .serve import run

    flow = load(arguments.app)
    options = {name: getattr(arguments, name) for name in SERVED}
    return run(flow, options, console(), everything=arguments.log, record=arguments.record)


def _replay(arguments: argparse.Namespace) -> int:
    from ..compare.rules import Rules
    from ..replay.live import replay_to
    from ..replay.options import ReplayOptions
    from .app import load
    from .recordings import find
    from .replay import play

    recording = find(arguments.recording)
    ignore, times, ids = arguments.ignore, arguments.ignore_times, arguments.ignore_ids
    any_order, speed = arguments.any_order, arguments.speed
    if arguments.to is not None:
        rules = Rules(tuple(ignore), times, ids, any_order)
        speed = 1.0 if speed is None else speed
        replay = replay_to(arguments.to, recording, ReplayOptions(speed=speed or None, rules=rules))
    else:
        replay = load(arguments.app).replay(
            recording,
            speed=speed or None,
            ignore=ignore,
            ignore_times=times,
            ignore_ids=ids,
            any_order=any_order,
        )
    return play(replay, console())


def _show(arguments: argparse.Namespace) -> int:
    from .recordings import Choice, show

    start, end, kinds = arguments.start, arguments.end, tuple(arguments.kind)
    choice = Choice(start, end, arguments.session, kinds, arguments.rows)
    return show(arguments.recording, choice, console(whole=True))


def _repair(arguments: argparse.Namespace) -> int:
    from .recordings import repair

    return repair(arguments.recording, console())


def _convert(arguments: argparse.Namespace) -> int:
    from .recordings import convert

    return convert(arguments.source, arguments.target, console(), force=arguments.force)


def _grade(arguments: argparse.Namespace) -> int:
    from .grade import grade

    out = console(whole=arguments.json)
    return grade(arguments.where, out, name=arguments.exercise, as_json=arguments.json)


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "demo": _demo,
    "lab": _lab,
    "run": _run,
    "record": _run,
    "replay": _replay,
    "show": _show,
    "repair": _repair,
    "convert": _convert,
    "grade": _grade,
}

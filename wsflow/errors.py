"""Everything wsflow raises, as one tree.

Each class is also the built-in a caller would reach for (`LookupError`, `ValueError`, ...).
Messages are composed here from plain values; this module knows no other class of wsflow.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NoReturn

from .tracebacks import rendered


class WsflowError(Exception):
    """Root of all errors wsflow raises on purpose. Notebooks show it at the user's own line."""

    def _render_traceback_(self) -> list[str]:
        return rendered(self)


class MissingPackageError(WsflowError, ImportError):
    """Something needs a package that comes with an extra of wsflow."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs its packages: pip install 'wsflow[{extra}]'")


# ---- misuse by the author of a flow


class WiringError(WsflowError, ValueError):
    """A node, a port or a wire can not be what was asked for."""


class UnknownPortError(WiringError, LookupError):
    """A node has no port of that name."""

    def __init__(self, node: str, side: str, port: str, there_are: Iterable[str]) -> None:
        known = ", ".join(repr(name) for name in there_are) or "none"
        kind = f"{side} port" if side else "port"
        super().__init__(f"node {node!r} has no {kind} {port!r}; its {kind}s: {known}")

    def __str__(self) -> str:  # LookupError's siblings quote their argument; this reads as text
        return str(self.args[0])


class UnknownNameError(WsflowError, AttributeError):
    """Something has no attribute of that name."""


class PathError(WiringError):
    """A route pattern is malformed or taken."""


class HandlerError(WsflowError, TypeError):
    """A function can not serve as a handler."""


class FreezeError(WsflowError, RuntimeError):
    """A freeze can not do what was asked, or ended before it held an event."""


class ReplyError(WsflowError, ValueError):
    """A `response` was emitted with something that can not be sent."""


class RunawayError(WsflowError, RuntimeError):
    """A synchronous loop in the graph did not come to an end and was cut."""


class ExitError(WsflowError, RuntimeError):
    """`sys.exit()` in a task that a handler made: it ends that task, and nothing else."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: in a task of a handler this ends the task and nothing else")


class SetupError(WsflowError, RuntimeError):
    """The `setup` of a node raised, so the flow did not start."""


# ---- serving


class ServeError(WsflowError, RuntimeError):
    """A server can not start, or not like this."""


class PortInUseError(ServeError, OSError):
    """Something else listens on the port asked for."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"port {port} on {host} can not be had ({reason}); "
            f"stop what listens there, or serve(port=0) for a free one"
        )
        self.host, self.port = host, port

    def __str__(self) -> str:  # OSError would print its errno pair
        return str(self.args[0])


class UnsafeBindError(ServeError, ValueError):
    """Binding outside loopback without a token (promise P18)."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"serve(host={host!r}) would let other machines in without a password; "
            f"give token='...' or say allow_unauthenticated=True"
        )


class NotRunningError(WsflowError, RuntimeError):
    """The flow or server was stopped, or never started."""


# ---- the client's side


class RefusedError(WsflowError, ConnectionError):
    """The handshake was refused; `status` is the HTTP status, `body` the text that came with it."""

    def __init__(self, path: str, status: int, body: str) -> None:
        super().__init__(f"connection to {path!r} refused with {status}: {body.strip()}")
        self.status, self.body = status, body


class SessionClosedError(WsflowError, ConnectionError):
    """The session has ended; `code` is None where nobody told one."""

    def __init__(self, path: str, code: int | None, reason: str) -> None:
        told = "without a close code" if code is None else f"with code {code}"
        super().__init__(f"session on {path!r} was closed {told}" + (f": {reason}" * bool(reason)))
        self.code, self.reason = code, reason


class ClientGoneError(WsflowError, ConnectionError):
    """The client of a request has left: nobody is to be answered."""


class ReceiveTimeoutError(WsflowError, TimeoutError):
    """Nothing arrived within the time given."""


# ---- recordings


class RecordingError(WsflowError, ValueError):
    """A recording can not be made or read."""


class RecordingNameError(RecordingError):
    """A name leads out of the folder, or is none."""

    def __init__(self, name: object, why: str) -> None:
        super().__init__(
            f"{name!r} can not name a recording: {why}. A name has at most 100 letters, digits, "
            "'.', '_' and '-', and begins with a letter or digit; for another place: folder='...'"
        )


class NotARecordingError(RecordingError):
    """A file is something else."""

    def __init__(self, path: object, line: int, why: str) -> None:
        super().__init__(f"{path}, line {line}: not a recording of wsflow: {why}")
        self.path, self.line = path, line


class NewerRecordingError(RecordingError):
    """A recording was written by a version of wsflow that came later."""

    def __init__(self, path: object, version: int, known: int) -> None:
        super().__init__(
            f"{path}, line 1: recording format {version} is newer than this wsflow reads "
            f"({known}): update wsflow"
        )


class RecordingNotFoundError(RecordingError, LookupError):
    """There is no such recording."""

    def __init__(self, name: object, folder: object, there_are: Iterable[str]) -> None:
        known = ", ".join(repr(one) for one in there_are) or "none"
        super().__init__(f"no recording {name!r} in {folder}; there are: {known}")

    def __str__(self) -> str:
        return str(self.args[0])


class ReplayError(RecordingError):
    """A recording can not be played in this flow."""


class DamagedLineError(RecordingError):
    """One line of a recording is not what was written."""


# ---- misspelt attributes


class Spelled:
    """What a notebook's user holds in the hand: `flow.websockets` is told of `websocket`."""

    if not TYPE_CHECKING:  # a type checker knows better what there is

        def __getattr__(self, name: str) -> NoReturn:
            raise UnknownNameError(f"{type(self).__name__} has no {name!r}{_meant(self, name)}")


def _meant(thing: object, name: str) -> str:
    if name.startswith("_"):
        return ""  # asked by programs: what can it do?
    return meant(name, (one for one in dir(type(thing)) if not one.startswith("_")))


def meant(name: str, there: Iterable[str]) -> str:
    """Return `; did you mean 'response'?` where one of those that are there is close."""
    from difflib import get_close_matches

    lower = {one.lower(): one for one in there}
    near = [lower[one] for one in get_close_matches(name.lower(), lower, cutoff=0.7)]
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""

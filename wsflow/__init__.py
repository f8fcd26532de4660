"""WebSocket servers you can see and play with in a Jupyter notebook.

    >>> from wsflow import Flow

`Flow` is the way in; the rest are types to annotate with and errors to catch.
"""

from typing import TYPE_CHECKING, Any

from .clock import Clock, ManualClock
from .errors import (
    FreezeError,
    HandlerError,
    NotRunningError,
    PathError,
    PortInUseError,
    ReceiveTimeoutError,
    RecordingError,
    RefusedError,
    ReplayError,
    ReplyError,
    RunawayError,
    ServeError,
    SessionClosedError,
    SetupError,
    UnknownPortError,
    UnsafeBindError,
    WiringError,
    WsflowError,
)
from .events import Row
from .flow import Flow
from .graph.context import Context
from .wire.memory import Client
from .wire.server import Server
from .wire.session import Session

if TYPE_CHECKING:
    from .compare.report import Report
    from .course.exercise import Exercise, check, exercises, make_exercise
    from .io.recorder import Recorder
    from .recording import Recording, recordings
    from .replay.replay import Replay

__version__ = "0.1.0"

_LATER = {
    "Recorder": "io.recorder",
    "Recording": "recording",
    "recordings": "recording",
    "Replay": "replay.replay",
    "Report": "compare.report",
    "Exercise": "course.exercise",
    "check": "course.exercise",
    "exercises": "course.exercise",
    "make_exercise": "course.exercise",
}
"""What is loaded when it is first asked for, and from where: importing stays light."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'wsflow' has no {name!r}; it has: {', '.join(__all__)}")
    from importlib import import_module

    return getattr(import_module(f".{_LATER[name]}", __name__), name)


__all__ = [
    "Client",
    "Clock",
    "Context",
    "Exercise",
    "Flow",
    "FreezeError",
    "HandlerError",
    "ManualClock",
    "NotRunningError",
    "PathError",
    "PortInUseError",
    "ReceiveTimeoutError",
    "Recorder",
    "Recording",
    "RecordingError",
    "RefusedError",
    "Replay",
    "ReplayError",
    "ReplyError",
    "Report",
    "Row",
    "RunawayError",
    "ServeError",
    "Server",
    "Session",
    "SessionClosedError",
    "SetupError",
    "UnknownPortError",
    "UnsafeBindError",
    "WiringError",
    "WsflowError",
    "__version__",
    "check",
    "exercises",
    "make_exercise",
    "recordings",
]

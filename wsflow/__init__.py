"""WebSocket servers you can see and play with in a Jupyter notebook.

    >>> from wsflow import Flow

`Flow` is the way in; the rest are types to annotate with and errors to catch.
"""

from .clock import Clock, ManualClock
from .context import Context
from .errors import (
    HandlerError,
    NotRunningError,
    PathError,
    PortInUseError,
    ReceiveTimeoutError,
    RefusedError,
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
from .memory import Client
from .server import Server
from .session import Session

__version__ = "0.1.0"

__all__ = [
    "Client",
    "Clock",
    "Context",
    "Flow",
    "HandlerError",
    "ManualClock",
    "NotRunningError",
    "PathError",
    "PortInUseError",
    "ReceiveTimeoutError",
    "RefusedError",
    "ReplyError",
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
]

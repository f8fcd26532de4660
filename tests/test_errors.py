"""Every error is of one family, and also the built-in a caller would reach for.

Who misspells a name is told the one that was meant, and programs that ask get their answer.
"""

import inspect
from typing import Any

import pytest

from wsflow import Flow, errors
from wsflow.errors import (
    HandlerError,
    PathError,
    PortInUseError,
    ReceiveTimeoutError,
    RefusedError,
    ReplyError,
    ServeError,
    SessionClosedError,
    UnknownPortError,
    UnsafeBindError,
    WiringError,
    WsflowError,
)


def test_all_errors_are_of_one_family() -> None:
    found = [one for _, one in inspect.getmembers(errors, inspect.isclass)]
    raised = [one for one in found if issubclass(one, BaseException)]
    assert len(raised) > 10
    assert [one for one in raised if not issubclass(one, WsflowError)] == []


@pytest.mark.parametrize(
    ("error", "family"),
    [
        (WiringError, ValueError),
        (UnknownPortError, LookupError),
        (PathError, WiringError),
        (HandlerError, TypeError),
        (ReplyError, ValueError),
        (PortInUseError, OSError),
        (UnsafeBindError, ServeError),
        (RefusedError, ConnectionError),
        (SessionClosedError, ConnectionError),
        (ReceiveTimeoutError, TimeoutError),
    ],
)
def test_an_error_is_also_what_a_caller_expects(
    error: type[Exception], family: type[Exception]
) -> None:
    assert issubclass(error, family)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            UnknownPortError("n", "input", "x", []),
            "node 'n' has no input port 'x'; its input ports: none",
        ),
        (
            PortInUseError("127.0.0.1", 80, "taken"),
            "port 80 on 127.0.0.1 can not be had (taken); "
            "stop what listens there, or serve(port=0) for a free one",
        ),
        (RefusedError("/x", 404, "no\n"), "connection to '/x' refused with 404: no"),
        (SessionClosedError("/x", None, ""), "session on '/x' was closed without a close code"),
        (
            SessionClosedError("/x", 4000, "bye"),
            "session on '/x' was closed with code 4000: bye",
        ),
    ],
)
def test_a_message_says_what_and_what_else_there_is(error: Exception, text: str) -> None:
    assert str(error) == text


# ---- misspelt attributes


@pytest.mark.parametrize(
    ("part", "name", "told"),
    [
        ("", "websockets", "Flow has no 'websockets'; did you mean 'websocket'?"),
        ("", "Websocket", "Flow has no 'Websocket'; did you mean 'websocket'?"),
        ("", "xyzzy", "Flow has no 'xyzzy'"),
        ("", "_repr_png_", "Flow has no '_repr_png_'"),
        ("log", "trail", "Log has no 'trail'; did you mean 'tail'?"),
        ("panel", "logs", "Panels has no 'logs'; did you mean 'log'?"),
    ],
)
def test_a_misspelt_name_is_told_the_one_that_was_meant(
    flow: Flow, part: str, name: str, told: str
) -> None:
    thing: Any = getattr(flow, part) if part else flow
    with pytest.raises(WsflowError) as caught:
        getattr(thing, name)
    assert isinstance(caught.value, AttributeError)
    assert str(caught.value) == told
    assert not hasattr(thing, name)


async def test_a_client_and_a_server_tell_it_too(flow: Flow) -> None:
    client: Any = flow.client("/chat")
    with pytest.raises(WsflowError, match="Client has no 'recv'; did you mean 'receive'"):
        client.recv()
    async with flow.serving() as server:
        anything: Any = server
        with pytest.raises(WsflowError, match="Server has no 'adress'"):
            _ = anything.adress

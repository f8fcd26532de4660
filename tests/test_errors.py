"""Every error is of one family, and also the built-in a caller would reach for."""

import inspect

import pytest

from wsflow import errors
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

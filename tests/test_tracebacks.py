"""A notebook shows a misuse at the learner's own line, and not what wsflow did below it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any

import pytest
import pytest_asyncio

from tests.jupyter.kernel import Cell, Kernel
from wsflow import Flow, WiringError, tracebacks
from wsflow.tracebacks import OURS, is_ours, theirs, told

FLOW = """
from wsflow import Flow
flow = Flow("chat")
chat = flow.websocket("/chat")
"""


@pytest_asyncio.fixture
async def kernel() -> AsyncIterator[Kernel]:
    async with Kernel() as kernel:
        await kernel.run(FLOW)
        yield kernel


def shown(cell: Cell) -> str:
    """Return the traceback as a person reads it."""
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(cell.of("error")[-1]["traceback"]))


def files(traceback: TracebackType | None) -> list[str]:
    found = []
    while traceback is not None:
        found.append(traceback.tb_frame.f_code.co_filename)
        traceback = traceback.tb_next
    return found


def test_only_the_callers_frames_are_kept() -> None:
    chat = Flow("chat").websocket("/chat")
    with pytest.raises(WiringError) as caught:
        chat.message >> 5
    assert len(files(caught.tb)) > 1
    assert files(theirs(caught.tb)) == [__file__]
    assert not is_ours(test_only_the_callers_frames_are_kept.__code__)


async def test_an_error_points_at_the_learners_line(kernel: Kernel) -> None:
    told = shown(await kernel.submit("x = 1\nchat.message >> 5").wait())
    assert "----> 2 chat.message >> 5" in told
    assert told.endswith("can not be wired to 5: it is no node or input port")
    assert "wsflow/" not in told


async def test_what_wsflow_caught_below_is_not_told_twice(kernel: Kernel) -> None:
    taken = """
        import socket
        listener = socket.create_server(("127.0.0.1", 0))
        await flow.serve(port=listener.getsockname()[1])
    """
    told = shown(await kernel.submit(taken).wait())
    assert "PortInUseError: port" in told
    assert "direct cause" not in told
    assert told.count("Traceback") == 1


async def test_what_the_learner_caught_is_told(kernel: Kernel) -> None:
    again = "try:\n    1 / 0\nexcept ZeroDivisionError:\n    chat.message >> 5"
    told = shown(await kernel.submit(again).wait())
    assert "ZeroDivisionError: division by zero" in told
    assert "During handling of the above exception" in told


async def test_all_of_it_is_there_for_who_asks(kernel: Kernel) -> None:
    await kernel.run("%xmode Verbose")
    told = shown(await kernel.submit("chat.message >> 5").wait())
    assert "wsflow/graph/port.py" in told


def test_a_neighbour_folder_that_begins_like_ours_is_not_ours() -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        exec(compile("1 / 0", f"{OURS[:-1]}_examples/app.py", "exec"))
    assert "_examples/app.py" in told(raised.value)


# ---- what an error says, whatever class it is of (promise P4, found A2)


class _Evil(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise SystemExit


class _Text(str):
    def __format__(self, spec: str) -> str:
        raise KeyboardInterrupt

    __len__ = __getitem__ = encode = __format__  # type: ignore[assignment]


def made(kind: str, **members: Any) -> BaseException:
    error: BaseException = type(kind, (Exception,), members)()
    return error


def gives(value: Any) -> Any:
    return lambda *_: value


def fails(*_: Any) -> Any:
    raise SystemExit


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("no room"), "ValueError: no room"),
        (made("Number", __str__=gives(7)), "raised TypeError>"),
        (
            made("Exits", __str__=fails),
            "Exits: <what it says can not be had",
        ),
        (made("Sub", __str__=gives(_Text("a subclass"))), "Sub: a subclass"),
        (made("Surrogate", __str__=gives("\ud800")), "Surrogate: \\ud800"),
        (made("Long", __str__=gives("x" * 10**7)), "xxx…"),
        (_Evil("Named", (Exception,), {})("x"), "Named: x"),
        (made("Notes", __notes__=property(fails)), "Notes: "),
        (made("Lost", __traceback__=property(fails)), "Lost: "),
        (RecursionError("deep"), "RecursionError: deep"),
    ],
)
def test_p4_an_error_of_any_class_is_plain_text(error: BaseException, expected: str) -> None:
    said = tracebacks.named(error)
    assert expected in said
    assert type(said) is str
    assert len(said.encode()) < 11_000
    assert isinstance(tracebacks.whole(error), str)
    assert isinstance(tracebacks.told(error), str)
    assert tracebacks.place(error) is None

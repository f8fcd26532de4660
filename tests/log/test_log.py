"""The log as a person looks at it: frames, filters, waiting, and text that stays text."""

from __future__ import annotations

from typing import Any

import anyio
import numpy as np
import pytest

from tests.log.logged import EVIL, know, put
from tests.process.turns import turns
from wsflow import Context, Flow, ReceiveTimeoutError, Row, WsflowError
from wsflow.log.log import Log
from wsflow.log.store import Store

# ---- filters


def test_an_unknown_kind_is_an_error_that_names_the_kinds(story: Store, log: Log) -> None:
    with pytest.raises(WsflowError, match=r"no rows of kind 'messages'; kinds: req, message"):
        log.frame(kind="messages")


# ---- reading


def test_the_tail_is_the_newest_rows_oldest_first(story: Store, log: Log) -> None:
    assert [row.seq for row in log.tail(2)] == [5, 6]
    assert [row.seq for row in log.tail()] == [1, 2, 3, 4, 5, 6]
    assert log.tail(0) == []


def test_a_trace_is_a_row_and_all_it_caused(story: Store, log: Log) -> None:
    assert [row.seq for row in log.trace(2)] == [2, 3, 4]
    assert [row.seq for row in log.trace(4)] == [4]


@pytest.mark.parametrize("seq", [0, 7, -1])
def test_a_trace_of_a_row_that_is_not_there_says_what_there_is(
    story: Store, log: Log, seq: int
) -> None:
    with pytest.raises(WsflowError, match=rf"no row {seq} .* rows 1 to 6"):
        log.trace(seq)


def test_a_trace_of_row_zero_is_not_everything_without_a_cause(story: Store, log: Log) -> None:
    with pytest.raises(WsflowError):
        log.trace(0)


def test_a_trace_of_a_dropped_row_is_an_error() -> None:
    store = Store(max_rows=8)
    for _ in range(50):
        put(store)
    with pytest.raises(WsflowError, match=r"no row 3 in the log; it holds rows \d+ to 50"):
        Log(store).trace(3)


def test_a_log_is_iterated_oldest_first_and_has_a_length(story: Store, log: Log) -> None:
    assert [row.seq for row in log] == [1, 2, 3, 4, 5, 6]
    assert len(log) == 6


async def test_the_trace_of_a_message_goes_through_all_its_nodes(flow: Flow) -> None:
    first = flow.node(lambda ev, ctx: ctx.route(ev["message"] + "!"), name="first")
    second = flow.node(lambda ev, ctx: ctx.emit("response", {"body": ev}), name="second")
    flow.websocket("/").message >> first >> second
    client = await flow.client("/")
    await client.send("a")
    await client.send("b")
    message = await flow.log.until(kind="message", count=2)
    trace = flow.log.trace(message.seq)
    assert [(row.kind, row.node) for row in trace] == [
        ("message", "/"),
        ("route", "first"),
        ("response", "second"),
    ]
    assert [row.data for row in trace[1:]] == ["b!", "b!"]


# ---- waiting


async def test_until_returns_a_row_that_is_there_already(story: Store, log: Log) -> None:
    assert (await log.until(kind="message")).seq == 2
    assert (await log.until(kind="message", count=2)).seq == 5
    assert (await log.until(session="s2", node="shout")).seq == 6
    assert (await log.until(kind="message", after=2)).seq == 5


async def test_until_waits_for_a_row_to_come(story: Store, log: Log) -> None:
    found: list[Row] = []

    async def wait() -> None:
        found.append(await log.until(node="late", timeout=30))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await turns()
            put(story, node="other")
            put(story, node="late")
    assert [row.seq for row in found] == [8]


async def test_until_hears_of_rows_told_in_another_thread(story: Store, log: Log) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.to_thread.run_sync, lambda: put(story, node="late"))
        assert (await log.until(node="late")).seq == 7


async def test_until_gives_up_and_says_what_was_missing(story: Store, log: Log) -> None:
    wanted = r"2 of 3 rows with kind=message node=chat within 0\.01 s"
    with pytest.raises(ReceiveTimeoutError, match=wanted) as caught:
        await log.until(kind="message", node="chat", count=3, timeout=0.01)
    assert isinstance(caught.value, TimeoutError)


async def test_until_knows_the_kinds(log: Log) -> None:
    with pytest.raises(WsflowError, match="no rows of kind 'msg'"):
        await log.until(kind="msg")


async def test_until_leaves_no_watcher_behind(story: Store, log: Log) -> None:
    with pytest.raises(ReceiveTimeoutError):
        await log.until(node="never", timeout=0.01)
    await log.until(kind="req")
    assert story._watchers == ()


def test_a_watcher_of_the_log_that_raises_does_not_stop_the_flow(store: Store, log: Log) -> None:
    seen: list[int] = []
    stop = log.watch(lambda row: seen.append(row.seq))
    log.watch(lambda row: 1 / 0)
    put(store)
    stop()
    put(store)
    assert seen[0] == 1
    assert [row.kind for row in log.tail()] == ["mark", "error", "mark"]


# ---- sessions


async def test_secrets_of_an_event_given_to_a_failing_callback_are_in_no_row(flow: Flow) -> None:
    @flow.node
    def listen(ev: Any, ctx: Context) -> None:
        ctx.once("again", lambda ev, more: 1 / 0)
        ctx.emit("again", ev, "more")

    flow.websocket("/").req >> listen
    await flow.client("/?token=XYZZY", headers={"Cookie": "id=XYZZY"})
    assert {row.kind for row in flow.log.tail()} == {"req", "signal", "error"}
    assert "XYZZY" not in repr(flow.log.tail(100))


# ---- rows do not change


async def test_a_handler_that_changes_its_event_changes_no_row(flow: Flow) -> None:
    @flow.node
    def first(ev: Any, ctx: Context) -> None:
        value = {"list": [1], "deep": {"a": 1}}
        ctx.route(value)
        value["list"].append(2)  # type: ignore[attr-defined]
        ctx.route(value)

    @flow.node
    def second(ev: Any, ctx: Context) -> None:
        ev["deep"].clear()
        ev["list"].append("changed")

    flow.websocket("/").message >> first >> second
    await flow.client("/").send("x")
    data = list(flow.log.frame(kind="route")["data"])
    assert data == [{"list": [1], "deep": {"a": 1}}, {"list": [1, 2], "deep": {"a": 1}}]


# ---- how it looks


def test_what_a_client_sent_is_text_in_the_html(store: Store, log: Log) -> None:
    know(store, 1, path=EVIL)
    put(store, "error", EVIL, EVIL, session=1, data=EVIL, error=EVIL)
    put(store, "route", data={EVIL: EVIL})
    page = log._repr_html_()
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_control_characters_of_a_client_are_shown_not_obeyed(store: Store, log: Log) -> None:
    put(store, data="\x1b[2J\u202e\r\n\x00")
    for text in (repr(log), log._repr_html_()):
        assert not {"\x1b", "\u202e", "\r", "\x00"} & set(text)
        assert "x1b" in text


def test_the_repr_counts_rows_and_dropped_ones() -> None:
    store = Store(max_rows=8)
    for n in range(20):
        put(store, data=f"row {n}")
    log = Log(store)
    assert repr(log).startswith(f"<Log {len(log)} rows, {log.dropped} dropped>")
    assert "row 19" in repr(log)
    assert f"{log.dropped} older ones dropped" in log._repr_html_()


def test_long_data_is_cut_where_it_is_shown(store: Store, log: Log) -> None:
    put(store, data="x" * 100_000)
    assert len(repr(log)) < 1_000
    assert len(log._repr_html_()) < 3_000


def test_an_empty_log_shows_itself(log: Log) -> None:
    assert repr(log) == "<Log 0 rows>"
    assert "0 rows" in log._repr_html_()


# ---- the bounds


async def test_a_flow_drops_its_oldest_rows_and_says_how_many() -> None:
    flow = Flow("small", log_rows=50)
    flow.websocket("/").message >> flow.node(lambda: None, name="n")
    client = await flow.client("/")
    for _ in range(200):
        await client.send("x")
    assert len(flow.log) <= 50
    assert flow.log.dropped + len(flow.log) == 201
    assert len(flow.log.frame()) == len(flow.log)
    await flow.stop()


async def test_a_trace_takes_the_number_of_a_row(flow: Flow) -> None:
    flow.websocket("/chat")
    async with flow.client("/chat"):
        seq: Any = np.int64(1)
        assert [row.kind for row in flow.log.trace(seq)] == ["req"]
    wrong: Any = "1"
    with pytest.raises(WsflowError, match="trace takes the seq of a row, such as 1, not '1'"):
        flow.log.trace(wrong)

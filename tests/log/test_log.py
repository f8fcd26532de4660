"""The log as a person looks at it: frames, filters, waiting, and text that stays text."""

import csv
import datetime
import io
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pandas as pd
import pytest

from tests.turns import turns
from wsflow import Context, Flow, ManualClock, ReceiveTimeoutError, Row, WsflowError
from wsflow.base.snapshot import snapshot
from wsflow.log.blocks import Known
from wsflow.log.log import Log
from wsflow.log.store import Store

EVIL = "<img src=x onerror=alert(1)>"
DTYPES = {
    "seq": "int64",
    "time": "datetime64[ns, UTC]",
    "scope": "int64",
    "cause": "Int64",
    "kind": "category",
    "node": "category",
    "port": "category",
    "session": "category",
    "path": "category",
    "data": "object",
    "size": "int64",
    "elapsed": "float64",
    "error": "object",
}
COLUMNS = tuple(DTYPES)


def put(
    store: Store,
    kind: str = "mark",
    node: str = "n",
    port: str = "p",
    *,
    path: str = "",
    session: int = 0,
    cause: int = 0,
    data: Any = None,
    elapsed: float | None = None,
    error: str | None = None,
) -> int:
    picture, size = snapshot(data)
    place = store.place(kind, node, port, path)
    return store.tell(place, session, 1, cause, picture, size, elapsed, error)


def know(store: Store, number: int, path: str = "/chat") -> None:
    store.know(number, Known(f"s{number}", "1.2.3.4", path, "GET", {}, {}, {}, opened=0))


@pytest.fixture
def store() -> Store:
    clock = ManualClock()

    def second() -> int:
        clock.advance(1)
        return clock.time_ns()

    return Store(clock=second)


@pytest.fixture
def log(store: Store) -> Log:
    return Log(store)


@pytest.fixture
def story(store: Store) -> Store:
    """Two sessions, six rows, at seconds one to six."""
    know(store, 1, "/red")
    know(store, 2, "/blue")
    put(store, "req", "chat", "req", session=1)
    put(store, "message", "chat", "message", session=1, data="hi")
    put(store, "route", "split", "out", session=1, cause=2, data={"n": 1})
    put(store, "response", "shout", "response", session=1, cause=3, data="HI", elapsed=0.25)
    put(store, "message", "chat", "message", session=2, data=b"\x00")
    put(store, "error", "shout", "in", session=2, cause=5, error="ValueError: no")
    return store


# ---- the frame


def test_a_frame_has_the_documented_columns(story: Store, log: Log) -> None:
    assert tuple(log.frame().columns) == COLUMNS
    assert len(log.frame()) == 6


@pytest.mark.parametrize("data", [[], ["a"], ["a", None], [None], [1, 2], [1.5], [b"x"], [[1]]])
def test_dtypes_do_not_depend_on_what_travelled(store: Store, log: Log, data: list[Any]) -> None:
    for one in data:
        put(store, data=one)
    assert {name: str(dtype) for name, dtype in log.frame().dtypes.items()} == DTYPES


def test_dtypes_do_not_depend_on_how_many_rows_failed(store: Store, log: Log) -> None:
    put(store, error="ValueError: no", elapsed=1.0)
    assert {name: str(dtype) for name, dtype in log.frame().dtypes.items()} == DTYPES


def test_a_frame_gives_values_as_they_were(story: Store, log: Log) -> None:
    frame = log.frame()
    assert list(frame["data"]) == [None, "hi", {"n": 1}, "HI", b"\x00", None]
    assert list(frame["seq"]) == [1, 2, 3, 4, 5, 6]
    assert list(frame["session"]) == ["s1", "s1", "s1", "s1", "s2", "s2"]
    assert list(frame["path"]) == ["/red"] * 4 + ["/blue"] * 2
    assert list(frame["cause"].isna()) == [True, True, False, False, True, False]
    assert frame["elapsed"][3] == 0.25
    assert np.isnan(frame["elapsed"][0])
    assert list(frame["error"]) == [None] * 5 + ["ValueError: no"]
    assert frame["time"][0] == pd.Timestamp(1, unit="s", tz="UTC")


def test_data_that_are_lists_stay_lists(store: Store, log: Log) -> None:
    put(store, data=[1, 2])
    put(store, data=[3, 4])
    assert list(log.frame()["data"]) == [[1, 2], [3, 4]]


def test_a_frame_over_many_blocks_is_one_frame(store: Store, log: Log) -> None:
    know(store, 1)
    for n in range(3_000):
        put(store, data=n, session=n % 2, error="odd" if n % 2 else None)
    frame = log.frame()
    assert list(frame["data"]) == list(range(3_000))
    assert frame["session"].notna().sum() == 1_500
    assert frame["error"].notna().sum() == 1_500


def test_a_frame_of_an_empty_log_has_columns_and_no_rows(log: Log) -> None:
    frame = log.frame(kind="message", node="x", session="y", since="2020-01-01")
    assert tuple(frame.columns) == COLUMNS
    assert len(frame) == 0


def test_changing_a_frame_changes_nothing_in_the_log(story: Store, log: Log) -> None:
    frame = log.frame()
    frame.loc[:, "size"] = 99
    frame["data"][2]["n"] = "changed"
    assert list(log.frame()["data"])[2] == {"n": 1}
    assert 99 not in set(log.frame()["size"])


# ---- filters


@pytest.mark.parametrize(
    ("filters", "seqs"),
    [
        ({"node": "chat"}, [1, 2, 5]),
        ({"port": "message"}, [2, 5]),
        ({"session": "s2"}, [5, 6]),
        ({"kind": "message"}, [2, 5]),
        ({"kind": ["req", "error"]}, [1, 6]),
        ({"kind": ("req", "error"), "session": "s1"}, [1]),
        ({"node": "chat", "port": "message", "session": "s2", "kind": "message"}, [5]),
        ({"node": "nobody"}, []),
        ({"session": "nobody"}, []),
        ({"kind": []}, []),
        ({"since": "1970-01-01 00:00:05"}, [5, 6]),
        ({"until": "1970-01-01T00:00:02Z"}, [1, 2]),
        ({"since": pd.Timestamp(2, unit="s"), "until": pd.Timestamp(3, unit="s")}, [2, 3]),
        ({"since": datetime.datetime(1970, 1, 1, 1, 0, 6, tzinfo=datetime.timezone(
            datetime.timedelta(hours=1)))}, [6]),
    ],
)  # fmt: skip
def test_filters_keep_the_rows_that_fit_all_of_them(
    story: Store, log: Log, filters: dict[str, Any], seqs: list[int]
) -> None:
    frame = log.frame(**filters)
    assert list(frame["seq"]) == seqs
    assert list(frame.index) == list(range(len(seqs)))


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


async def test_sessions_are_a_frame_with_the_facts_of_the_handshake(flow: Flow) -> None:
    flow.websocket("/chat/{room}")
    client = await flow.client("/chat/red?lang=de&lang=en", headers={"X-Name": "a"}, peer="1.2.3.4")
    open_one = flow.log.sessions().iloc[0]
    assert open_one["path"] == "/chat/red"
    assert open_one["params"] == {"room": "red"}
    assert open_one["query"] == {"lang": ["de", "en"]}
    assert open_one["headers"]["x-name"] == "a"
    assert (open_one["peer"], open_one["method"]) == ("1.2.3.4", "GET")
    assert pd.isna(open_one["closed"])
    assert pd.isna(open_one["code"])
    await client.close(4000, "bye")
    ended = flow.log.sessions().iloc[0]
    assert (ended["code"], ended["reason"]) == (4000, "bye")
    assert ended["closed"] >= ended["opened"]


def test_the_sessions_of_an_empty_log_are_an_empty_frame(log: Log) -> None:
    frame = log.sessions()
    assert len(frame) == 0
    assert list(frame.columns) == [
        "session", "opened", "peer", "path", "method", "params",
        "query", "headers", "closed", "code", "reason",
    ]  # fmt: skip
    assert str(frame["opened"].dtype) == str(frame["closed"].dtype) == "datetime64[ns, UTC]"


async def test_secrets_of_a_handshake_are_in_no_row_and_no_table(flow: Flow) -> None:
    keep = flow.node(lambda ev, ctx: ctx.route(ev), name="keep")

    def fail(ev: Any, ctx: Context) -> None:
        ctx.emit("mine", ev)
        raise ValueError

    flow.websocket("/").req >> keep >> flow.node(fail, name="fail")
    headers = {"Authorization": "Bearer XYZZY", "Cookie": "id=XYZZY", "X-Api-Key": "XYZZY"}
    await flow.client("/?token=XYZZY&page=1&sig=XYZZY", headers=headers)
    told = repr(list(flow.log.frame()["data"])) + repr(flow.log.tail(100))
    assert "XYZZY" not in told + repr(flow.log.sessions().to_dict())
    assert "'page': '1'" in told


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


async def test_a_handler_that_changes_params_and_headers_changes_no_session(flow: Flow) -> None:
    @flow.node
    def vandal(ev: Any) -> None:
        for key in ("params", "query", "headers"):
            ev[key].clear()

    flow.websocket("/{room}").req >> vandal
    client = await flow.client("/red?a=1")
    assert client.session is not None
    assert client.session.params == {"room": "red"}
    assert flow.log.sessions().iloc[0]["query"] == {"a": "1"}
    assert flow.log.sessions().iloc[0]["headers"]["host"] == "memory"


# ---- files


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_csv_text_that_begins_like_a_formula_is_defused(
    store: Store, log: Log, tmp_path: Path, start: str
) -> None:
    evil = f"{start}cmd|' /C calc'!A0"
    know(store, 1, path=evil)
    put(store, "error", evil, evil, session=1, data=evil, error=evil)
    path = log.to_csv(tmp_path / "log.csv")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in ("node", "port", "path", "data", "error"):
        assert table[column][0].startswith(f"'{start}")


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_line_end_of_a_client_begins_no_row_of_the_csv(
    store: Store, log: Log, tmp_path: Path, end: str
) -> None:
    put(store, data=f"hello{end}=cmd|' /C calc'!A0")
    text = log.to_csv(tmp_path / "log.csv").read_bytes().decode()
    assert len(list(csv.reader(io.StringIO(text, newline="")))) == 2


def test_csv_has_all_columns_and_rows(story: Store, log: Log, tmp_path: Path) -> None:
    path = log.to_csv(tmp_path / "log.csv")
    table = pd.read_csv(path)
    assert path == tmp_path / "log.csv"
    assert tuple(table.columns) == COLUMNS
    assert list(table["seq"]) == [1, 2, 3, 4, 5, 6]
    assert table["data"][1] == "hi"
    assert table["data"][2] == "{'n': 1}"


@pytest.mark.usefixtures("parquet")
def test_parquet_comes_back_with_text_and_bytes(story: Store, log: Log, tmp_path: Path) -> None:
    table = pd.read_parquet(log.to_parquet(tmp_path / "log.parquet"))
    assert list(table["data"])[1:4] == ["hi", "{'n': 1}", "HI"]
    assert table["bytes"][4] == b"\x00"
    assert list(table["seq"]) == [1, 2, 3, 4, 5, 6]


def test_parquet_without_its_package_says_what_to_install(
    story: Store, log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pyarrow", "fastparquet"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(ImportError, match=r"pip install 'wsflow\[parquet\]'"):
        log.to_parquet(tmp_path / "log.parquet")


# ---- how it looks


def test_what_a_client_sent_is_text_in_the_html(store: Store, log: Log) -> None:
    know(store, 1, path=EVIL)
    put(store, "error", EVIL, EVIL, session=1, data=EVIL, error=EVIL)
    put(store, "route", data={EVIL: EVIL})
    page = log._repr_html_()
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_what_a_client_sent_is_text_in_what_pandas_shows(store: Store, log: Log) -> None:
    know(store, 1, f"/{EVIL}")
    put(store, session=1, data=EVIL, error=EVIL)
    put(store, session=1, data={EVIL: [EVIL]}, elapsed=0.5)
    frame = log.frame()
    for shown in (frame, frame[frame.seq > 0].head(), frame.set_index("path"), frame.T):
        for page in (shown.to_html(), shown.style.to_html()):
            assert "<img" not in page
            assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert ">0.500000<" in frame.style.to_html()


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


# ---- the sequence diagram


def test_a_sequence_has_a_lifeline_a_session(story: Store, log: Log) -> None:
    lines = [line.strip() for line in log.sequence().splitlines()]
    assert lines[:4] == [
        "sequenceDiagram",
        "participant s0 as s1",
        "participant s1 as s2",
        "participant flow",
    ]
    assert "s0->>flow: hi" in lines
    assert "flow-->>s0: HI" in lines
    assert lines[-1].startswith("Note over s1,flow: error ValueError")


@pytest.mark.parametrize("sign", ["#", ";", ":", "<", ">", '"', "\n", "%%", "\u2028"])
def test_what_a_client_sent_ends_no_line_and_begins_no_markup(
    store: Store, log: Log, sign: str
) -> None:
    know(store, 1)
    put(store, "message", session=1, data=f"a{sign}participant evil")
    lines = log.sequence().split("\n")
    assert len(lines) == 4
    said = lines[-1].partition(": ")[2]
    assert said.startswith("a")
    assert not {"<", ">", '"', "\u2028"} & set(said)
    assert said.replace(f"#{ord(sign[0])};", "").count(";") == 0


def test_a_sequence_of_nothing_is_a_diagram(log: Log) -> None:
    assert log.sequence() == "sequenceDiagram\n    participant flow"


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

"""The recorder: what it says is in the file is there, whatever dies, fills up or is deleted."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import stat
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.needs import missing
from tests.peers.raw import eventually, open_files
from tests.recorded.by_hand import in_order, read
from wsflow import Context, Flow
from wsflow.base.secrets import REDACTED
from wsflow.base.snapshot import snapshot
from wsflow.errors import RecordingError, RecordingNameError
from wsflow.io import format as lines_module
from wsflow.io import recorder as recorder_module
from wsflow.io.completeness import BROKE_OFF
from wsflow.io.folder import names
from wsflow.io.recorder import Recorder
from wsflow.log.blocks import Known
from wsflow.log.store import Store
from wsflow.recording import Recording

SECRET = "hunter2-geheim"


def syncer(recorder: Recorder) -> threading.Thread:
    assert recorder._syncer is not None
    return recorder._syncer


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def begin(store: Store, tmp_path: Path) -> Iterator[Callable[..., Recorder]]:
    """Begin a recording of `store`; all are stopped in the end."""
    begun: list[Recorder] = []

    def begin(name: str = "one", *, describe: Callable[[], Any] = dict, **options: Any) -> Recorder:
        recorder = Recorder(name, store, describe, **({"folder": tmp_path} | options))
        begun.append(recorder)
        return recorder

    yield begin
    for recorder in begun:
        recorder.stop()


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    yield
    deadline = time.monotonic() + 30
    while any("wsflow recorder" in one.name for one in threading.enumerate()):
        assert time.monotonic() < deadline, "a recorder's thread was left behind"
        time.sleep(0.01)


@pytest.fixture
async def echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Flow]:
    """A flow that answers in capitals, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    flow = Flow("echo")
    shouting(flow)
    yield flow
    await flow.stop()


def shouting(flow: Flow) -> None:
    @flow.node
    def shout(ev: Any, ctx: Context) -> None:
        ctx.route(ev)
        ctx.emit("response", {"body": ev["message"].upper()})

    flow.websocket("/chat/{room}").message >> shout


def tell(
    store: Store, data: Any = None, *, kind: str = "mark", session: int = 0, **rest: Any
) -> int:
    picture, size = snapshot(data)
    place = store.place(kind, "n", "p")
    return store.tell(place, session, 1, 0, picture, size, rest.get("elapsed"), rest.get("error"))


def know(store: Store, number: int, **facts: Any) -> None:
    given = {"path": "/chat", "params": {}, "query": {}, "headers": {}} | facts
    store.know(number, Known(id=f"s{number}", peer="1.2.3.4", method="GET", opened=0, **given))


def held(store: Store) -> Callable[[], None]:
    """Let the takers of a store wait, as in a loop, until the returned function is called."""
    waiting: list[Callable[[], None]] = []
    store.later = waiting.append

    def turn() -> None:
        while waiting:
            waiting.pop(0)()

    return turn


# ---- what is written


def test_every_row_is_in_the_file_as_the_log_has_it(
    store: Store, begin: Callable[..., Recorder]
) -> None:
    know(store, 1)
    values = [
        "text",
        b"\x00\xff",
        {"a": [1, None, {"b": b"x"}]},
        None,
        5,
        2.5,
        float("inf"),
        "\ud800",
    ]
    recorder = begin()
    for value in values:
        tell(store, value, kind="route", session=1, elapsed=0.25, error="wrong \ud800")
    rows = read(recorder.stop())
    assert [row.value for row in rows] == [*values[:-1], "\\ud800"]
    told = list(store.rows())
    for row, there in zip(rows, told, strict=True):
        assert (row.seq, row.time, row.scope, row.cause) == (there.seq, there.time, there.scope, 0)
        assert (row.kind, row.node, row.port) == (there.kind, there.node, there.port)
        assert (row.session, row.path, row.size) == ("s1", "/chat", there.size)
        assert (row.elapsed, row.error) == (0.25, "wrong \\ud800")


def test_it_begins_now_and_with_a_header(store: Store, begin: Callable[..., Recorder]) -> None:
    tell(store, "before")
    recorder = begin(describe=lambda: {"name": "chat"}, redact=["pin"])
    tell(store, "after")
    recorder.stop()
    tell(store, "too late")
    first, *rest = [json.loads(one) for one in recorder.path.read_text().splitlines()]
    assert (first["wsflow"], first["part"], first["flow"]) == (1, 1, {"name": "chat"})
    assert {"pin", "cookie"} <= set(first["redacted"])
    assert first["created"].endswith("+00:00")
    *rows, end = rest
    assert [one["data"] for one in rows] == ["after"]
    assert end["end"] == []
    assert recorder.rows == 1


def test_a_session_that_was_there_before_brings_its_handshake(
    store: Store, begin: Callable[..., Recorder]
) -> None:
    know(store, 1, path="/a", query={"q": "1"})
    tell(store, kind="req", session=1)
    recorder = begin()
    tell(store, "hi", kind="message", session=1)
    tell(store, "ho", kind="message", session=1)
    opened, *rows = Recording.open(recorder.stop()).entries()
    assert opened.opened is not None
    assert (opened.opened["id"], opened.opened["query"]) == ("s1", {"q": "1"})
    assert [(row.session, row.path, row.value) for row in rows] == [
        ("s1", "/a", "hi"),
        ("s1", "/a", "ho"),
    ]


def test_a_close_tells_its_code_or_that_nobody_told_one(
    store: Store, begin: Callable[..., Recorder]
) -> None:
    recorder = begin()
    for number, code in ((1, 4001), (2, None)):
        know(store, number)
        store.session_ended(number, code, "bye")
        tell(store, kind="close", session=number)
    first, second = read(recorder.stop())
    assert (first.code, first.reason) == (4001, "bye")
    assert second.code is None


def test_sessions_that_ended_do_not_stay_in_memory(
    store: Store, begin: Callable[..., Recorder]
) -> None:
    recorder = begin()
    for number in range(1, 501):
        know(store, number)
        for kind in ("req", "message", "response"):
            tell(store, "x", kind=kind, session=number)
        store.session_ended(number, 1000, "")
        tell(store, kind="close", session=number)
    assert len(recorder._present) == 0
    assert len(Recording.open(recorder.stop()).sessions()) == 500


def test_a_row_after_the_close_still_knows_its_session(
    store: Store, begin: Callable[..., Recorder]
) -> None:
    recorder = begin()
    know(store, 1)
    store.session_ended(1, 1000, "")
    tell(store, kind="close", session=1)
    tell(store, "late", kind="drop", session=1)
    recording = Recording.open(recorder.stop())
    assert [row.session for row in recording.rows()] == ["s1", "s1"]
    assert len(recording.sessions()) == 1


def test_t_never_goes_back_though_the_wall_clock_does(tmp_path: Path) -> None:
    now = iter([10**18, *(10**18 + step for step in (0, 5, -(10**12), 7, 10**9, 3))] * 9)
    store = Store(clock=lambda: next(now))
    recorder = Recorder("one", store, dict, folder=tmp_path)
    for _ in range(20):
        tell(store)
    times = [row.t for row in read(recorder.stop())]
    assert times == sorted(times)
    assert times[0] >= 0


def test_rows_that_were_dropped_before_they_were_recorded_leave_a_gap(tmp_path: Path) -> None:
    store = Store(max_rows=100)
    recorder = Recorder("one", store, dict, folder=tmp_path)
    recorder._detach()  # what it is not told of it can not save
    for number in range(1_000):
        tell(store, number)
    gap, *rows = read(recorder.stop())
    assert (gap.kind, gap.seq) == ("gap", 1)
    assert gap.error == f"{1_000 - len(rows)} rows were dropped before they could be recorded"
    assert [row.seq for row in rows] == list(range(1_001 - len(rows), 1_001))
    assert gap.time == rows[0].time
    lost = [f"{1_000 - len(rows)} rows were dropped before they could be recorded"]
    assert Recording.open(recorder.path).lacks == lost


@pytest.mark.parametrize("max_rows", [1, 7, 100, 5_000])
def test_p26_a_burst_beyond_the_log_is_recorded_whole(tmp_path: Path, max_rows: int) -> None:
    """Found A3: what the log is about to drop is written first, though the loop never turns."""
    store = Store(max_rows=max_rows)
    held(store)  # and never let go
    recorder = Recorder("one", store, dict, folder=tmp_path)
    for number in range(20_000):
        tell(store, number)
    rows = read(recorder.stop())
    assert [row.value for row in rows] == list(range(20_000))
    assert in_order(rows)
    assert recorder.rows == 20_000
    assert store.dropped >= 20_000 - max_rows


def test_p26_a_burst_of_large_rows_is_recorded_whole(tmp_path: Path) -> None:
    """Found A3, by bytes: the log drops rows for their weight, too."""
    store = Store(max_bytes=2**20)
    held(store)
    recorder = Recorder("one", store, dict, folder=tmp_path)
    for number in range(200):
        tell(store, f"{number}" * 10_000)
    rows = read(recorder.stop())
    assert [row.value for row in rows] == [f"{number}" * 10_000 for number in range(200)]


def test_p26_rows_are_recorded_before_the_log_is_cleared(store: Store, tmp_path: Path) -> None:
    """Found A3: `log.clear()` in the same cell is an eviction of all there is."""
    held(store)
    recorder = Recorder("one", store, dict, folder=tmp_path)
    know(store, 1)
    tell(store, "first", kind="message", session=1)
    store.session_ended(1, 1000, "bye")
    tell(store, kind="close", session=1)
    store.clear()
    tell(store, "second")
    first, closed, second = read(recorder.stop())
    assert (first.value, first.session, closed.reason) == ("first", "s1", "bye")
    assert second.value == "second"


def test_p26_in_a_burst_each_of_several_recordings_has_all(tmp_path: Path) -> None:
    """Found A3: also where one of them fails in the middle of it."""
    store = Store(max_rows=1_000)
    held(store)
    doomed, first, second = (
        Recorder(name, store, dict, folder=tmp_path) for name in ("doomed", "first", "second")
    )
    for number in range(10_000):
        if number == 5_000:
            doomed._trouble = OSError(errno.EIO, os.strerror(errno.EIO))
        tell(store, number)
    assert not doomed.running
    for one in (first, second):
        rows = read(one.stop())
        assert in_order(rows)
        assert [row.value for row in rows if row.kind == "mark"] == list(range(10_000))
        assert [row.kind for row in rows if row.kind != "mark"] == ["error", "gap"]


async def test_p26_broadcasts_to_hundreds_in_one_handler_are_recorded_whole(
    tmp_path: Path,
) -> None:
    """Found A3: a handler that broadcasts again and again never lets the loop turn."""
    flow = Flow("crowd", log_rows=2_000)
    chat, people = flow.websocket("/"), flow.connections()
    chat.req >> people.req
    chat.close >> people.close
    push = flow.inject(None, name="push")

    @flow.node
    def all_at_once(ev: Any) -> None:
        for number in range(40):
            people.broadcast(str(number))

    push >> all_at_once
    clients = [await flow.client("/") for _ in range(101)]
    recorder = flow.record("crowd", folder=tmp_path)
    push.fire()
    await asyncio.sleep(0)
    recording = Recording.open(recorder.stop())
    sent = [row for row in recording.rows() if row.kind == "response"]
    assert len(sent) == 40 * len(clients)
    assert recording.lacks == []
    await flow.stop()


async def test_p26_an_inject_that_fires_on_and_on_in_a_cell_is_recorded_whole(
    tmp_path: Path,
) -> None:
    """Found A3: so is what one cell does in a loop."""
    flow = Flow("injected", log_rows=1_000)
    seen = flow.node(lambda ev: None, name="seen")
    push = flow.inject(None, name="push")
    push >> seen
    await flow.start()
    with flow.record("injected", folder=tmp_path) as recorder:
        for number in range(5_000):
            push.fire(number)
    fired = [row.value for row in Recording.open(recorder.path).rows() if row.kind == "fire"]
    assert fired == list(range(5_000))
    await flow.stop()


def test_data_too_long_for_a_line_is_left_out_and_said_so(
    store: Store, begin: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_module, "MAX_LINE", 2**20 + 100_000)
    recorder = begin()
    for size in (90_000, 110_000):
        tell(store, "x" * size)
    short, long = read(recorder.stop())
    assert len(short.value) == 90_000
    assert long.value is None
    assert long.error == "data of 110000 bytes is too long for a recording"


def test_an_endless_error_text_is_cut(store: Store, begin: Callable[..., Recorder]) -> None:
    recorder = begin()
    tell(store, error="x" * 2**22)
    (row,) = read(recorder.stop())
    assert row.error == "x" * 2**20


# ---- beginning and ending


def test_a_mark_is_a_row_to_find_the_place_again(
    store: Store, begin: Callable[..., Recorder]
) -> None:
    recorder = begin()
    recorder.mark("lesson 2 starts")
    (row,) = read(recorder.path)
    assert (row.kind, row.value, row.port) == ("mark", "lesson 2 starts", "recording")
    recorder.stop()
    with pytest.raises(RecordingError, match="'one' has stopped; a mark would be lost"):
        recorder.mark("too late")


def test_it_shows_what_it_does(store: Store, begin: Callable[..., Recorder]) -> None:
    recorder = begin()
    tell(store)
    assert repr(recorder).startswith("<Recorder one recording 1 rows in ")
    recorder.stop()
    assert repr(recorder).startswith("<Recorder one done 1 rows in ")
    assert repr(begin()).endswith(", the previous one is one-1.jsonl>")


def test_stopping_twice_is_harmless_and_with_stops_too(
    store: Store, begin: Callable[..., Recorder]
) -> None:
    stopped: list[int] = []
    with begin(on_stop=lambda: stopped.append(1)) as recorder:
        tell(store)
    assert "done" in repr(recorder)
    assert recorder.stop() == recorder.stop() == recorder.path
    assert stopped == [1]


def test_it_leaves_no_descriptor_and_no_thread(
    store: Store, begin: Callable[..., Recorder]
) -> None:
    before = open_files()
    for _ in range(10):
        recorder = begin(part_bytes=100)
        tell(store)
        recorder.stop()
        syncer(recorder).join(30)
        assert not syncer(recorder).is_alive()
    assert open_files() <= before


def test_the_same_name_again_keeps_the_take_before(
    store: Store, begin: Callable[..., Recorder], tmp_path: Path
) -> None:
    for take in range(3):
        recorder = begin()
        recorder.mark(f"take {take}")
        recorder.stop()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "one-1.jsonl",
        "one-2.jsonl",
        "one.jsonl",
    ]
    for name, take in (("one-1", 0), ("one-2", 1), ("one", 2)):
        assert [row.value for row in read(tmp_path / f"{name}.jsonl")] == [f"take {take}"]


def test_two_recorders_do_not_take_each_others_name(
    store: Store, begin: Callable[..., Recorder]
) -> None:
    first = begin()
    with pytest.raises(RecordingError, match="is being recorded by another flow or process"):
        begin("one.jsonl")
    tell(store, "x")
    assert [row.value for row in read(first.stop())] == ["x"]
    begin()


@pytest.mark.parametrize("name", ["../x", "a/b", "", "x.part2", "~"])
def test_a_name_that_leaves_the_folder_is_refused(
    begin: Callable[..., Recorder], name: str
) -> None:
    with pytest.raises(RecordingNameError):
        begin(name)


def test_a_link_is_not_followed(begin: Callable[..., Recorder], tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder = tmp_path / "recordings"
    folder.mkdir()
    (folder / "one.jsonl").symlink_to(victim)
    with pytest.raises(RecordingNameError, match="leads out"):
        begin(folder=folder)
    assert victim.read_text() == "precious"


def test_the_files_are_ours_alone(store: Store, begin: Callable[..., Recorder]) -> None:
    before = os.umask(0)
    try:
        recorder = begin(part_bytes=10)
        tell(store)
    finally:
        os.umask(before)
    parts = Recording.open(recorder.stop()).parts()
    assert len(parts) > 1
    assert {stat.S_IMODE(path.stat().st_mode) for path in parts} == {0o600}


def test_a_folder_that_can_not_be_is_told_with_a_remedy(
    begin: Callable[..., Recorder], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match=r"one\.jsonl: can not be written: .*another folder"):
        begin(folder=tmp_path / "file")


def test_a_recording_that_can_not_begin_leaves_nothing(
    begin: Callable[..., Recorder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_files()
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", _full(0))
        with pytest.raises(RecordingError, match=r"No space left on device; make room"):
            begin()
    with pytest.raises(ZeroDivisionError):
        begin(describe=lambda: {"x": 1 // 0})
    assert list(tmp_path.iterdir()) == []
    assert open_files() <= before


# ---- parts


def test_a_long_recording_goes_on_in_parts_that_are_read_as_one(
    store: Store, begin: Callable[..., Recorder]
) -> None:
    know(store, 1, path="/long")
    recorder = begin(part_bytes=4_000)
    for number in range(200):
        tell(store, f"{number}", kind="message", session=1)
    recording = Recording.open(recorder.stop())
    assert len(recording.parts()) > 5
    assert [row.value for row in recording.rows()] == [f"{number}" for number in range(200)]
    assert recording.info().parts == len(recording.parts())
    assert len(recording.sessions()) == 1
    for number, path in enumerate(recording.parts(), 1):
        assert json.loads(path.read_text().splitlines()[0])["part"] == number
        assert 4_000 <= path.stat().st_size <= 5_000 or path == recording.parts()[-1]


def test_each_part_can_be_read_alone(
    store: Store, begin: Callable[..., Recorder], tmp_path: Path
) -> None:
    know(store, 1, path="/long")
    recorder = begin(part_bytes=1_000)
    for number in range(20):
        tell(store, number, kind="message", session=1)
    found = []
    for path in Recording.open(recorder.stop()).parts():
        alone = Recording.open(shutil.copy(path, tmp_path / "alone.jsonl"))
        found += [row.value for row in alone.rows()]
        assert list(alone.sessions()["path"]) == ["/long"] * bool(len(alone))
    assert found == list(range(20))


# ---- while it runs


def test_a_recording_in_the_making_can_be_read(
    store: Store, begin: Callable[..., Recorder]
) -> None:
    recorder = begin()
    for number in range(1, 50):
        tell(store, number)
        assert recorder.rows == number
        assert len(read(recorder.path)) == number


def test_rows_are_written_once_a_turn_in_one_go(
    store: Store, begin: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = held(store)
    recorder = begin()
    written: list[int] = []
    real = os.write

    def write(file: int, data: Any) -> int:
        written.append(len(data))
        return real(file, data)

    monkeypatch.setattr(os, "write", write)
    for _ in range(3):
        for number in range(100):
            tell(store, number)
        assert recorder.rows % 100 == 0
        turn()
    assert len(written) == 3
    assert recorder.rows == 300


def test_the_file_is_synced_once_a_second_and_not_here(
    store: Store, begin: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[float, int]] = []
    real = os.fsync

    def fsync(file: int) -> None:
        synced.append((time.monotonic(), threading.get_ident()))
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    began = time.monotonic()
    recorder = begin()
    while len(synced) < 2 and time.monotonic() - began < 10:
        tell(store, "x")
        time.sleep(0.002)
    recorder.stop()
    syncer(recorder).join(30)
    assert {thread for _, thread in synced}.isdisjoint({threading.get_ident()})
    *each_second, _end = [when - began for when, _ in synced]
    assert len(each_second) >= 2
    assert all(b - a >= 1 for a, b in pairwise([0.0, *each_second]))


def test_every_part_that_has_ended_is_synced(
    store: Store, begin: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "SYNC_SECONDS", 1000.0)
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_ino))
    recorder = begin(part_bytes=4_000)
    for _ in range(200):
        tell(store, "x")
    recorder.stop()
    syncer(recorder).join(30)
    parts = Recording.open(recorder.path).parts()
    assert len(parts) > 5
    assert synced == [part.stat().st_ino for part in parts]


def test_a_file_that_does_not_grow_is_not_synced(
    begin: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "SYNC_SECONDS", 0.01)
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    recorder = begin()
    while not synced:
        time.sleep(0.01)
    time.sleep(0.3)
    assert len(synced) == 1
    recorder.stop()


async def test_a_slow_disk_does_not_hold_up_the_loop(
    echo: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, done = threading.Event(), threading.Event()
    gave_up: list[int] = []

    def slow(file: int) -> None:
        asked.set()
        if not done.wait(20):
            gave_up.append(file)

    monkeypatch.setattr(os, "fsync", slow)
    monkeypatch.setattr(recorder_module, "SYNC_SECONDS", 0.01)
    async with echo.client("/chat/red") as alice:
        with echo.record("one") as recorder:
            await eventually(asked.is_set)
            for number in range(60):
                await alice.send(f"{number}")
                assert await alice.receive() == f"{number}"
    done.set()  # only now: neither the messages nor the end of the recording waited for it
    assert gave_up == []
    assert [row.value for row in read(recorder.path) if row.kind == "response"] == [
        f"{number}" for number in range(60)
    ]
    await asyncio.to_thread(syncer(recorder).join, 30)


def test_any_thread_may_stop_it_while_rows_come_in(
    store: Store, begin: Callable[..., Recorder]
) -> None:
    for _ in range(20):
        recorder = begin()
        thread = threading.Thread(target=recorder.stop)
        for number in range(400):
            tell(store, number)
            if number == 200:
                thread.start()
        thread.join()
        rows = read(recorder.path)
        assert [row.seq for row in rows] == list(range(rows[0].seq, rows[0].seq + len(rows)))
        assert recorder.rows == len(rows) >= 200


# ---- secrets


async def test_no_secret_is_in_the_file(echo: Flow) -> None:
    @echo.node
    def careless(ev: Any, ctx: Context) -> None:
        ctx.emit("note", ev, {"password": SECRET})
        raise ValueError(
            f"no: {ev['message']} {ev['headers']!r}".replace(SECRET, "password=" + SECRET)
        )

    echo.nodes["/chat/{room}"].outputs["message"] >> careless
    headers = {
        "Authorization": f"Bearer {SECRET}",
        "Cookie": f"a={SECRET}",
        "X-Api-Key": SECRET,
        "Proxy-Authorization": SECRET,
        "X-Pin": SECRET,
    }
    server = await echo.serve()
    with echo.record("one", redact=["password", "x-pin"]) as recorder:
        path = f"/chat/red?token={SECRET}&KEY={SECRET}&password={SECRET}&sig={SECRET}&a=b"
        offered = [Subprotocol(f"wsflow.token.{SECRET}")]
        async with connect(
            server.url + path, additional_headers=headers, subprotocols=offered
        ) as peer:
            await peer.send(json.dumps({"user": "bob", "Password": SECRET}))
            await peer.recv()
        async with echo.client(path, headers=headers) as alice:
            await alice.send(f'{{"a": [{{"password": "{SECRET}"}}]}}')
            await alice.receive()
        recorder.mark(f"password={SECRET}")
    raw = recorder.path.read_bytes()
    assert SECRET.encode() not in raw
    assert SECRET.upper().encode() not in raw
    assert raw.count(REDACTED.encode()) > 20
    kinds = {row.kind for row in read(recorder.path)}
    assert {"req", "message", "route", "response", "signal", "error", "mark", "close"} <= kinds
    first = json.loads(raw.splitlines()[1])["opened"]
    assert first["query"]["a"] == "b"
    assert first["headers"]["authorization"] == REDACTED


def test_one_name_to_redact_is_no_list_of_letters(
    store: Store, begin: Callable[..., Recorder]
) -> None:
    recorder = begin(redact="pin")
    tell(store, {"pin": SECRET, "p": 1, "i": 2})
    (row,) = read(recorder.stop())
    assert row.value == {"pin": REDACTED, "p": 1, "i": 2}


# ---- what may go wrong


def _full(room: int, code: int = errno.ENOSPC) -> Callable[[int, Any], int]:
    """Return a `write` for a disk with room for so many more bytes."""
    real, left = os.write, [room]

    def write(file: int, data: Any) -> int:
        taken = min(len(data), left[0])
        if not taken:
            raise OSError(code, os.strerror(code))
        left[0] -= taken
        return real(file, bytes(data[:taken]))

    return write


def failures(store: Store) -> list[tuple[str, str | None]]:
    return [(row.kind, row.error) for row in store.rows() if row.kind in {"error", "gap"}]


@pytest.mark.parametrize("room", [0, 1, 199, 900, 20_000])
def test_p27_of_a_burst_a_full_disk_keeps_what_there_is_room_for(
    store: Store, begin: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """Found A20: whole lines are kept, none is written twice, the log says from where on not."""
    turn = held(store)
    recorder = begin()
    know(store, 1)
    before = recorder.path.stat().st_size
    for number in range(400):
        tell(store, number, kind="message", session=1)
    monkeypatch.setattr(os, "write", _full(room))
    turn()
    monkeypatch.undo()
    rows = read(recorder.path)
    assert in_order(rows)
    assert len(rows) == recorder.rows
    assert room - 400 < recorder.path.stat().st_size - before <= room
    assert not recorder.running
    assert ("gap", f"nothing from row {len(rows) + 1} on is in one.jsonl") in failures(store)
    assert Recording.open(recorder.path).lacks == [BROKE_OFF]


@pytest.mark.parametrize("room", [0, 1, 100, 500, 2_000])
def test_a_full_disk_ends_it_loudly_and_what_was_written_stays(
    store: Store, begin: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    recorder = begin()
    tell(store, "before")
    monkeypatch.setattr(os, "write", _full(room))
    for number in range(100):
        tell(store, number)
    monkeypatch.undo()
    rows = read(recorder.path)
    assert len(rows) == recorder.rows >= 1
    assert not recorder.running
    name = recorder.path.name
    assert failures(store) == [
        ("error", f"recording 'one' stopped: {recorder.path}: No space left on device"),
        ("gap", f"nothing from row {rows[-1].seq + 1} on is in {name}"),
    ]
    assert "failed: " in repr(recorder)
    with pytest.raises(RecordingError, match=r"has stopped: .*No space left"):
        recorder.mark("x")
    assert recorder.stop() == recorder.path


def test_a_disk_that_is_full_when_the_next_part_begins(
    store: Store, begin: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = begin(part_bytes=3_000)

    def nowhere(_: Path) -> int:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(recorder_module, "create", nowhere)
    for number in range(100):
        tell(store, number)
    rows = read(recorder.path)
    assert len(rows) == recorder.rows > 5
    assert [kind for kind, _ in failures(store)] == ["error", "gap"]
    assert f"nothing from row {rows[-1].seq + 1} on" in str(failures(store)[1][1])


def test_another_recording_goes_on_and_tells_of_it(
    store: Store, begin: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    lucky, unlucky = begin("lucky"), begin("unlucky")
    real = os.write

    def write(file: int, data: Any) -> int:
        if file == unlucky._file:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(file, data)

    monkeypatch.setattr(os, "write", write)
    tell(store)
    tell(store)
    assert [row.kind for row in read(lucky.stop())] == ["mark", "error", "gap", "mark"]


def test_a_fault_of_ours_ends_the_recording_and_nothing_else(
    store: Store, begin: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = begin()
    monkeypatch.setattr(lines_module, "write_all", lambda _: 1 / 0)
    tell(store)
    tell(store)
    assert not recorder.running
    (error, gap) = failures(store)
    assert "ZeroDivisionError" in str(error[1])
    assert gap[1] == "nothing from row 1 on is in one.jsonl"


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_a_disk_that_fails_to_sync_is_told_too(
    store: Store, begin: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def broken(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(recorder_module, "SYNC_SECONDS", 0.01)
    monkeypatch.setattr(os, "fsync", broken)
    recorder = begin()
    deadline = time.monotonic() + 30
    while recorder.running and time.monotonic() < deadline:
        tell(store)
        time.sleep(0.01)
    assert os.strerror(code) in str(recorder.failed)
    assert [kind for kind, _ in failures(store)] == ["error", "gap"]


def test_one_that_fails_to_sync_in_the_end_is_told(
    store: Store, begin: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(recorder_module, "PARTING", 30.0)
    recorder = begin()
    tell(store)
    monkeypatch.setattr(os, "fsync", broken)
    recorder.stop()
    assert [kind for kind, _ in failures(store)] == ["error", "gap"]
    assert recorder.failed is not None


def test_what_can_not_be_synced_at_all_is_no_failure(
    store: Store, begin: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(_: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(recorder_module, "PARTING", 30.0)
    monkeypatch.setattr(os, "fsync", unable)
    recorder = begin()
    tell(store)
    recorder.stop()
    assert (recorder.failed, failures(store)) == (None, [])


def test_it_tells_how_long_it_has_run(echo: Flow) -> None:
    began = time.monotonic()
    with echo.record("one") as recorder:
        first = recorder.seconds
        assert 0 <= first <= recorder.seconds <= time.monotonic() - began


async def test_a_folder_deleted_meanwhile_is_noticed_and_the_server_lives_on(
    echo: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "SYNC_SECONDS", 0.05)
    server = await echo.serve(record="one")
    (recorder,) = echo._host.recorders.values()
    async with connect(f"{server.url}/chat/red") as peer:
        await peer.send("a")
        assert await peer.recv() == "A"
        shutil.rmtree("recordings")
        while recorder.running:
            await peer.send("b")
            assert await peer.recv() == "B"
            await asyncio.sleep(0.01)
        await peer.send("c")
        assert await peer.recv() == "C"
    errors = [row for row in echo.log.tail(10_000) if row.kind in {"error", "gap"}]
    assert [row.kind for row in errors] == ["error", "gap"]
    assert "the file was deleted" in str(errors[0].error)
    again = echo.record("one")
    assert (again.kept, again.stop().name) == (None, "one.jsonl")


async def test_a_deletion_is_told_though_nothing_else_happens(
    echo: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "SYNC_SECONDS", 0.05)
    await echo.start()
    recorder = Recorder("one", echo._host.store, dict, folder="recordings", call=echo._host.call)
    shutil.rmtree("recordings")
    row = await echo.log.until(kind="gap")
    assert not recorder.running
    assert row.port == "recording"


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB; only root may mount one."""
    place = tmp_path / "tiny"
    place.mkdir()
    if os.geteuid() != 0:
        missing("run it as root: only root may mount a tmpfs")
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        missing(f"let a tmpfs be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


async def test_a_really_full_disk_costs_the_recording_and_nothing_else(
    echo: Flow, tiny_disk: Path
) -> None:
    server = await echo.serve()
    recorder = echo.record("one", folder=tiny_disk)
    async with connect(f"{server.url}/chat/red") as peer:
        for number in range(200):
            await peer.send(f"{number:0300}")
            assert await peer.recv() == f"{number:0300}"
    assert "No space left on device" in str(recorder.failed)
    rows = read(recorder.path)
    assert len(rows) == recorder.rows > 10
    assert recorder.path.stat().st_size <= 64 * 1024
    told = [row for row in echo.log.tail(10_000) if row.kind in {"error", "gap"}]
    assert [row.kind for row in told] == ["error", "gap"]
    assert told[1].error == f"nothing from row {rows[-1].seq + 1} on is in one.jsonl"
    with pytest.raises(RecordingError, match="make room there, or name another folder"):
        echo.record("two", folder=tiny_disk)
    echo.record("two", folder=tiny_disk.parent)


# ---- with a flow


async def test_a_flow_records_until_it_is_stopped(echo: Flow) -> None:
    recorder = echo.record("one")
    async with echo.client("/chat/red?a=1") as alice:
        await alice.send("hi")
        assert await alice.receive() == "HI"
    await echo.stop()
    assert not recorder.running
    rows = read(Path("recordings/one.jsonl"))
    assert [row.kind for row in rows] == ["req", "message", "route", "response", "close"]
    assert {row.path for row in rows} == {"/chat/red"}
    assert (rows[-1].code, rows[-1].reason) == (1000, "")
    assert rows[2].value["message"] == "hi"


async def test_sessions_that_the_stop_closes_have_their_close_in_the_file(echo: Flow) -> None:
    server = await echo.serve(record="one")
    async with connect(f"{server.url}/chat/red") as peer:
        await peer.send("hi")
        await peer.recv()
        await echo.stop()
    rows = read(Path("recordings/one.jsonl"))
    assert (rows[-1].kind, rows[-1].code) == ("close", 1001)
    assert len(rows) == echo._host.store.seq


async def test_the_cell_that_records_may_run_again(echo: Flow) -> None:
    first = echo.record("one")
    first.mark("a")
    second = echo.record("one")
    assert (first.running, second.running) == (False, True)
    assert second.kept == Path("recordings/one-1.jsonl")
    assert [row.value for row in read(second.kept)] == ["a"]


async def test_one_name_in_two_folders_is_two_recordings(echo: Flow) -> None:
    here, there = echo.record("one"), echo.record("one", folder="elsewhere")
    echo._host.store.tell(echo._host.store.place("mark", "", ""), 0, 0, 0, "a", 1)
    again = echo.record("one", folder="elsewhere")
    assert (here.running, there.running, again.running) == (True, False, True)
    await echo.serve(record="one")
    await echo.stop()
    assert not echo._host.recorders
    assert [row.value for row in read(here.path)][:1] == ["a"]
    assert [row.value for row in read(Path("elsewhere/one-1.jsonl"))] == ["a"]
    assert names() == ["one"]
    assert names("elsewhere") == ["one", "one-1"]


async def test_serving_again_does_not_begin_the_recording_again(echo: Flow) -> None:
    for _ in range(2):
        await echo.serve(record="one")
    assert names() == ["one"]


async def test_a_flow_in_a_thread_is_recorded_marked_and_stopped_from_here(echo: Flow) -> None:
    server = await echo.serve(thread=True)
    recorder = echo.record("one")
    async with connect(f"{server.url}/chat/red") as peer:
        for number in range(100):
            await peer.send(f"{number}")
            if number % 10 == 0:
                recorder.mark(f"at {number}")
            assert await peer.recv() == f"{number}"
        await eventually(lambda: recorder.rows >= 311)
        rows = read(recorder.stop())
    assert [row.value for row in rows if row.kind == "response"] == [f"{n}" for n in range(100)]
    assert [row.value for row in rows if row.kind == "mark"] == [
        f"at {n}" for n in range(0, 100, 10)
    ]
    assert in_order(rows)


async def test_several_at_once_each_have_all(echo: Flow) -> None:
    recorders = [echo.record(f"take{number}") for number in range(5)]
    async with echo.client("/chat/red") as alice:
        await alice.send("hi")
        await alice.receive()
    assert len({tuple(row.seq for row in read(one.stop())) for one in recorders}) == 1

"""Promise P38, found A15: where no thread can be started a flow runs, and says what it lacks."""

import asyncio
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import wsflow
from tests.graph.conftest import errors, marks
from tests.peers.raw import Raw, text
from wsflow import Context, Flow, ServeError
from wsflow.base.threads import LACKING
from wsflow.panel.ticker import Ticker


@pytest.fixture(autouse=True)
def no_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        yield


def echoing(name: str = "echo") -> Flow:
    flow = Flow(name)

    @flow.node
    async def echo(ev: Any, ctx: Context) -> None:
        await asyncio.sleep(0.001)
        ctx.emit("response", {"body": ev["message"]})

    flow.websocket("/").message >> echo
    return flow


async def test_p38_a_flow_serves_and_says_once_what_it_lacks() -> None:
    flow = echoing()
    server = await flow.serve()
    async with Raw.websocket(server.port) as raw:
        await raw.send(text("over a socket"))
        assert (await raw.frame()).payload == b"over a socket"
    client = await flow.client("/")
    await client.send("in memory")
    assert await client.receive() == "in memory"
    assert marks(flow) == [LACKING]
    assert errors(flow) == []
    await flow.stop()


async def test_p38_timers_tick() -> None:
    flow, ticks = Flow("ticking"), asyncio.Event()
    flow.timer(0.001) >> flow.node(lambda: ticks.set(), name="tick")
    await flow.start()
    await asyncio.wait_for(ticks.wait(), 30)
    await flow.stop()


async def recorded(flow: Flow, folder: Path) -> None:
    with flow.record("lesson", folder=folder) as recorder:
        client = await flow.client("/")
        for word in ("one", "two"):
            await client.send(word)
            await client.receive()
        await client.close()
    assert recorder.failed is None


async def test_p38_what_is_recorded_is_on_disk_and_replays_while_others_wait(
    tmp_path: Path,
) -> None:
    flow = echoing()
    await recorded(flow, tmp_path)
    live = await flow.client("/")
    await live.send("live")
    report = await flow.replay("lesson", folder=tmp_path)
    assert report.ok
    assert report.tally.same == 2
    assert await live.receive() == "live"
    replay = flow.replay("lesson", folder=tmp_path)
    replay.pause()
    with pytest.raises(wsflow.ReplayError, match="stand still only in a thread"):
        await replay
    await flow.stop()


def test_p38_an_exercise_is_checked_without_a_loop_and_within_one(tmp_path: Path) -> None:
    flow = echoing()
    asyncio.run(recorded(flow, tmp_path))
    exercise = wsflow.make_exercise(
        tmp_path / "lesson.jsonl", "echo", title="Echo", task="Echo.", folder=tmp_path
    )
    assert exercise.check(echoing("solved")).ok

    async def within() -> bool:
        task = asyncio.current_task()
        found = exercise.check(echoing("solved too")).ok
        await asyncio.sleep(0)  # the loop goes on, and knows whose turn it is
        assert asyncio.current_task() is task
        return found

    assert asyncio.run(within())
    assert not exercise.check(Flow("empty")).ok


async def test_p38_thread_true_is_refused_with_words_and_without_it_the_flow_serves() -> None:
    flow = echoing()
    with pytest.raises(ServeError, match="thread=True: can't start new thread"):
        await flow.serve(thread=True)
    server = await flow.serve()
    assert server.running
    await flow.stop()


async def test_p38_a_long_body_is_judged_all_the_same() -> None:
    pytest.importorskip("jsonschema")
    flow = Flow("judge")
    things = flow.multi("/things", schema={"type": "array", "maxItems": 3})
    things.post >> flow.node(lambda ev, ctx: ctx.emit("response", {"body": "fits"}), name="n")
    server = await flow.serve()
    body = f"[{','.join(['1'] * 20_000)}]"
    head = f"POST /things HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    async with Raw.tcp(server.port) as raw:
        await raw.send(f"{head}Content-Type: application/json\r\n\r\n{body}".encode())
        assert (await raw.response()).status == 422
    await flow.stop()


async def test_p38_the_panel_ticks_in_the_loop() -> None:
    ticks, over = list[int](), asyncio.Event()

    class Page:
        def tick(self) -> bool:
            ticks.append(1)
            if len(ticks) == 3:
                over.set()
            return len(ticks) < 3

    page = Page()
    Ticker(0.001).watch(page)
    await asyncio.wait_for(over.wait(), 30)
    assert len(ticks) == 3


def test_nobody_starts_a_thread_but_by_the_one_place() -> None:
    house = Path(wsflow.__file__).parent
    starting = re.compile(r"threading\.(Thread|Timer)\(|PoolExecutor\(|to_thread\.run_sync\(")
    code = {path.relative_to(house).as_posix(): path.read_text() for path in house.rglob("*.py")}
    found = {name for name, text in code.items() if starting.search(re.sub(r'"[^"]*"', "", text))}
    assert found == {"base/threads.py", "panel/freezes.py", "testing.py"}

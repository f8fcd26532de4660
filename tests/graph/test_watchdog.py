"""The watchdog (promise P16): what blocks the loop is named, while it does and afterwards."""

import asyncio
import contextlib
import functools
import gc
import linecache
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import wsflow.graph.watchdog
from tests.jupyter.kernel import VERSIONS, Kernel, Version
from wsflow import Flow, ManualClock, NotRunningError
from wsflow.graph.watchdog import Blocked, Watch, Watchdog, located, written
from wsflow.replay.virtual_time import VirtualClock, VirtualLoop

BLOCK = 0.4
HERE = "test_watchdog.py"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watchdog that needs tenths of seconds to say what takes a second else."""
    monkeypatch.setattr(wsflow.graph.watchdog, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(wsflow.graph.watchdog, "BLOCKED_AFTER", 0.15)
    monkeypatch.setattr(wsflow.graph.watchdog, "LOGGED_AFTER", 0.25)


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    yield
    none_is_left()


def dogs() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "wsflow watchdog"]


def none_is_left() -> None:
    """Require that each has ended; a busy machine is slow to."""
    for dog in dogs():
        dog.join(20)
    assert dogs() == []


def noticed() -> bool:
    """Say whether the watchdog has seen that this thread blocks; a busy machine is slow to."""
    here = threading.get_ident()
    watches = wsflow.graph.watchdog.watchdog._watches
    return all(
        one.blocked is not None
        for one in watches
        if one._thread == here and one._loop is not None and one._loop.is_running()
    )


def block(seconds: float = BLOCK, until: Callable[[], bool] = noticed) -> None:
    """Block for so long, and until the watchdog has seen it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end or not until():
        time.sleep(0.05)  # the line to name


def line_of(text: str) -> int:
    lines = Path(__file__).read_text().split("\n")
    return next(at for at, line in enumerate(lines, 1) if text in line)


async def told(flow: Flow) -> Any:
    """Wait for the row that tells of a block."""
    while True:
        rows = [row for row in flow.log.tail(100) if (row.kind, row.port) == ("mark", "loop")]
        if rows:
            return rows[-1]
        await anyio.sleep(0.01)


async def test_a_handler_that_blocks_is_named_with_its_line_and_how_long(flow: Flow) -> None:
    flow.websocket("/").message >> flow.node(lambda: block(), name="slow")
    await flow.client("/").send("x")
    row = await told(flow)
    assert row.node == "slow"
    assert f"{HERE}:{line_of('# the line to name')}: time.sleep(0.05)" in row.data
    assert "by node 'slow'" in row.data
    assert "await anyio.sleep(...) in an async def handler" in row.data
    assert BLOCK - 0.01 <= row.elapsed < BLOCK + 5
    assert flow._host.blocked is None


async def test_an_async_handler_that_blocks_is_named_too(flow: Flow) -> None:
    @flow.node
    async def slow() -> None:
        await anyio.lowlevel.checkpoint()
        block()

    flow.websocket("/").message >> slow
    await flow.client("/").send("x")
    assert (await told(flow)).node == "slow"


async def test_what_blocks_outside_of_handlers_has_no_node(flow: Flow) -> None:
    await flow.start()
    block()
    row = await told(flow)
    assert row.node == ""
    assert "serve(thread=True)" in row.data


async def test_what_happens_is_told_once_and_a_block_later_again(flow: Flow) -> None:
    await flow.start()
    for count in (1, 2):
        block()
        await told(flow)
        await anyio.sleep(0.25)
        assert len(flow.log.frame(kind="mark")) == count


async def test_a_short_block_is_not_worth_a_row(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wsflow.graph.watchdog, "LOGGED_AFTER", 60.0)
    seen: list[Any] = []
    flow._host.runtime.watch.listen(seen.append)
    await flow.start()
    block()
    await anyio.sleep(0.25)
    assert seen
    assert len(flow.log) == 0


async def test_an_awaiting_handler_blocks_nothing(flow: Flow) -> None:
    done = anyio.Event()

    @flow.node
    async def patient() -> None:
        await anyio.sleep(BLOCK)
        done.set()

    flow.websocket("/").message >> patient
    seen: list[Any] = []
    flow._host.runtime.watch.listen(seen.append)
    await flow.client("/").send("x")
    await done.wait()
    assert seen == []


async def test_it_can_be_read_while_it_blocks_from_another_thread(flow: Flow) -> None:
    seen: list[Blocked] = []

    def look() -> None:
        while len(seen) < 2:
            blocked = flow._host.blocked
            if blocked is not None:
                seen.append(blocked)
            time.sleep(0.01)

    await flow.start()
    thread = threading.Thread(target=look)
    before = time.time()
    thread.start()
    block(until=lambda: not thread.is_alive())
    thread.join()
    first, second = seen
    assert first.where.startswith(f"{HERE}:{line_of('# the line to name')}: time.sleep(0.05)")
    assert before - 1 < first.since <= before + 1
    assert first.seconds > 0.1
    assert "anyio.sleep" in first.advice
    assert second.node == ""


async def test_listeners_hear_of_a_block_in_another_thread_and_of_its_end_in_the_loop(
    flow: Flow,
) -> None:
    seen: list[tuple[Blocked | None, int]] = []
    stop = flow._host.runtime.watch.listen(
        lambda blocked: seen.append((blocked, threading.get_ident()))
    )

    def broken(_: object) -> None:
        raise SystemExit

    flow._host.runtime.watch.listen(broken)
    await flow.start()
    block()
    await told(flow)
    stop()
    block()
    await anyio.sleep(0.25)
    here = threading.get_ident()
    *during, last = seen
    assert during
    assert all(blocked is not None and where != here for blocked, where in during)
    assert last == (None, here)


async def test_the_line_it_was_at_most_of_the_time_is_the_one_told(flow: Flow) -> None:
    await flow.start()
    time.sleep(0.2)  # noqa: ASYNC251 (a block, on purpose)
    block(0.8)
    row = await told(flow)
    assert f"{HERE}:{line_of('# the line to name')}:" in row.data


async def test_a_busy_loop_in_python_is_named(flow: Flow) -> None:
    def spin() -> None:
        end = time.monotonic() + BLOCK
        while time.monotonic() < end or not noticed():
            pass

    await flow.start()
    spin()
    assert HERE in (await told(flow)).data


async def test_c_code_that_keeps_the_interpreter_is_named(flow: Flow) -> None:
    numbers = [float(n * 7919 % 1_000_003) for n in range(1_000_000)]
    await flow.start()
    end = time.monotonic() + BLOCK
    any(sorted(numbers) and time.monotonic() > end and noticed() for _ in range(1000))  # sorting
    assert f"{line_of('# sorting')}: any(sorted(numbers)" in (await told(flow)).data


async def test_what_blocked_until_the_flow_was_stopped_is_told(flow: Flow) -> None:
    await flow.start()
    block()
    await flow.stop()
    assert "time.sleep" in flow.log.tail(1)[0].data
    assert flow._host.blocked is None


async def test_a_flow_in_a_thread_of_its_own_is_watched_there(flow: Flow) -> None:
    flow.websocket("/").message >> flow.node(lambda: block(), name="slow")
    await flow.serve(thread=True)
    block()  # this loop is not the flow's
    assert len(flow.log) == 0
    await flow.client("/").send("x")
    row = await told(flow)
    assert row.node == "slow"
    assert "serve(thread=True)" not in row.data


async def test_a_flow_by_a_clock_of_its_own_is_watched_in_real_time(clock: ManualClock) -> None:
    flow = Flow("timed", clock=clock)
    await flow.start()
    clock.advance(1000)
    await anyio.sleep(0.3)
    assert len(flow.log) == 0
    block()
    assert "time.sleep" in (await told(flow)).data
    await flow.stop()


def test_a_flow_in_virtual_time_is_not_watched() -> None:
    loop = VirtualLoop()
    flow = Flow("clone", clock=VirtualClock(loop, 0), _apart=True)

    async def live() -> None:
        await flow.start()
        assert dogs() == []
        await flow.stop()

    loop.run(live)


async def test_one_thread_watches_all_flows_and_ends_with_the_last(flow: Flow) -> None:
    other = Flow("other")
    await flow.start()
    await other.start()
    (dog,) = dogs()
    block()
    for one in (flow, other):
        assert "time.sleep" in (await told(one)).data
    await other.stop()
    assert dogs() == [dog]
    await flow.stop()
    none_is_left()


async def test_a_caller_from_another_thread_is_told_what_blocks(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsflow.graph.loop.CALL_TIMEOUT", 0.5)
    await flow.start()
    said: list[str] = []

    def call() -> None:
        while flow._host.blocked is None:
            time.sleep(0.01)
        try:
            flow._host.call(print)
        except NotRunningError as error:
            said.append(str(error))

    thread = threading.Thread(target=call)
    thread.start()
    block(until=lambda: not thread.is_alive())
    thread.join()
    assert re.search(r"did not answer for 0.5 s: test_watchdog.py:\d+: time.sleep", said[0])


def test_a_loop_that_was_closed_without_a_goodbye_is_forgotten() -> None:
    loop = asyncio.new_event_loop()
    watch = Watch()
    loop.run_until_complete(asyncio.to_thread(lambda: None))
    watch.start(loop, own_thread=False)
    loop.close()
    none_is_left()


def test_a_loop_that_nobody_runs_is_not_blocked() -> None:
    flow, loop = Flow("script"), asyncio.new_event_loop()
    loop.run_until_complete(flow.start())
    block()
    loop.run_until_complete(anyio.sleep(0.2))
    assert len(flow.log) == 0
    loop.run_until_complete(flow.stop())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def test_a_fault_of_the_watchdog_ends_the_watching_and_nothing_else() -> None:
    dog = Watchdog()

    class Broken(Watch):
        def look(self, now: float) -> None:
            raise ZeroDivisionError

        @property
        def is_over(self) -> bool:
            return False

    dog.add(Broken())
    none_is_left()


def test_a_process_that_stood_still_was_not_blocked() -> None:
    watch = Watch()
    now = time.monotonic()
    watch._beat_at = now - 100
    watch.forgive(99.9)
    assert now - watch._beat_at < 1
    watch.forgive(1000)
    assert watch._beat_at <= time.monotonic()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system can not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
async def test_a_forked_child_can_watch_on_its_own(flow: Flow) -> None:
    await flow.start()
    child = os.fork()
    if child == 0:
        ok = wsflow.graph.watchdog.watchdog._watches == ()
        with wsflow.graph.watchdog.watchdog._lock:
            os._exit(0 if ok else 1)
    _, status = os.waitpid(child, 0)  # noqa: ASYNC222 (it ends at once)
    assert status == 0


def test_starting_and_stopping_from_many_threads_leaves_no_thread() -> None:
    dog, watches = Watchdog(), [Watch() for _ in range(8)]

    def work(watch: Watch) -> None:
        for _ in range(50):
            dog.add(watch)
            dog.remove(watch)

    threads = [threading.Thread(target=work, args=(one,)) for one in watches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    none_is_left()


# ---- where a thread is


def frame_in(name: str, call: str = "inner()") -> FrameType:
    """Return a frame of a function `outer` in a file `name` that called one of ours."""
    found: dict[str, Any] = {"inner": lambda: sys._getframe(1)}
    exec(compile(f"def outer():\n    return {call}\n", name, "exec"), found)
    frame = found["outer"]()
    assert isinstance(frame, FrameType)
    return frame


@pytest.mark.parametrize("library", ["json/decoder.py", "site-packages/requests/api.py"])
def test_the_users_line_is_named_not_the_librarys(library: str) -> None:
    seen: list[Any] = []
    inside: dict[str, Any] = {"seen": seen, "look": lambda: seen.append(located(sys._getframe(1)))}
    file = Path(os.__file__).parent / library
    exec(compile("def work():\n    look()\n", str(file), "exec"), inside)
    inside["work"]()
    (found,) = seen
    assert found.where.startswith(HERE)


def test_a_line_without_source_is_named_by_its_number() -> None:
    found = located(frame_in("<string>"))
    assert found is not None
    assert found.where == "<string>:2"


@pytest.mark.parametrize("kind", ["function", "method", "object", "partial"])
def test_the_node_is_found_by_its_function(flow: Flow, kind: str) -> None:
    frames: list[FrameType] = []

    def look(*_: object) -> None:
        frames.append(sys._getframe())

    class Handler:
        def handle(self, ev: object) -> None:
            frames.append(sys._getframe())

        def __call__(self, ev: object) -> None:
            frames.append(sys._getframe())

    functions: dict[str, Callable[..., Any]] = {
        "function": look,
        "method": Handler().handle,
        "object": Handler(),
        "partial": functools.partial(look, 1),
    }
    node = flow.node(functions[kind], name=kind)
    flow.node(lambda: None, name="other")
    node("x")
    found = located(frames[0], flow.nodes.values())
    assert found is not None
    assert found.node == kind
    frames.clear()
    gc.collect()


# ---- what is nobody's fault, and who waits for itself

SLOW_TO_LOAD = """
import time
from wsflow.graph.watchdog import watchdog

end = time.monotonic() + 0.4
while time.monotonic() < end or not any(one.blocked for one in watchdog._watches):
    time.sleep(0.02)
"""


@pytest.fixture
def slowlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imports_forgotten: None) -> str:
    """A package, installed, that takes long to load."""
    installed = tmp_path / "site-packages"
    installed.mkdir()
    (installed / "slowlib.py").write_text(SLOW_TO_LOAD)
    monkeypatch.syspath_prepend(installed)
    return "slowlib"


def load_by(file: Path) -> Callable[[], None]:
    """Return a function of that file that loads the slow package when it is called first."""
    inside: dict[str, Any] = {}
    exec(compile("def first_use():\n    import slowlib\n", str(file), "exec"), inside)
    function: Callable[[], None] = inside["first_use"]
    return function


@pytest.mark.parametrize("file", ["wsflow/log/frame.py", "site-packages/pandas/plotting.py"])
async def test_what_a_first_use_loads_is_not_the_handlers_block(
    flow: Flow, slowlib: str, file: str
) -> None:
    """found D13: `flow.log.frame()`, and the first plot or Parquet of a library."""
    use = load_by(Path(wsflow.__file__).parents[1] / file)
    flow.websocket("/").message >> flow.node(lambda: use(), name="reader")
    await flow.client("/").send("x")
    row = await told(flow)
    assert row.node == ""
    assert "the first import of slowlib (" in row.data
    assert "flow.node(lambda: use()" in row.data
    assert "`import slowlib` before it is served" in row.data


async def test_an_import_that_a_handler_asks_for_is_its_own(flow: Flow, slowlib: str) -> None:
    """found D13."""

    def reader() -> None:
        import slowlib  # type: ignore[import-not-found]  # noqa: F401

    flow.websocket("/").message >> flow.node(reader)
    await flow.client("/").send("x")
    row = await told(flow)
    assert row.node == "reader"
    assert "the first import of slowlib (test_watchdog.py" in row.data


WAITING: dict[str, str] = {
    "websockets": "from websockets.sync.client import connect; connect(url, open_timeout=t)",
    "urllib": "import urllib.request as u; u.urlopen(url.replace('ws', 'http', 1), timeout=t)",
    "socket": "s.recv(1)",
}


@pytest.mark.parametrize("source", WAITING.values(), ids=WAITING)
async def test_a_client_that_waits_in_the_loop_is_told_what_to_use_instead(
    flow: Flow, source: str
) -> None:
    """found D14: it waits for an answer of the loop that it blocks."""
    flow.websocket("/chat")
    server = await flow.serve()
    file = f"<cell {source[:4]}>"
    linecache.cache[file] = (len(source), None, [source], file)
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.settimeout(1.0)
        inside = {"url": f"{server.url}/chat", "t": 1.0, "s": raw}
        with contextlib.suppress(OSError):  # a TimeoutError is one
            exec(compile(source, file, "exec"), inside)
    row = await told(flow)
    assert file in row.data
    assert "await websockets.connect(...)" in row.data
    assert "flow.client(path)" in row.data
    del linecache.cache[file]


# ---- in a kernel

STORY = """
    import threading, time
    from wsflow import Flow

    flow = Flow("chat")
    server = await flow.serve()
    seen = []
    def look():
        while flow._host.blocked is None:
            time.sleep(0.05)
        seen.append(flow._host.blocked)
    watcher = threading.Thread(target=look)
    watcher.start()
"""


@pytest.mark.kernel
@pytest.mark.timeout(120)
async def test_a_cell_is_named_by_its_number_and_line() -> None:
    async with Kernel("newest") as kernel:
        await kernel.run(STORY, "story")
        await kernel.run("x = 1\ntime.sleep(1.5)", "block")
        await kernel.run("watcher.join(30)\nimport anyio\nawait anyio.sleep(0.3)", "after")
        text = await kernel.value("flow.log.tail(1)[0].data")
        where = re.search(r"cell In\[(\d+)\], line 2: time.sleep\(1.5\)", text)
        assert where, text
        assert await kernel.value("seen[0].where") == where[0]
        assert int(where[1]) == 2
        assert await kernel.value("flow._host.blocked is None")


WAITS_FOR_ITSELF = """
    from websockets.sync.client import connect
    connect(server.url + "/chat", open_timeout=5)
"""


@pytest.mark.kernel
@pytest.mark.timeout(120)
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_cell_that_waits_for_itself_is_told_so_while_it_waits(version: Version) -> None:
    """found D14: it said nothing for ten seconds, then 39 lines of a time-out."""
    async with Kernel(version) as kernel:
        serving = kernel.submit("from wsflow import Flow\nserver = await Flow('x').serve()", "s")
        await serving.wait()
        waiting = kernel.submit(WAITS_FOR_ITSELF, "w")
        where = serving if version == "6.31.0" else waiting  # that one gives it to its thread's
        await where.until(lambda: "await websockets.connect(...)" in where.printed)
        assert not waiting.idle
        assert re.search(r"cell In\[2\], line 2: connect\(", where.printed)
        await waiting.wait()
        assert where.printed.count("blocks the flow's loop") == 1


def test_a_handler_is_found_where_it_was_written() -> None:
    assert written(block) == f"{HERE}:{line_of('def block(')}"
    assert written(functools.partial(block, 1)) == written(block)
    assert written(len) == ""

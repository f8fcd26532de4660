"""The flow inside real kernels, old and new, with a real client of another make outside.

Nothing here opens a browser; what only a page can tell is tested with JupyterLab.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.jupyter.kernel import VERSIONS, Cell, CellError, Kernel

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

STORY = {
    "import": "from wsflow import Flow",
    "flow": 'flow = Flow("chat")',
    "trigger": 'chat = flow.websocket("/chat/{room}")',
    "node": """
        @flow.node
        def shout(ev, ctx):
            ctx.emit("response", {"body": ev["message"].upper()})
    """,
    "wire": "chat.message >> shout",
    "serve": "server = await flow.serve()",
}
EDITED = """
    @flow.node
    def shout(ev, ctx):
        ctx.emit("response", {"body": ev["message"] + "!"})
"""
WHISPER = """
    @flow.node
    def whisper(ev, ctx):
        ctx.emit("response", {"body": ev["message"].lower()})
"""
RECORDED = """
    with flow.record("before"):
        async with flow.client("/chat/red") as client:
            await client.send("Hi")
            await client.receive()
"""
TRIED = f"""{EDITED}
    chat.message >> shout
    display(flow)
    async with flow.client("/chat/red") as client:
        await client.send("Hi")
        print(await client.receive(), list(flow.nodes))
    print((await flow.replay("before")).diff.to_string())
    flow
"""
LATE = """
    @flow.node
    def late(ev, ctx): ...
"""
BOOM = """
    FAULTS = {"exit": SystemExit, "interrupt": KeyboardInterrupt, "value": ValueError}

    @flow.node
    def boom(ev, ctx):
        if ev["message"] in FAULTS:
            raise FAULTS[ev["message"]]("on purpose")

    chat.message >> boom
"""
BOOM_LATER = BOOM.replace("def boom(ev, ctx):", "async def boom(ev, ctx):\n        await sleep(0)")
SLOW = """
    import anyio

    async def wait(ctx):
        display("setting up")
        await anyio.sleep(60)

    @flow.node(setup=wait)
    def slow(ev): ...
"""
WHOLE = """
    from wsflow import Flow

    flow = Flow("chat")
    chat = flow.websocket("/chat/{room}")

    @flow.node
    def shout(ev, ctx):
        ctx.state.set("count", (ctx.state.get("count") or 0) + 1)
        ctx.emit("response", {"body": f"{ev['message'].upper()}{ctx.state.get('count')}"})

    chat.message >> shout
    server = await flow.serve()
"""
# not one long sleep: an interrupt just before its system call is seen only after it, a few times in
# a thousand, in a kernel without wsflow just as well
NAP = """
import time
display("blocked")
for _ in range(6_000):
    time.sleep(0.01)
"""
OPEN = "display(server.port); await anyio.sleep(60)"
WAIT = "import anyio; display('waiting'); await anyio.sleep(60)"

SHAPE = "(sorted(flow.nodes), sorted(wire.key for wire in flow._host.wires))"
ERRORS = """list(flow.log.frame().query('kind == "error"')["error"])"""
RESOURCES = """(__import__("threading").active_count(), len(__import__("asyncio").all_tasks()),
                len(__import__("os").listdir("/proc/self/fd")))"""
EVIL = "<img src=x onerror=alert(1)>"


on_every_version = pytest.mark.parametrize("kernel", VERSIONS, indirect=True)
"""Marks what depends on ipykernel: how cells are run and interrupted and how messages of widgets
come in (one thread until 6.31, a second one for the shell channel since 7.0), which cell an output
is given to, how a cell's id arrives, and how a kernel ends.

All else happens between a cell's code and wsflow: the newest tells.
"""


@pytest.fixture
async def kernel(request: pytest.FixtureRequest) -> AsyncIterator[Kernel]:
    """A kernel of the newest ipykernel, or of the one that was asked for."""
    async with Kernel(getattr(request, "param", "newest")) as running:
        yield running


async def tell(kernel: Kernel, cells: Mapping[str, str] = STORY) -> dict[str, Cell]:
    """Run cells in their order, each under its own id."""
    return {name: await kernel.run(source, name) for name, source in cells.items()}


async def peer(kernel: Kernel, path: str = "/chat/red", port: int = 0) -> ClientConnection:
    """Open a client of the `websockets` package in this process; use it with `async with`.

    The port is asked of the kernel unless given, as it must be while a cell runs.
    """
    port = port or await kernel.value("server.port")
    return await connect(f"ws://127.0.0.1:{port}{path}", proxy=None, close_timeout=2)


async def answer(client: ClientConnection) -> str | bytes:
    async with asyncio.timeout(30):
        return await client.recv()


async def ask(client: ClientConnection, *messages: str) -> list[str | bytes]:
    """Send messages, each after the answer to the one before; return the answers.

    A second answer to one message would show as the answer to the next.
    """
    answers = []
    for message in messages:
        await client.send(message)
        answers.append(await answer(client))
    return answers


async def closing(client: ClientConnection) -> int | None:
    """Wait until the other end closes; return its code."""
    async with asyncio.timeout(30):
        await client.wait_closed()
    return client.close_code


def bind(port: int) -> None:
    """Listen on a loopback port for a moment; OSError when something else does."""
    with socket.create_server(("127.0.0.1", port)):
        pass


# ---- the story


@on_every_version
async def test_a_real_client_is_answered_while_no_cell_runs(kernel: Kernel) -> None:
    cells = await tell(kernel)
    async with await peer(kernel) as client:
        assert await ask(client, "one", "zwölf") == ["ONE", "ZWÖLF"]
        await kernel.run("import gc; gc.collect()", "collect")
        assert await ask(client, "still here") == ["STILL HERE"]
    assert all(cell.error is None for cell in cells.values())
    assert await kernel.value("server.url") == f"ws://127.0.0.1:{await kernel.value('server.port')}"


async def test_the_frame_of_the_log_shows_its_rows_as_a_table(kernel: Kernel) -> None:
    await tell(kernel)
    async with await peer(kernel) as client:
        await ask(client, "one")
        shown = (await kernel.run("flow.log.frame()", "look")).result
    assert "<table" in shown["text/html"]
    assert "message" in shown["text/plain"]
    columns = await kernel.value("' '.join(flow.log.frame().columns)")
    assert columns == "seq time scope cause kind node port session path data size elapsed error"
    kinds = await kernel.value("list(flow.log.frame()['kind'])")
    assert kinds[:2] == ["req", "message"]
    assert "response" in kinds


@on_every_version
async def test_nothing_is_ever_printed(kernel: Kernel) -> None:
    await tell(kernel)
    await kernel.run("from asyncio import sleep", "sleep")
    await kernel.run(BOOM_LATER, "boom")
    async with await peer(kernel) as client:
        assert await ask(client, "one", "value", "exit", "interrupt") == [
            "ONE",
            "VALUE",
            "EXIT",
            "INTERRUPT",
        ]
        gone = await peer(kernel)
        gone.transport.abort()
        with pytest.raises(InvalidStatus):
            await peer(kernel, "/nowhere")
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", await kernel.value("server.port")
        )
        writer.write(b"\x16\x03\x01 nonsense\r\n\r\n")
        await reader.read()
        writer.close()
        await tell(kernel)
        await kernel.run("flow.log", "look")
        assert await ask(client, "two") == ["TWO"]
    await kernel.shutdown()
    assert kernel.streams == []
    assert kernel.foreign == []
    assert kernel.logged() == ""


@on_every_version
async def test_all_cells_can_be_run_again_without_a_trace(kernel: Kernel) -> None:
    await tell(kernel)
    async with await peer(kernel) as client:
        await ask(client, "first")
        port, shape = await kernel.value("server.port"), await kernel.value(SHAPE)
        before = await kernel.value(RESOURCES)
        for _ in range(5):
            await tell(kernel)
            assert await ask(client, "again", "and again") == ["AGAIN", "AND AGAIN"]
        after = await kernel.value(RESOURCES)
        assert await kernel.value(SHAPE) == shape
        assert await kernel.value("server.port") == port
        assert await kernel.ports() == [port]
        assert await kernel.value("len(server.sessions)") == 1
    assert after[0] == before[0], "threads"
    assert abs(after[1] - before[1]) <= 2, "tasks"
    assert abs(after[2] - before[2]) <= 2, "descriptors"


# ---- a cell owns what it declares


@on_every_version
async def test_an_edited_handler_answers_on_the_socket_that_is_open(kernel: Kernel) -> None:
    await tell(kernel)
    async with await peer(kernel) as client:
        assert await ask(client, "one") == ["ONE"]
        shape = await kernel.value(SHAPE)
        await kernel.run(EDITED, "node")
        assert await ask(client, "one", "two") == ["one!", "two!"]
        assert await kernel.value(SHAPE) == shape
        assert await kernel.value("len(server.sessions)") == 1


async def test_an_edited_wire_replaces_the_one_its_cell_made(kernel: Kernel) -> None:
    await tell(kernel)
    await kernel.run(WHISPER, "other node")
    async with await peer(kernel) as client:
        assert await ask(client, "One") == ["ONE"]
        await kernel.run("chat.message >> whisper", "wire")
        assert await ask(client, "One", "Two") == ["one", "two"]
        await kernel.run(STORY["wire"], "wire")
        assert await ask(client, "One", "Two") == ["ONE", "TWO"]


async def test_a_node_its_cell_no_longer_declares_is_gone_with_its_wires(kernel: Kernel) -> None:
    await tell(kernel)
    alone = await kernel.value(SHAPE)
    await kernel.run(WHISPER, "whisper")
    await kernel.run("chat.message >> whisper", "to whisper")
    both = await kernel.value(SHAPE)
    assert len(both[0]) == len(alone[0]) + 1
    assert len(both[1]) == len(alone[1]) + 1
    async with await peer(kernel) as client:
        await client.send("One")
        assert {await answer(client), await answer(client)} == {"ONE", "one"}
        await kernel.run("pass  # whisper was here", "whisper")
        assert await kernel.value(SHAPE) == alone
        assert await ask(client, "One", "Two") == ["ONE", "TWO"]


async def test_a_cell_that_raises_half_way_keeps_what_it_had_declared(kernel: Kernel) -> None:
    await tell(kernel)
    await kernel.run("pass", "wire")
    alone = await kernel.value(SHAPE)
    await kernel.run(f"{WHISPER}\n    chat.message >> whisper", "both")
    shape = await kernel.value(SHAPE)
    async with await peer(kernel) as client:
        assert await ask(client, "One", "Two") == ["one", "two"]
        for source, name in (
            ("1 / 0; chat.message >> whisper", "ZeroDivision"),
            ("a >>", "Syntax"),
        ):
            failed = await kernel.submit(source, "both").wait()
            assert failed.error is not None
            assert failed.error.startswith(name)
            assert await kernel.value(SHAPE) == shape
        await kernel.submit(f"{LATE}\n    1 / 0", "both").wait()
        assert len((await kernel.value(SHAPE))[0]) == len(shape[0]) + 1
        assert await ask(client, "One", "Two") == ["one", "two"]
        await kernel.run("pass", "both")
        assert await kernel.value(SHAPE) == alone


async def test_a_node_that_moved_to_another_cell_stays(kernel: Kernel) -> None:
    await tell(kernel)
    shape = await kernel.value(SHAPE)
    await kernel.run(STORY["node"], "new home")
    await kernel.run("pass", "node")
    assert await kernel.value(SHAPE) == shape
    async with await peer(kernel) as client:
        assert await ask(client, "one") == ["ONE"]
    await kernel.run("pass", "new home")
    assert await kernel.value(SHAPE) == (["/chat/{room}"], [])


async def test_what_a_magic_runs_belongs_to_the_cell_around_it(kernel: Kernel) -> None:
    await tell(kernel)
    await kernel.run(WHISPER, "whisper")
    await kernel.run(f"%%capture\n{STORY['wire']}", "wire")
    await kernel.run("%%capture\nchat.message >> whisper", "wire")
    async with await peer(kernel) as client:
        assert await ask(client, "One", "Two") == ["one", "two"]


async def test_a_story_told_in_one_cell_can_be_edited_and_run_again(kernel: Kernel) -> None:
    await kernel.run(WHOLE, "all")
    async with await peer(kernel) as client:
        assert await ask(client, "One", "Two") == ["ONE1", "TWO2"]
        await kernel.run(WHOLE, "all")
        assert await ask(client, "Three") == ["THREE3"]
        await kernel.run(WHOLE.replace("upper", "lower"), "all")
        assert await ask(client, "Four", "Five") == ["four4", "five5"]
        await kernel.run(WHOLE.replace("chat.message >> shout", "pass"), "all")
        assert await kernel.value(SHAPE) == (["/chat/{room}", "shout"], [])
        await kernel.run(WHOLE, "all")
        assert await ask(client, "Six") == ["SIX6"]
        assert await kernel.value("len(server.sessions)") == 1
    assert await kernel.ports() == [await kernel.value("server.port")]


@on_every_version
async def test_what_an_edited_cell_shows_and_tries_is_what_it_declares(kernel: Kernel) -> None:
    """found D1: displayed, printed, asked by a client after an `await`, replayed."""
    await tell(kernel, {name: STORY[name] for name in ("import", "flow", "trigger")})
    await kernel.run(f"{WHISPER}\n    chat.message >> whisper", "both")
    await kernel.run(RECORDED)
    edited = await kernel.run(TRIED, "both")
    assert "shout" in edited.shown[0]["text/plain"]
    for told in (str(edited.shown), edited.printed, str(edited.result)):
        assert "shout" in told
        assert "whisper" not in told
    assert edited.printed.splitlines()[0] == "Hi! ['/chat/{room}', 'shout']"
    assert "Hi!" in edited.printed.splitlines()[-1], "what the replay found"


async def test_the_same_name_is_the_same_running_flow(kernel: Kernel) -> None:
    await tell(kernel)
    await kernel.run("first = flow; port = server.port; url = server.url", "keep")
    async with await peer(kernel) as client:
        await kernel.run(STORY["flow"], "flow")
        await kernel.run('again = Flow("chat"); other = Flow("other")', "elsewhere")
        assert await kernel.value("(flow is first, again is first, other is first)") == (
            True,
            True,
            False,
        )
        await kernel.run(STORY["serve"], "serve")
        await kernel.run("server = await flow.serve()", "serve elsewhere")
        assert await kernel.value("(server.port == port, len(server.sessions))") == (True, 1)
        assert await ask(client, "one") == ["ONE"]


@on_every_version
async def test_without_cell_ids_names_decide(kernel: Kernel) -> None:
    for _ in range(3):
        for source in STORY.values():
            await kernel.run(source)
    async with await peer(kernel) as client:
        assert await ask(client, "One", "Two") == ["ONE", "TWO"]
        shape = await kernel.value(SHAPE)
        await kernel.run(EDITED)
        assert await ask(client, "One", "Two") == ["One!", "Two!"]
        assert await kernel.value(SHAPE) == shape
        assert await kernel.ports() == [await kernel.value("server.port")]


async def test_a_server_with_other_options_keeps_its_port_and_then_stays(kernel: Kernel) -> None:
    await tell(kernel)
    port = await kernel.value("server.port")
    for options in ("max_message_size=99", "thread=True", ""):
        serve = f"server = await flow.serve({options})"
        async with await peer(kernel) as client:
            await kernel.run(serve, "serve")
            assert await closing(client) == 1012
        async with await peer(kernel) as client:
            await kernel.run(serve, "serve")
            assert await ask(client, "one") == ["ONE"]
        assert await kernel.ports() == [port]


# ---- interrupts and faults


@on_every_version
@pytest.mark.parametrize("source", [WAIT, NAP], ids=["awaiting", "blocking"])
async def test_an_interrupt_ends_the_cell_and_nothing_else(kernel: Kernel, source: str) -> None:
    await tell(kernel)
    async with await peer(kernel) as client:
        assert await ask(client, "before") == ["BEFORE"]
        cell = await kernel.submit(source, "long").until_shown()
        if source == WAIT:
            assert await ask(client, "meanwhile") == ["MEANWHILE"]
        await kernel.interrupt()
        await cell.wait()
        assert cell.error is not None
        assert await ask(client, "after") == ["AFTER"]
        async with await peer(kernel) as late:
            assert await ask(late, "late") == ["LATE"]
        assert await kernel.value("len(server.sessions)") >= 1
    assert kernel.streams == []


@on_every_version
async def test_an_interrupted_serve_cell_leaves_no_half_server(kernel: Kernel) -> None:
    await tell(kernel)
    both = "server = await flow.serve(); import anyio; display('up'); await anyio.sleep(60)"
    cell = await kernel.submit(both, "serve").until_shown()
    await kernel.interrupt()
    await cell.wait()
    async with await peer(kernel) as client:
        assert await ask(client, "one") == ["ONE"]
    assert await kernel.ports() == [await kernel.value("server.port")]


@on_every_version
async def test_a_start_that_was_interrupted_can_be_tried_again(kernel: Kernel) -> None:
    await tell(kernel, {name: STORY[name] for name in STORY if name != "serve"})
    await kernel.run(SLOW, "slow")
    cell = await kernel.submit(STORY["serve"], "serve").until_shown()
    await kernel.interrupt()
    await cell.wait()
    assert cell.error is not None
    assert await kernel.ports() == []
    await kernel.run("pass", "slow")
    await kernel.run(STORY["serve"], "serve")
    async with await peer(kernel) as client:
        assert await ask(client, "one") == ["ONE"]


@on_every_version
async def test_an_interrupted_serving_block_stops_its_server(kernel: Kernel) -> None:
    await tell(kernel, {name: STORY[name] for name in STORY if name != "serve"})
    block = f"import anyio\nasync with flow.serving() as server:\n    {OPEN}"
    cell = await kernel.submit(block, "serve").until_shown()
    port = int(cell.shown[0]["text/plain"])
    async with await peer(kernel, port=port) as client:
        assert await ask(client, "one") == ["ONE"]
        await kernel.interrupt()
        assert await closing(client) == 1001
    await cell.wait()
    assert await kernel.ports() == []
    bind(port)


@on_every_version
@pytest.mark.parametrize("source", [BOOM, BOOM_LATER], ids=["def", "async def"])
async def test_a_raising_handler_costs_an_error_row(kernel: Kernel, source: str) -> None:
    await tell(kernel)
    await kernel.run("from asyncio import sleep", "sleep")
    await kernel.run(source, "boom")
    async with await peer(kernel) as client:
        assert await ask(client, "exit", "interrupt", "value") == ["EXIT", "INTERRUPT", "VALUE"]
        assert await ask(client, "fine") == ["FINE"]
        errors = await kernel.value(ERRORS)
    assert len(errors) == 3
    for error, name in zip(errors, ("SystemExit", "KeyboardInterrupt", "ValueError"), strict=True):
        assert name in error
        assert "on purpose" in error
    assert (await kernel.run("1 + 1", "alive")).result["text/plain"] == "2"
    assert kernel.streams == []


# ---- the end of the kernel


@on_every_version
@pytest.mark.parametrize("end", ["restart", "shutdown"])
async def test_clients_are_told_when_the_kernel_goes(kernel: Kernel, end: str) -> None:
    await tell(kernel)
    port = await kernel.value("server.port")
    async with await peer(kernel) as client:
        assert await ask(client, "one") == ["ONE"]
        await (kernel.restart() if end == "restart" else kernel.shutdown())
        assert await closing(client) == 1001
        bind(port)
    assert kernel.streams == []
    assert kernel.logged() == ""


@on_every_version
async def test_a_kernel_that_restarts_while_a_cell_runs_still_tells_its_clients(
    kernel: Kernel,
) -> None:
    await tell(kernel)
    async with await peer(kernel) as client:
        await kernel.submit(WAIT, "long").until_shown()
        await kernel.restart()
        assert await closing(client) == 1001
    await tell(kernel)
    async with await peer(kernel) as client:
        assert await ask(client, "one") == ["ONE"]


async def test_a_stopped_flow_frees_its_port_and_serves_again(kernel: Kernel) -> None:
    await tell(kernel)
    port = await kernel.value("server.port")
    async with await peer(kernel) as client:
        await kernel.run("await flow.stop()", "stop")
        assert await closing(client) == 1001
        bind(port)
    await kernel.run(STORY["serve"], "serve")
    async with await peer(kernel) as client:
        assert await ask(client, "one") == ["ONE"]


# ---- a server of its own thread


@on_every_version
async def test_a_server_thread_answers_while_a_cell_blocks(kernel: Kernel) -> None:
    await tell(kernel, STORY | {"serve": "server = await flow.serve(thread=True)"})
    async with await peer(kernel) as client:
        cell = await kernel.submit(NAP, "long").until_shown()
        assert await ask(client, "one", "two") == ["ONE", "TWO"]
        assert not cell.idle
        await kernel.interrupt()
        await cell.wait()
        assert await ask(client, "three") == ["THREE"]
        data = await kernel.value("list(flow.log.frame().query('kind == \"message\"')['data'])")
        assert data == ["one", "two", "three"]
        assert await kernel.value("len(server.sessions)") == 1
        asking = asyncio.create_task(ask(client, *map(str, range(300))))
        while not asking.done():
            assert len((await kernel.run("flow.log.frame()", "look")).result["text/html"]) > 0
        assert asking.result() == [str(number) for number in range(300)]
        await kernel.run(EDITED, "node")
        assert await ask(client, "four") == ["four!"]
        await kernel.restart()
        assert await closing(client) == 1001
    assert kernel.streams == []


# ---- what cells show


async def test_objects_at_the_end_of_a_cell_show_themselves(kernel: Kernel) -> None:
    await tell(kernel)
    async with await peer(kernel, f"/chat/{quote(EVIL)}?name={quote(EVIL)}") as client:
        assert await ask(client, EVIL) == [EVIL.upper()]
        flow = (await kernel.run("flow")).result
        server = (await kernel.run("server")).result
        log = (await kernel.run("flow.log")).result
        sessions = (await kernel.run("server.sessions")).result
        session = (await kernel.run("next(iter(server.sessions))")).result
    assert "shout" in flow["text/vnd.mermaid"]
    assert await kernel.value("server.url") in server["text/plain"]
    for shown in (log, sessions, session):
        assert "<img" not in shown["text/html"].lower()
        assert "&lt;img" in shown["text/html"].lower()
        assert shown["text/plain"]
    assert "<img" not in server.get("text/html", "").lower()
    assert "<img" not in flow["text/vnd.mermaid"].lower()
    assert "shout" in flow["text/plain"]


@on_every_version
async def test_the_button_of_an_inject_sends_its_payload(kernel: Kernel) -> None:
    await tell(kernel)
    await kernel.run(
        """
        manager = flow.connections()
        chat.req >> manager.req
        push = flow.inject("pressed", name="push")
        push >> manager.broadcast
        """,
        "inject",
    )
    shown = (await kernel.run("push")).result
    widget: Any = shown["application/vnd.jupyter.widget-view+json"]
    async with await peer(kernel) as client:
        for _ in range(2):
            kernel.say(widget["model_id"], {"event": "click"})
            assert await answer(client) == "pressed"
    assert await kernel.value("push.count") == 2


# ---- a port that is taken


async def test_a_busy_port_is_an_error_in_the_cell_that_names_it(kernel: Kernel) -> None:
    await tell(kernel)
    await kernel.run('other = Flow("other"); other.websocket("/")', "other")
    ours = await kernel.value("server.port")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for port in (taken.getsockname()[1], ours):
            with pytest.raises(CellError, match=rf"\b{port}\b"):
                await kernel.run(f"await other.serve(port={port})", "serve other")
    assert await kernel.ports() == [ours]
    await kernel.run("server = await other.serve()", "serve other")
    async with await peer(kernel, "/"):
        assert await kernel.value("len(server.sessions)") == 1
    assert kernel.streams == []


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("flow.serve().url", "serve"),
        ("later = flow.serve(); later.port", "serve"),
        ("flow.start()[0]", "start"),
        ("len(client.receive())", "receive"),
        ("import json; json.loads(client.receive())", "receive"),
    ],
)
async def test_a_coroutine_taken_for_its_result_is_named(
    kernel: Kernel, line: str, name: str
) -> None:
    """found D14: `'coroutine' object has no attribute 'url'`."""
    await tell(kernel, {name: STORY[name] for name in ("import", "flow", "trigger")})
    await kernel.run("client = flow.client('/chat/red')")
    cell = await kernel.submit(line).wait()
    assert "coroutine" in (cell.error or "")
    assert f"{name}() gives its result to an `await`, as in (await x.{name}(...))" in cell.printed


async def test_a_refused_client_in_a_cell_hears_which_routes_there_are(kernel: Kernel) -> None:
    """found D14: `connect(server.url)` was refused with a bare 404."""
    await tell(kernel)
    connecting = "from websockets.asyncio.client import connect\nawait connect(server.url)"
    cell = await kernel.submit(connecting).wait()
    assert "HTTP 404" in (cell.error or "")
    said = "the server said: no WebSocket route on this path; there are: WebSocket /chat/{room}\n"
    assert said in cell.printed


async def test_a_forgotten_await_is_named(kernel: Kernel) -> None:
    """The cell has no error, and nothing happened: the one thing that shows is what says so."""
    await kernel.run("from wsflow import Flow\nflow = Flow('chat')\nchat = flow.websocket('/chat')")
    shown = (await kernel.run("flow.serve()")).result["text/plain"]
    assert shown == "<serve() has not begun: write `await` before it, as in `await x.serve(...)`>"
    others = await kernel.run("import asyncio\nnap = asyncio.sleep(0)\nnap")
    assert others.result["text/plain"].startswith("<coroutine object sleep")
    await kernel.run("await nap")
    assert await kernel.ports() == []

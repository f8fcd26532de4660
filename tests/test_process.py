"""The flow and its process: forks, children, loops that go, and trio (found A9, A17, A18)."""

import asyncio
import multiprocessing
import socket
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.graph.conftest import errors
from tests.peers.raw import Raw, eventually, request
from tests.wire.test_server import ending, script
from wsflow import Context, Flow, ServeError
from wsflow.testing import assert_replies

posix = pytest.mark.skipif(sys.platform == "win32", reason="there are no forks")


def echoing(name: str = "echo") -> Flow:
    flow = Flow(name)

    @flow.node
    async def echo(ev: Any, ctx: Context) -> None:
        await asyncio.sleep(0)
        ctx.emit("response", {"body": ev["message"]})

    flow.websocket("/").message >> echo
    return flow


FORKING = """
    import asyncio, multiprocessing, os, socket, sys, threading, time
    from wsflow import Flow

    async def main():
        over, loop = asyncio.Queue(), asyncio.get_running_loop()
        flow = Flow("script")
        chat = flow.websocket("/")

        @flow.node
        def answer(ev, ctx):
            ctx.emit("response", {"body": ev["message"]})
            over.put_nowait(ctx)

        chat.message >> answer
        recorder = flow.record("forked", folder=sys.argv[1])
        server = await flow.serve()
        print(server.port, flush=True)
"""


async def forked(rest: str, folder: Path) -> Any:
    source = textwrap.dedent(FORKING) + textwrap.indent(textwrap.dedent(rest), "    ")
    return script(f"import sys; sys.argv[1:] = [{str(folder)!r}]\n{source}\nasyncio.run(main())\n")


@posix
async def test_p13_a_forked_child_keeps_neither_port_nor_clients_nor_recording(
    tmp_path: Path,
) -> None:
    """Found A9. Nor does Python warn of a fork beside threads that are ours."""
    rest = """
        await over.get()
        recorder.stop()
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
        child.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await flow.stop()
        assert await asyncio.wait_for(reader.read(), 20) == b""  # one that never said a word
        with socket.create_server(("127.0.0.1", server.port)):
            pass
        assert child.is_alive()
        child.kill()
        child.join()
        writer.close()
    """
    async with await forked(rest, tmp_path) as running, connect(running.url) as peer:
        await peer.send("go")
        assert await peer.recv() == "go"
        assert (await ending(peer))[0] == 1001
        assert await running.ended() == (0, "")


@posix
async def test_p13_what_a_forked_child_does_reaches_nobody(tmp_path: Path) -> None:
    """It sends, it stops: the parent serves and records on."""
    rest = """
        ctx = await over.get()
        pid = os.fork()
        if pid == 0:
            try:
                assert not flow.running and flow.server is None and not recorder.running
                if os.path.isdir("/proc/self/fd"):
                    there = map("/proc/self/fd/{}".format, os.listdir("/proc/self/fd"))
                    assert not [one for one in there if os.path.realpath(one).endswith(".jsonl")]
                ctx.emit("response", {"body": "from a child"})
                recorder.stop()
                server.goodbye()
            finally:
                os._exit(0 if sys.exc_info()[0] is None else 1)
        assert await asyncio.to_thread(os.waitpid, pid, 0) == (pid, 0)
        await over.get()
        await flow.stop()
        rows = [row.value for row in __import__("wsflow").Recording.open(recorder.path).rows()]
        assert "from a child" not in rows and rows.count("again") == 2, rows
    """
    async with await forked(rest, tmp_path) as running, connect(running.url) as peer:
        await peer.send("go")
        assert await peer.recv() == "go"
        await peer.send("again")
        assert await peer.recv() == "again"
        assert (await ending(peer))[0] == 1001
        status, said = await running.ended()
        assert (status, "Traceback" in said) == (0, False), said


async def test_a_spawned_child_that_imports_the_script_does_not_serve_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    with pytest.raises(ServeError, match="under `if __name__ == '__main__':`"):
        await Flow("spawned").serve()


# ---- answers that are being worked on


async def test_p13_an_answer_that_is_worked_on_is_finished_before_the_server_goes() -> None:
    """Found B12: it was cut after a quarter of a second."""
    flow, asked, go = Flow("slow"), asyncio.Event(), asyncio.Event()

    @flow.node
    async def slow(ev: Any, ctx: Context) -> None:
        asked.set()
        await go.wait()
        ctx.emit("response", {"body": "done"})

    flow.http("/slow").out >> slow
    server = await flow.serve()
    async with Raw.tcp(server.port) as raw:
        await raw.send(request("/slow"))
        await asked.wait()
        stopping = asyncio.create_task(flow.stop())
        await eventually(lambda: not server.running)
        done, _ = await asyncio.wait([stopping], timeout=0.6)  # others get 0.2 s
        assert not done
        go.set()
        assert (await raw.response()).body == b"done"
        await stopping


# ---- loops that go away


def test_a17_a_flow_whose_loop_was_closed_starts_anew() -> None:
    flow, closed = echoing(), list[str]()
    flow.nodes["/"].close >> flow.node(lambda ev: closed.append(ev["sessionId"]), name="bye")

    async def leave() -> int:
        server = await flow.serve()
        client = await flow.client("/")
        await client.send("x")
        return server.port

    loop = asyncio.new_event_loop()
    port = loop.run_until_complete(leave())
    loop.close()

    async def again() -> None:
        server = await flow.serve(port=port)
        assert len(flow.sessions) == 0
        assert len(closed) == 1
        async with connect(f"{server.url}/") as peer:
            await peer.send("anew")
            assert await peer.recv() == "anew"
        await assert_replies(flow, "/", sends=["x"], expects=["x"])
        await flow.stop()

    asyncio.run(again())


@pytest.mark.parametrize("how", ["stop", "start", "client", "again"])
def test_a17_after_the_loop_was_closed_everything_else_works_too(how: str) -> None:
    flow = echoing()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(flow.serve())
    loop.close()

    async def use() -> None:
        match how:
            case "stop":
                await flow.stop()
            case "start":
                await flow.start()
            case "client":
                await assert_replies(flow, "/", sends=["x"], expects=["x"])
            case _:
                async with flow.serving():
                    assert flow.running
        await flow.stop()
        assert not flow.running
        assert flow.server is None

    asyncio.run(use())


def test_a17_a_flow_whose_loop_stands_still_is_named_with_a_cure() -> None:
    flow = echoing("standing")
    loop = asyncio.new_event_loop()
    client = flow.client("/")

    async def begin() -> None:
        await flow.serve()
        await client.connect()

    loop.run_until_complete(begin())

    async def use() -> None:
        for attempt in (flow.serve, flow.start, flow.stop, flow.client("/").connect):
            with pytest.raises(ServeError, match=r"'standing' runs in another .*thread=True"):
                await attempt()
        with pytest.raises(ServeError, match="stands still"):
            await client.send("x")

    asyncio.run(use())
    loop.run_until_complete(flow.stop())
    loop.close()


# ---- other libraries


def entries(flow: Flow) -> dict[str, Any]:
    return {
        "serve": flow.serve(),
        "start": flow.start(),
        "stop": flow.stop(),
        "client": flow.client("/").connect(),
        "log": flow.log.until(),
        "freeze": flow.freeze(flow.nodes["/"].message).wait(),
        "helper": assert_replies(flow, "/", sends=["x"], expects=["x"]),
    }


@pytest.mark.parametrize("entry", entries(echoing()))
def test_a18_under_another_library_each_entry_says_that_it_is_asyncio_s(entry: str) -> None:
    """As trio would: awaited, with no loop of asyncio about."""
    found = entries(echoing())
    for name, coroutine in found.items():
        if name != entry:
            coroutine.close()
    with pytest.raises(ServeError, match="wsflow runs on asyncio, not trio"):
        found[entry].send(None)


def test_a18_a_replay_too(tmp_path: Path) -> None:
    flow = echoing()

    async def record() -> None:
        with flow.record("lesson", folder=tmp_path):
            await assert_replies(flow, "/", sends=["x"], expects=["x"])

    asyncio.run(record())
    with pytest.raises(ServeError, match="wsflow runs on asyncio, not trio"):
        flow.replay("lesson", folder=tmp_path).__await__().send(None)


def test_a_port_is_free_though_somebody_has_a_copy_of_the_socket() -> None:
    """What a fork behind Python's back does, a descriptor that was sent away, too."""

    async def main() -> None:
        flow = echoing()
        server = await flow.serve()
        door: Any = server._listener._door
        copy = socket.socket(fileno=socket.dup(door._sock.fileno()))
        try:
            await flow.stop()
            with socket.create_server(("127.0.0.1", server.port)):
                pass
        finally:
            copy.close()
        assert errors(flow) == []

    asyncio.run(main())

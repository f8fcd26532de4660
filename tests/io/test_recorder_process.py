"""A process that records and is killed, stopped or out of disk: what was safe is not lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import struct
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import IO

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.recorded.by_hand import in_order, read
from wsflow.recording import Recording

ROOT = Path(__file__).parents[2]

SERVER = """
    import asyncio, atexit, mmap, os, struct, sys
    from wsflow import Flow
    from wsflow.io.recorder import Recorder

    flow = Flow("echo")

    @flow.node
    def shout(ev, ctx):
        ctx.route(ev)
        ctx.emit("response", {"body": ev["message"].upper()})

    flow.websocket("/chat/{room}").message >> shout

    shared = mmap.mmap(os.open("said", os.O_RDWR), 16)

    def say(recorder):
        "Say which rows are safe, each time the recorder has written some."
        attach = flow._host.store.attach
        attach(lambda: shared.__setitem__(slice(8), struct.pack("q", recorder.rows)))

"""


class Other:
    """A process that records what a client says to its flow."""

    def __init__(self, folder: Path, script: str) -> None:
        self.said = folder / "said"
        self.said.write_bytes(bytes(16))
        code = textwrap.dedent(SERVER) + textwrap.dedent(script)
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        out: IO[str] | None = self.process.stdout
        assert out is not None
        return out.readline().strip()

    @property
    def acknowledged(self) -> int:
        (rows,) = struct.unpack("q", self.said.read_bytes()[:8])
        assert isinstance(rows, int)
        return rows

    def __enter__(self) -> Other:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.mark.parametrize("trial", range(12))
async def test_p26_kill_9_loses_no_row_that_was_said_to_be_safe(trial: int, tmp_path: Path) -> None:
    dice = random.Random(trial)
    script = f"""
        Recorder.__init__.__kwdefaults__["part_bytes"] = {(2**28, 40_000)[trial % 2]}

        async def main():
            server = await flow.serve(thread={trial % 3 == 2}, record="one")
            say(flow._host.recorders["one"])
            print(server.url, flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
    """
    sent: list[str] = []
    with Other(tmp_path, script) as other:
        url = await asyncio.to_thread(other.line)
        async with connect(f"{url}/chat/red") as peer:
            for _ in range(3):  # by the third answer the row of the first is surely written
                sent.append(f"{len(sent)}:first")
                await peer.send(sent[-1])
                await peer.recv()
            wait = dice.uniform(0.05, 0.5)
            killing = asyncio.get_running_loop().call_later(wait, other.process.kill)
            with contextlib.suppress(ConnectionClosed):
                while True:
                    sent.append(f"{len(sent)}:" + "x" * dice.randrange(400))
                    await peer.send(sent[-1])
                    if dice.random() < 0.3:
                        await peer.recv()
        killing.cancel()
        await asyncio.to_thread(other.process.wait)
        acknowledged = other.acknowledged
    recording = Recording.open(tmp_path / "recordings" / "one.jsonl")
    rows = list(recording.rows())
    assert len(rows) >= acknowledged > 0
    assert in_order(rows)
    assert all(one.torn for one in recording.damage)
    messages = [row.value for row in rows if row.kind == "message"]
    assert messages == sent[: len(messages)]
    recording.repair()
    assert len(list(recording.rows())) == len(rows)
    assert recording.damage == []


ENDINGS = {
    "nothing is stopped before asyncio.run ends": """
        async def main():
            flow.record("one")
            alice = await flow.client("/chat/red")
            for n in range(50):
                await alice.send(f"{n}")
            at_exit()

        asyncio.run(main())
    """,
    "the flow is stopped": """
        async def main():
            await flow.serve(record="one")
            async with flow.client("/chat/red") as alice:
                for n in range(50):
                    await alice.send(f"{n}")
            at_exit()
            await flow.stop()

        asyncio.run(main())
    """,
    "the loop is left lying around": """
        async def main():
            flow.record("one")
            alice = await flow.client("/chat/red")
            for n in range(50):
                await alice.send(f"{n}")
            at_exit()

        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
    """,
    "it serves in a thread": """
        async def main():
            await flow.serve(thread=True, record="one")
            alice = await flow.client("/chat/red")
            for n in range(50):
                await alice.send(f"{n}")
            at_exit()

        asyncio.run(main())
    """,
    "somebody calls sys.exit": """
        async def main():
            await flow.serve(record="one")
            alice = await flow.client("/chat/red")
            for n in range(50):
                await alice.send(f"{n}")
            at_exit()
            sys.exit(3)

        asyncio.run(main())
    """,
    "it never ran": """
        flow.record("one")
        for n in range(50):
            flow._host.store.tell(flow._host.store.place("message", "", ""), 0, 0, 0, str(n), 1)
        at_exit()
    """,
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_lost_however_the_process_ends(ending: str, tmp_path: Path) -> None:
    script = """
        def last():
            print(flow._host.store.seq, flow.log.tail(1_000)[-1].kind, flush=True)

        def at_exit():
            pass

        atexit.register(last)  # the first that is registered is the last that is called
    """
    with Other(tmp_path, textwrap.dedent(script) + textwrap.dedent(ENDINGS[ending])) as other:
        out, _ = other.process.communicate(timeout=50)
    told = int(out.split()[0])
    rows = read(tmp_path / "recordings" / "one.jsonl")
    assert [row.value for row in rows if row.kind == "message"] == [f"{n}" for n in range(50)]
    assert in_order(rows)
    assert len(rows) == told


async def test_a_limit_on_file_size_costs_the_recording_and_not_the_process(tmp_path: Path) -> None:
    script = """
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

        async def main():
            server = await flow.serve(record="one")
            recorder = flow._host.recorders["one"]
            say(recorder)
            print(server.url, flush=True)
            await flow.log.until(kind="gap", timeout=30)
            print(recorder.failed, flush=True)
            print(sum(row.kind in {"error", "gap"} for row in flow.log), flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
    """
    with Other(tmp_path, script) as other:
        url = await asyncio.to_thread(other.line)
        async with connect(f"{url}/chat/red") as peer:
            for number in range(100):
                await peer.send(f"{number:0300}")
                assert await peer.recv() == f"{number:0300}"
        assert (await asyncio.to_thread(other.line)).endswith("one.jsonl: File too large")
        assert await asyncio.to_thread(other.line) == "2"
        rows = read(tmp_path / "recordings" / "one.jsonl")
        assert in_order(rows)
        assert len(rows) == other.acknowledged > 10

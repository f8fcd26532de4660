"""What the second table asks of wsflow alone: one more node, a session, an import.

Each is called in a process of its own (see `figures.py`) and gives one number.
"""

import asyncio
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

NODES = 10
MESSAGES = 20_000
SESSIONS = 500
SAID = 20
IMPORTS = 5


def chain(folder: Path) -> float:
    """Return the microseconds each further node of a chain costs a message, its row logged."""
    return asyncio.run(_chain())


async def _chain() -> float:
    from wsflow import Flow

    flow = Flow("bench")

    @flow.node
    def reply(ev: Any, ctx: Any) -> None:
        ctx.emit("response", {"body": ev["message"]})

    short, long = flow.websocket("/short"), flow.websocket("/long")
    short.message >> reply
    before: Any = long.message
    for number in range(NODES):
        node = flow.node(lambda ev, ctx: ctx.route(ev), name=f"step {number}")
        before >> node
        before = node.out
    before >> reply
    async with flow.client("/short") as one, flow.client("/long") as other:
        costs = []
        for _ in range(5):
            alone, together = await _cost(one), await _cost(other)
            costs.append((together - alone) / NODES)
    await flow.stop()
    return median(costs)


async def _cost(client: Any) -> float:
    """Return the µs of CPU a message takes there and back."""
    began = time.process_time()
    for number in range(MESSAGES // 100):
        for _ in range(100):
            await client.send(f"a message of sixty-four bytes, as in the table above, {number:9}")
        for _ in range(100):
            await client.receive(timeout=5)
    return (time.process_time() - began) / MESSAGES * 1e6


def idle(folder: Path) -> float:
    """Return the KB of memory an idle session on a real socket takes, both ends apart."""
    return asyncio.run(_held(0))


def active(folder: Path) -> float:
    """Return the KB of memory a session takes that has said and heard something."""
    return asyncio.run(_held(SAID))


async def _held(messages: int) -> float:
    from wsflow import Flow

    flow = Flow("bench", log_rows=1_000)  # the sessions, not their log

    @flow.node
    def reply(ev: Any, ctx: Any) -> None:
        ctx.emit("response", {"body": ev["message"]})

    flow.websocket("/").message >> reply
    server = await flow.serve()
    clients = [await _clients(server.port, 100, messages)]  # what is made once is made now
    before = _memory()
    clients.append(await _clients(server.port, SESSIONS, messages))
    grown = _memory() - before
    for client in clients:
        client.kill()
        await client.wait()
    await flow.stop()
    return grown / SESSIONS / 1024


async def _clients(port: int, count: int, messages: int) -> asyncio.subprocess.Process:
    """Connect so many from another process, have each say and hear so much, and sit there."""
    code = (
        "from tests.bench.load import frame, upgraded\n"
        f"kept = [upgraded({port}, '/') for _ in range({count})]\n"
        "for line in kept:\n"
        "    line.setblocking(True)\n"
        f"    for _ in range({messages}):\n"
        "        line.sendall(frame(0x81, b'x' * 64, b'key!'))\n"
        "        line.recv(1024)\n"
        "print('there', flush=True); input()"
    )
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert started.stdout is not None
    await started.stdout.readline()
    return started


def _memory() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def imported(folder: Path) -> float:
    """Return the milliseconds of CPU `import wsflow` takes beyond a bare interpreter.

    Its modules are compiled already, as they are for everybody from the second import on.
    """
    _started("import wsflow")
    return median(_started("import wsflow") - _started("pass") for _ in range(IMPORTS)) * 1000


def _started(code: str) -> float:
    compiled = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, env=compiled)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

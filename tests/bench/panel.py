"""What an open panel costs a kernel under load (promise P17): `python -m tests.bench.panel`.

A real kernel serves an echo to twenty clients at a steady rate, two log rows a message; a page of
the whole panel is open for one measurement and closed for the next, in turn. What the page is told
is checked as well: how often, and whether rows told and rows skipped add up to all there were.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.bench.load import FIN_TEXT, READ_SIZE, BenchError, frame, upgraded
from tests.jupyter.kernel import Kernel, Version
from tests.jupyter.kernel_page import KernelPage, comm_of

CLIENTS = 20
TICK = 0.02
"""Seconds between two batches of messages."""
TEXT = b"a message of sixty-four bytes, as in the table of the benchmarks"
GOAL = 5.0
"""Per cent of a core."""

ECHO = """
    import pandas
    from wsflow import Flow
    flow = Flow("bench")

    @flow.node
    def reply(ev, ctx):
        ctx.emit("response", {"body": ev["message"]})

    flow.websocket("/echo").message >> reply
    server = await flow.serve()
"""


class Load:
    """Clients that send at a steady rate, whatever comes back."""

    def __init__(self, port: int, events: int) -> None:
        self._port, self._rate = port, events / 2  # a message and its response are two events
        self._frame = frame(FIN_TEXT, TEXT, os.urandom(4))
        self.sent = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send while the block runs."""
        loop = asyncio.get_running_loop()
        lines = [upgraded(self._port, "/echo") for _ in range(CLIENTS)]
        streams = [await asyncio.open_connection(sock=line, limit=READ_SIZE) for line in lines]
        tasks = [loop.create_task(_discard(reader)) for reader, _ in streams]
        tasks.append(loop.create_task(self._send([writer for _, writer in streams])))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for _, writer in streams:
                writer.close()

    async def _send(self, writers: list[asyncio.StreamWriter]) -> None:
        began = time.monotonic()
        while True:
            await asyncio.sleep(TICK)
            due = int((time.monotonic() - began) * self._rate) - self.sent
            each = due // len(writers)
            for writer in writers:
                writer.write(self._frame * each)
            self.sent += each * len(writers)


async def _discard(reader: asyncio.StreamReader) -> None:
    while await reader.read(READ_SIZE):
        pass


@dataclass(slots=True)
class Figures:
    """A value a round: per cent of a core, and how often the page was told something."""

    closed: list[float] = field(default_factory=list)
    opened: list[float] = field(default_factory=list)
    updates: list[float] = field(default_factory=list)
    events: list[float] = field(default_factory=list)
    skipped: int = 0
    told: int = 0

    @property
    def cost(self) -> float:
        """The median of what opening the panel added, in per cent of a core."""
        pairs = zip(self.opened, self.closed, strict=True)
        return median(opened - closed for opened, closed in pairs)

    def markdown(self, events: int) -> str:
        """Return it as a row."""
        share = self.cost / median(self.closed) * 100
        spread = [opened - closed for opened, closed in zip(self.opened, self.closed, strict=True)]
        return (
            f"| panel open at {median(self.events):,.0f} events/s (asked for {events:,}) "
            f"| {self.cost:.1f} % of a core (from {min(spread):.1f} to {max(spread):.1f}) "
            f"| {share:.0f} % more than the {median(self.closed):.0f} % of the closed one "
            f"| {max(self.updates):.1f} updates/s at most "
            f"| {self.told:,} rows told + {self.skipped:,} skipped = all "
            f"| goal {GOAL:g} % |"
        )


async def measure(version: Version, events: int, rounds: int, seconds: float) -> Figures:
    """Open and close a page in turn while the load runs."""
    figures = Figures()
    async with Kernel(version) as kernel:
        await kernel.run(ECHO, "flow")
        comm = comm_of(await kernel.run("flow.panel()", "panel"))
        load = Load(await kernel.value("server.port"), events)
        pid = await kernel.value("__import__('os').getpid()")
        async with load.running():
            await asyncio.sleep(2)  # to warm up
            for number in range(rounds):
                for opened in (False, True) if number % 2 else (True, False):
                    await _window(kernel, comm, pid, seconds, figures, opened=opened)
    return figures


async def _window(
    kernel: Kernel, comm: str, pid: int, seconds: float, figures: Figures, *, opened: bool
) -> None:
    page = KernelPage(kernel, comm)
    if opened:
        page.hello()
        await page.told("log")
    seq, heard = await kernel.value("flow.log.seq"), len(page.messages)
    before, began = _cpu(pid), time.monotonic()
    await asyncio.sleep(seconds)
    used, lasted = _cpu(pid) - before, time.monotonic() - began
    heard = len(page.messages) - heard
    figures.events.append((await kernel.value("flow.log.seq") - seq) / lasted)
    if not opened:
        figures.closed.append(used / lasted * 100)
        return
    figures.opened.append(used / lasted * 100)
    figures.updates.append(heard / lasted)
    page.bye()
    await kernel.value("None")
    _check(page, figures)


def _check(page: KernelPage, figures: Figures) -> None:
    """Hold what was told against what happened: numbers of rows have no gaps."""
    first, *later = page.news("log")
    last, skipped = first["rows"][-1][0], 0
    for news in later:
        rows = news.get("rows")
        if not rows:
            continue
        numbers = [row[0] for row in rows]
        if numbers != list(range(numbers[0], numbers[-1] + 1)):
            raise BenchError(f"rows are missing between {numbers[0]} and {numbers[-1]}")
        if numbers[0] - last - 1 != news["gap"]:
            raise BenchError(f"{news['gap']} skipped were told after row {last}: {numbers[0]}")
        last, skipped = numbers[-1], skipped + news["gap"]
        figures.told += len(rows)
    if later and later[-1]["skipped"] != skipped:
        raise BenchError(f"{later[-1]['skipped']} skipped were told in all, {skipped} one by one")
    figures.skipped += skipped


def _cpu(pid: int) -> float:
    """Return the seconds of CPU a process has used, of all its threads (proc(5))."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def main(arguments: list[str] | None = None) -> int:
    """Measure and print a Markdown row; 1 when it is more than the goal."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.panel", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000, help="rows a second (10000)")
    parser.add_argument("--rounds", type=int, default=6, help="pairs of measurements (6)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of one measurement (4)")
    parser.add_argument("--kernel", default="newest", help="the ipykernel (newest)")
    options = parser.parse_args(arguments)
    try:
        figures = asyncio.run(
            measure(options.kernel, options.events, options.rounds, options.seconds)
        )
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    print(figures.markdown(options.events))
    return int(figures.cost > GOAL)


if __name__ == "__main__":
    sys.exit(main())

"""What only shows in numbers or in time: many sessions, many events, many minutes.

Six seconds of it are played each time; `--long` plays ten minutes, holds 10,000 sessions instead of
2,000, and tells a million events instead of enough to fill the log more than twice.
"""

import asyncio
import contextlib
import random
import time
from operator import le
from statistics import median
from typing import Any, cast

import pytest

from tests.bench.load import upgraded
from tests.fuzz.judge import Wire
from tests.needs import missing
from tests.peers.raw import BINARY, PING, TEXT, Raw, close, eventually, frame, handshake, text
from tests.process.crowd import Crowded, crowded, more_descriptors
from tests.process.memory import memory
from wsflow import Context, Flow
from wsflow.base.interfaces import Request
from wsflow.wire.connection import Batch, Connection

MIB = 2**20


# ---- many sessions


@pytest.mark.serial
@pytest.mark.timeout(300)
def test_p12_thousands_of_idle_sessions_are_held_and_answered(long: bool) -> None:
    count = 10_000 if long else 2_000
    if more_descriptors() < count + 100:
        missing(f"allow a process {count + 100} descriptors: ulimit -n {count + 100}")
    with crowded(max_sessions=count + 10) as server, contextlib.ExitStack() as stack:
        warm = stack.enter_context(upgraded(server.port, "/"))
        before = server.holds()
        socks = [stack.enter_context(upgraded(server.port, "/")) for _ in range(count - 1)]
        after = server.holds()
        assert after.sessions == count
        assert after.tasks == before.tasks, "an idle session has no task"
        each = (after.memory - before.memory) / (count - 1)
        waits = []
        question, answer = frame(TEXT, b"there?"), b"\x81\x06there?"
        for sock in random.Random(12).sample([warm, *socks], 1000):
            sock.settimeout(30)
            began = time.perf_counter()
            sock.sendall(question)
            assert sock.recv(100) == answer
            waits.append(time.perf_counter() - began)
        median, p99 = sorted(waits)[500], sorted(waits)[990]
        print(f"{count} sessions: {each:.0f} bytes each, echo p99 {p99 * 1000:.1f} ms")
        assert each < 30 * 1024
        assert (p99 if long else median) < 0.05, "the worst say more of a busy machine than of us"


# ---- many events


class Hole(Wire):
    """A transport that forgets."""

    def write(self, data: bytes) -> None: ...


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("size", [64, 5000])
async def test_p28_however_many_events_stay_within_the_log_s_bounds(size: int, long: bool) -> None:
    count = 1_000_000 if long else 250_000
    flow = Flow("many")

    @flow.node
    def reply(ev: Any, ctx: Context) -> None:
        ctx.route(ev["message"])
        ctx.emit("response", {"body": ev["message"]})

    flow.websocket("/").message >> reply
    await flow.start()
    endpoint = flow._host.endpoint(None)
    admission = cast(Any, endpoint.admit(Request("GET", "/", "", (("host", "x"),), "127.0.0.1")))
    batch = Batch()
    connection = Connection(batch, cast(Any, Hole()), MIB)
    session = endpoint.open(admission, connection)
    connection.start(session, b"")
    await flow.log.until(kind="req")
    before = memory()
    number = 0
    while flow.log._store.seq < count:
        letters = b"".join(
            frame(TEXT, f"{number + at:>{size}}".encode(), mask=b"\0\0\0\0") for at in range(20)
        )
        number += 20
        batch.view[: len(letters)] = letters
        connection.buffer_updated(len(letters))
        if number % 2000 == 0:
            await asyncio.sleep(0)
    newest, kept = flow.log._store.seq, len(flow.log)
    assert newest >= count
    assert flow.log.dropped == newest - kept
    first = next(iter(flow.log))
    assert first.seq == flow.log.dropped + 1
    assert kept <= 100_000
    assert sum(row.size for row in flow.log) < 256 * MIB
    assert memory() - before < (256 + 16) * MIB
    connection.connection_lost(None)
    await flow.stop()


# ---- many minutes


class Visitor:
    """A client whose dice decide what it does next; it comes again and again."""

    def __init__(self, port: int, seed: int, until: float) -> None:
        self.port, self.dice, self.until = port, random.Random(seed), until
        self.echoed = self.visits = 0

    async def stay(self) -> None:
        """Come until time is up."""
        while time.monotonic() < self.until:
            self.visits += 1
            async with Raw.tcp(self.port) as raw:
                with contextlib.suppress(OSError, EOFError):  # the other side may be done with us
                    await self._visit(raw)
            await asyncio.sleep(self.dice.random() * 0.5)  # people take their time

    async def _visit(self, raw: Raw) -> None:
        if self.dice.random() < 0.1:  # no handshake at all, or half of one
            await raw.send(self.dice.choice([self._garbage(), handshake()[:50], b"GET / HT"]))
        else:
            await raw.send(handshake())
            assert (await raw.response()).status == 101
            while time.monotonic() < self.until and self.dice.random() < 0.9:
                await self._say(raw)
        await self._leave(raw)

    async def _say(self, raw: Raw) -> None:
        size = self.dice.choice([1, 10, 125, 126, 4000, 70_000])
        said = self.dice.randbytes(size)
        await raw.send(frame(BINARY, said))
        assert (await raw.frame()).payload == said
        self.echoed += 1
        await asyncio.sleep(self.dice.random() * 0.2)  # people take their time

    async def _leave(self, raw: Raw) -> None:
        match self.dice.randrange(6):
            case 0 | 1:
                await raw.send(close(1000))
                await raw.rest()
            case 2:
                raw.reset()
            case 3:
                await raw.send(text("never answered"), frame(PING, b"?"))
                raw.reset()
            case 4:
                await raw.send(self._garbage())
                raw.half_close()
                await raw.rest()
            case _:
                raw.half_close()
                await raw.rest()

    def _garbage(self) -> bytes:
        return self.dice.randbytes(self.dice.randrange(1, 2000))


async def watched(server: Crowded, until: float) -> list[tuple[float, int]]:
    """Note its memory every second."""
    seen = []
    while time.monotonic() < until:
        seen.append((time.monotonic(), (await asyncio.to_thread(server.holds)).memory))
        await asyncio.sleep(1)  # what is looked at takes time
    return seen


def slope(seen: list[tuple[float, int]]) -> float:
    """Return bytes an hour: the median of the slopes between all pairs (Theil and Sen)."""
    return 3600 * median(
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for at, earlier in enumerate(seen)
        for later in seen[at + 1 :]
    )


@pytest.mark.slow
@pytest.mark.serial
@pytest.mark.timeout(800)
async def test_p30_a_soak_leaves_nothing_behind(long: bool) -> None:
    seconds = 600 if long else 6
    with crowded() as server:
        async with Raw.websocket(server.port) as raw:
            await raw.send(close(1000))
            await raw.closed()
        start = server.holds()
        until = time.monotonic() + seconds
        visitors = [Visitor(server.port, seed, until) for seed in range(200)]
        watch = asyncio.create_task(watched(server, until))
        await asyncio.gather(*(visitor.stay() for visitor in visitors))
        seen = await watch
        await eventually(lambda: all(map(le, server.holds()[1:], start[1:])), 15)
    later = seen[len(seen) // 2 :]
    growth = slope(later)
    echoed, visits = (sum(getattr(one, name) for one in visitors) for name in ("echoed", "visits"))
    print(f"{visits} visits, {echoed} echoes, {growth / MIB:+.2f} MiB an hour in the second half")
    assert echoed > seconds * 50
    if long:
        assert growth < 10**6
    else:  # six seconds are too short to see a megabyte an hour
        middle = len(later) // 2
        assert median(m for _, m in later[middle:]) - median(m for _, m in later[:middle]) < MIB

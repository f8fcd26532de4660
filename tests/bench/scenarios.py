"""The rows of the table: what is asked of every contestant.

A row opens its connections, warms up, measures and closes, all on one server. Never knows which.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

from tests.bench.load import (
    Crowd,
    Listener,
    Room,
    Sample,
    Script,
    Speaker,
    Target,
    Timed,
    visits,
)

TEXT_SIZE = 64
MIB = 2**20
CYCLE = 8  # different messages of a client that has fewer outstanding


@dataclass(frozen=True, slots=True)
class Row:
    """One line of questions: `measure` takes a server and the seconds to measure for."""

    name: str
    title: str
    unit: str
    measure: Callable[[Target, float], Awaitable[Sample]]
    lower: bool = False  # less is better


async def echo(
    target: Target, seconds: float, *, clients: int, window: int, path: str = "/echo"
) -> Sample:
    """Count the replies to clients that keep `window` messages outstanding each."""
    async with Crowd(target, path) as crowd:
        for number in range(clients):
            name = f"client {number}"
            script = Script.numbered(name, max(window, CYCLE), TEXT_SIZE)
            await crowd.join(speaker := Speaker(name, script))
            speaker.say(window)
        return await crowd.measure(seconds)


async def latency(target: Target, seconds: float, *, clients: int, share: float) -> Sample:
    """Return within how many milliseconds that share of the replies came, one outstanding each."""
    async with Crowd(target, "/echo") as crowd:
        everybody = []
        for number in range(clients):
            name = f"client {number}"
            await crowd.join(speaker := Timed(name, Script.numbered(name, CYCLE, TEXT_SIZE)))
            speaker.say(1)
            everybody.append(speaker)
        sample = await crowd.measure(seconds)
    lasted = sorted(one for speaker in everybody for one in speaker.lasted)
    return replace(sample, value=lasted[int(len(lasted) * share)] * 1000)


async def large(target: Target, seconds: float, *, clients: int, size: int) -> Sample:
    """Count the megabytes a second that come back in messages of `size` bytes."""
    async with Crowd(target, "/echo") as crowd:
        for number in range(clients):
            name = f"client {number}"
            await crowd.join(speaker := Speaker(name, Script.numbered(name, 1, size)))
            speaker.say(1)
        sample = await crowd.measure(seconds)
    return replace(sample, value=sample.value * size / 1e6)


async def broadcast(target: Target, seconds: float, *, members: int) -> Sample:
    """Count the deliveries of what one member says to all, with one message on its way."""
    room = Room()
    script = Script.numbered("broadcast", CYCLE, TEXT_SIZE)
    async with Crowd(target, "/broadcast") as crowd:
        for number in range(members):
            await crowd.join(Listener(f"member {number}", script, room))
        room.speak()
        return await crowd.measure(seconds)


ROWS = (
    Row("ping-pong", "ping-pong, 1 client", "messages/s", partial(echo, clients=1, window=1)),
    Row("echo-100", "echo, 100 clients", "messages/s", partial(echo, clients=100, window=1)),
    Row("pipelined", "pipelined, 10 × 64", "messages/s", partial(echo, clients=10, window=64)),
    Row("broadcast-200", "broadcast to 200", "deliveries/s", partial(broadcast, members=200)),
    Row("broadcast-1000", "broadcast to 1,000", "deliveries/s", partial(broadcast, members=1000)),
    Row(
        "async",
        "echo, 100 clients, async node",
        "messages/s",
        partial(echo, clients=100, window=1, path="/async"),
    ),
    Row(
        "await",
        "echo, 100 clients, awaiting node",
        "messages/s",
        partial(echo, clients=100, window=1, path="/await"),
    ),
    Row(
        "p99",
        "echo, 100 clients, 99 % within",
        "ms",
        partial(latency, clients=100, share=0.99),
        lower=True,
    ),
    Row("mebibyte", "echo of 1 MiB, 4 clients", "MB/s", partial(large, clients=4, size=MIB)),
    Row("visits", "connect and close", "visits/s", partial(visits, path="/echo")),
)

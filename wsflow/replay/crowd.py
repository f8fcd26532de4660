"""A recording turned into a crowd: seeded clients that do again, many times, what was done once.

    crowd = recording.ghosts(n=200, faults={"drop": 0.05})
    await crowd.run(flow)                     # in memory, in virtual time
    await crowd.run("ws://127.0.0.1:8000")    # over sockets, any server

What each ghost will do is decided beforehand by the seed: the same crowd twice does the same twice.
Opposite: `replay.py`, which plays a recording once and compares the answers.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import ReplayError
from ..types import Data
from .address import Address, known_pairs, own_headers, sendable
from .crowd_report import CrowdReport, Ghost, Step, Visit
from .crowd_visits import Playable, in_memory, over_sockets
from .payload import sent
from .player import LONGEST_GAP

if TYPE_CHECKING:
    from ..io.format import Entry
    from ..io.reader import Reader

FAULTS = {
    "drop": "the connection is gone without a Close, at some moment of its visit",
    "slow": "it takes ten seconds over each answer, whatever waits",
    "duplicate": "a message is sent twice",
}
"""What can go wrong, and how it shows. `drop` and `slow` are chances of a ghost, `duplicate` of a
message."""


class Ghosts:
    """A crowd made of a recording: `await crowd.run(flow)`; `list(crowd)` tells its plans."""

    def __init__(
        self,
        recording: Reader,
        *,
        n: int = 50,
        seed: int = 7,
        jitter: float = 0.2,
        faults: Mapping[str, float] | None = None,
    ) -> None:
        self.recording, self.seed, self.jitter = recording, seed, jitter
        self.faults = dict(faults or {})
        _check(n, jitter, self.faults)
        scripts, length = _scripts(recording, n, seed)
        if not scripts:
            raise ReplayError(
                f"recording {recording.name!r} has no WebSocket session; ghosts need one to repeat"
            )
        self._ghosts = [self._plan(number, scripts, length) for number in range(n)]

    def _plan(self, number: int, scripts: list[_Script], length: float) -> Ghost:
        """Decide what one ghost does; the same whatever the size of the crowd."""
        dice = random.Random(f"{self.seed}/{number}")
        script = scripts[number % len(scripts)]
        facts, chance, jitter = script.facts, self.faults, self.jitter
        plan: list[Step] = []
        now = last = 0.0
        for t, data in script.messages:
            now += (t - last) * dice.uniform(1 - jitter, 1 + jitter)
            last = t
            plan.append(Step(now, data))
        # nobody leaves earlier than recorded: who was sent away then is sent away now
        leaves = now + (script.end - last) * dice.uniform(1, 1 + jitter)
        code, reason = script.code, script.reason
        faults: list[str] = []
        if dice.random() < chance.get("drop", 0.0):
            leaves, code, reason = leaves * dice.random(), None, ""
            faults.append("drop")
        if dice.random() < chance.get("slow", 0.0):
            faults.append("slow")
        steps: list[Step] = []
        for step in plan:
            if step.at <= leaves:
                twice = dice.random() < chance.get("duplicate", 0.0)
                steps += [step] * (1 + twice)
                faults += ["duplicate"] * twice
        return Ghost(
            number=number,
            session=str(facts["id"]),
            path=str(facts["path"]),
            query=known_pairs(facts.get("query")),
            headers=own_headers(facts.get("headers")),
            arrives=script.start + length * dice.uniform(0, jitter),
            steps=tuple(steps),
            leaves=leaves,
            code=code,
            reason=reason,
            faults=tuple(faults),
        )

    async def run(self, where: Playable | str, *, speed: float = 1.0) -> CrowdReport:
        """Let them all visit a flow, or a server, and report what came of it.

        A flow gets them in memory: in a flow of its own with the same handlers and wires (as in a
        replay), in a thread beside, in virtual time; live clients notice nothing, an hour takes as
        long as its work, and the same crowd gives the same report. A server (`"ws://host:port"`,
        also of another make; a path before and a query such as `?token=...` are added to those
        recorded) gets them over sockets, in real time; `speed=10` is ten times as fast.

        HTTP requests of the recording are not repeated.

        Raises:
            ReplayError: the speed or the address is none, or nobody listens there.
        """
        if speed <= 0:
            raise ReplayError(f"speed is a number above 0: {speed}")
        report = CrowdReport(self.recording.name, [Visit(ghost) for ghost in self])
        began = time.monotonic()
        if isinstance(where, str):
            self._check_ways(Address.of(where))
            await over_sockets(where, report, speed)
        else:
            await in_memory(where, report, int(self.recording.header.get("time") or 0))
        report.seconds = time.monotonic() - began
        return report

    def _check_ways(self, address: Address) -> None:
        """Raise `ReplayError` where a ghost could get to more than that server."""
        for ghost in self:
            try:
                address.check(ghost.path, ghost.headers)
            except ReplayError as error:
                raise ReplayError(
                    f"{self.recording.path}, session {ghost.session!r:.80}: {error}"
                ) from None

    haunt = run  # notebooks made before it was called `run` go on working

    def __iter__(self) -> Iterator[Ghost]:
        return iter(self._ghosts)

    def __len__(self) -> int:
        return len(self._ghosts)

    def __repr__(self) -> str:
        faults = "".join(f" {name}={chance:g}" for name, chance in self.faults.items())
        return f"<Ghosts {len(self)} of {self.recording.name} seed={self.seed}{faults}>"


def ghosts(
    recording: Reader,
    n: int = 50,
    seed: int = 7,
    *,
    jitter: float = 0.2,
    faults: Mapping[str, float] | None = None,
) -> Ghosts:
    """Return a crowd of `n` clients that do again what the sessions of a recording did.

    Args:
        recording: whose sessions are repeated, each equally often.
        n: how many ghosts.
        seed: the same seed is the same crowd.
        jitter: how far each pause may vary, from 0 (not at all) to 1 (from none to twice as long);
            ghosts of one session also arrive so much of the recording's length apart.
        faults: what goes wrong how often, from 0 to 1: `drop` (the connection is gone without a
            Close) and `slow` (it hardly reads) for a ghost, `duplicate` for a message.

    Raises:
        ReplayError: there is no session to repeat, or a number is out of bounds.
    """
    return Ghosts(recording, n=n, seed=seed, jitter=jitter, faults=faults)


# ---- what is recorded, as scripts


@dataclass
class _Script:
    """What one recorded session did; times in seconds since it came."""

    facts: dict[str, Any]
    start: float
    messages: list[tuple[float, Data]] = field(default_factory=list)
    end: float = -1.0
    code: int | None = 1000
    reason: str = ""


def _scripts(recording: Reader, n: int, seed: int) -> tuple[list[_Script], float]:
    """Read what at most `n` sessions did, chosen by the seed, and how long the recording is."""
    ids = {str(entry.opened["id"]): None for entry in recording.entries() if entry.opened}
    order = list(ids)
    random.Random(seed).shuffle(order)
    wanted = dict.fromkeys(order[:n])
    opened: dict[str, dict[str, Any]] = {}
    scripts: dict[str, _Script] = {}
    length = 0.0
    for entry in recording.entries():
        length = max(length, entry.t)
        if entry.opened is not None:
            opened[str(entry.opened["id"])] = entry.opened
        elif entry.session in wanted:
            _note(entry, scripts, opened)
    if length > LONGEST_GAP:
        raise ReplayError(
            f"{recording.path} is {length / 86_400:,.0f} days long, and ghosts would be there as "
            "long; recording.trim(start, end, to='...') makes a shorter one"
        )
    for script in scripts.values():
        if script.end < 0:  # it was there when the recording ended
            script.end = length - script.start
    return [scripts[id] for id in order if id in scripts], length


def _note(entry: Entry, scripts: dict[str, _Script], opened: dict[str, dict[str, Any]]) -> None:
    id = str(entry.session)
    if id not in scripts:
        facts = opened.get(id) or {"id": id, "path": entry.path}
        scripts[id] = _Script(facts, entry.t)
    script = scripts[id]
    t = entry.t - script.start
    if entry.kind == "message":
        script.messages.append((t, sent(entry)))
    elif entry.kind == "close":
        script.end = t
        script.code, script.reason = sendable(entry.code, entry.reason)


def _check(n: int, jitter: float, faults: Mapping[str, float]) -> None:
    if n < 1:
        raise ReplayError(f"n says how many ghosts, at least one: {n}")
    if not 0 <= jitter <= 1:
        raise ReplayError(f"jitter is a share from 0 to 1: {jitter}")
    for name, chance in faults.items():
        if name not in FAULTS:
            raise ReplayError(f"no fault {name!r}; there are: {', '.join(FAULTS)}")
        if not 0 <= chance <= 1:
            raise ReplayError(f"the chance of {name!r} is a number from 0 to 1: {chance}")

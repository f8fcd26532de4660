"""The interleaved rounds: every row on every server in turn, and what came of it.

Ratios are taken within a round only; between rounds the machine drifts. Never prints.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from tests.bench.contestants import BASELINE, Contestant
from tests.bench.load import BenchError, Sample
from tests.bench.process import Cores, Server, pinned, running
from tests.bench.scenarios import Row


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times better than the baseline, over the rounds."""

    median: float
    low: float
    high: float


@dataclass(slots=True)
class Results:
    """The samples of one run, in the order of the rounds, and what the servers complained about."""

    rows: Sequence[Row]
    contestants: Sequence[Contestant]
    rounds: int
    seconds: float
    cores: Cores
    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def values(self, row: Row, contestant: Contestant) -> list[float]:
        """List what was measured, a value a round."""
        return [sample.value for sample in self.samples[row.name, contestant.name]]

    def cost(self, row: Row, contestant: Contestant) -> float:
        """Return the median µs of CPU that the server used for each reply."""
        return median(sample.cost for sample in self.samples[row.name, contestant.name])

    def busy(self, row: Row, contestant: Contestant) -> float:
        """Return the median share of its core that the load generator took."""
        return median(sample.busy for sample in self.samples[row.name, contestant.name])

    def ratios(self, row: Row, contestant: Contestant) -> list[float]:
        """List the ratios to the baseline of the same round, above 1 when better."""
        pairs = zip(self.values(row, contestant), self.values(row, BASELINE), strict=True)
        return [base / value if row.lower else value / base for value, base in pairs]

    def savings(self, row: Row, contestant: Contestant) -> float | None:
        """Return how many times less CPU a reply cost than on the baseline, paired; the median.

        None where the system does not tell.
        """
        own, base = (self.samples[row.name, one.name] for one in (contestant, BASELINE))
        pairs = zip(own, base, strict=True)
        ratios = [theirs.cost / mine.cost for mine, theirs in pairs if mine.cost and theirs.cost]
        return median(ratios) if ratios else None

    def ratio(self, row: Row, contestant: Contestant) -> Ratio:
        """Sum the ratios up."""
        ratios = self.ratios(row, contestant)
        return Ratio(median(ratios), min(ratios), max(ratios))


def play(results: Results, progress: Callable[[str], None]) -> None:
    """Play all rounds and fill `results`; raises BenchError when a server fails."""
    with pinned(results.cores.load):
        for number in range(results.rounds):
            _play_round(results, number, progress)


def _play_round(results: Results, number: int, progress: Callable[[str], None]) -> None:
    order = list(results.contestants)
    if number % 2:
        order.reverse()
    with ExitStack() as stack:
        servers = [stack.enter_context(running(c, results.cores, results.notes)) for c in order]
        for row in results.rows:
            for server in servers:
                title = server.contestant.title
                progress(f"round {number + 1} of {results.rounds}: {row.title}, {title}")
                sample = _measure(row, server, results.seconds)
                results.samples.setdefault((row.name, server.contestant.name), []).append(sample)


def _measure(row: Row, server: Server, seconds: float) -> Sample:
    async def measure() -> Sample:
        return await row.measure(server.target, seconds)

    try:
        return asyncio.run(measure())
    except BenchError as error:
        raise BenchError(f"{row.title}, {server.contestant.title}: {error}") from error

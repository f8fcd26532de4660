"""The second table: what raw Hypercorn has no counterpart for, held against goals of our own.

`python -m tests.bench.figures` shows it alone. Each figure is taken in a process of its own, on
whatever core is free, once a round: `python -m tests.bench.figures NAME FOLDER` prints it.
Recordings that are read lie in the folder; `prepare` writes them before. What recording costs a
server is a pair of servers instead. All are CPU time: what else the machine does changes little.
"""

import asyncio
import importlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench import costs
from tests.bench.contestants import OURS, RECORDING
from tests.bench.load import BenchError
from tests.bench.process import ROOT, Cores
from tests.bench.rounds import Results, play
from tests.bench.scenarios import ROWS

MILLION = 1_000_000
PLAYED = 200_000  # rows of the recording that is replayed: half of them are events
SESSIONS = 20
TEXT = "a message of sixty-four bytes, as in the table above, number {:3}"
LIMIT = 120.0  # seconds a figure may take


@dataclass(frozen=True, slots=True)
class Figure:
    """One line: its goal, and whether less is better. `recorded` is how long a recording it reads.

    `measure` runs in a process of its own and gets the recording's folder; None: a pair of servers.
    """

    name: str
    title: str
    unit: str
    goal: float
    measure: Callable[[Path], float] | None = None
    lower: bool = True
    recorded: int = 0


@dataclass(slots=True)
class Figures:
    """The values of one run, a value a round."""

    wanted: Sequence[Figure]
    rounds: int
    seconds: float
    cores: Cores
    values: dict[str, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def median(self, figure: Figure) -> float:
        """Return what is shown."""
        return median(self.values[figure.name])

    def reached(self, figure: Figure) -> bool:
        """Whether the goal is reached."""
        value = self.median(figure)
        return value <= figure.goal if figure.lower else value >= figure.goal


def take(figures: Figures, progress: Callable[[str], None]) -> None:
    """Take all figures; raises BenchError when one can not be taken."""
    with tempfile.TemporaryDirectory(prefix="wsflow-bench-") as name:
        folder = Path(name)
        for rows in sorted({figure.recorded for figure in figures.wanted} - {0}):
            progress(f"writing a recording of {rows:,} rows")
            _measured("prepare", folder, str(rows))
        for number in range(figures.rounds):
            for figure in figures.wanted:
                progress(f"round {number + 1} of {figures.rounds}: {figure.title}")
                if figure.measure is not None:
                    value = _measured(figure.name, folder)
                else:
                    value = _share(figures, backwards=bool(number % 2))
                figures.values.setdefault(figure.name, []).append(value)


def _measured(*arguments: object) -> float:
    command = [sys.executable, "-m", "tests.bench.figures", *map(str, arguments)]
    try:
        ended = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{arguments[0]}: took more than {LIMIT:g} s") from error
    if ended.returncode:
        raise BenchError(f"{arguments[0]}: ended with {ended.returncode}:\n{ended.stderr.strip()}")
    return float(ended.stdout)


def _share(figures: Figures, *, backwards: bool) -> float:
    """Return how many per cent more CPU a reply of echo-100 costs a server that records.

    Where the system does not tell the CPU time of another process, time itself is compared.
    """
    row = next(row for row in ROWS if row.name == "echo-100")
    pair = [OURS, RECORDING][:: -1 if backwards else 1]
    results = Results([row], pair, 1, figures.seconds, figures.cores)
    play(results, lambda _: None)
    figures.notes += results.notes
    off, on = results.cost(row, OURS), results.cost(row, RECORDING)
    if not off:
        (on,), (off,) = results.values(row, OURS), results.values(row, RECORDING)
    return (on / off - 1) * 100


# ---- what the processes do


def prepare(folder: Path, rows: int) -> float:
    """Write a recording of an echo with the recorder; return the seconds it took."""
    from wsflow.io.recorder import Recorder
    from wsflow.log.blocks import Known
    from wsflow.log.store import Store

    store = Store()
    store.later = lambda flush: None  # no loop turns here: flushed by hand
    message = store.place("message", "echo", "message")
    response = store.place("response", "reply", "response")
    for number in range(1, SESSIONS + 1):
        facts = Known(f"s{number}", "127.0.0.1", "/echo", "GET", {}, {}, {}, store.now())
        store.know(number, facts)
    began = time.process_time()
    recorder = Recorder(str(rows), store, _echo()._host.describe, folder=folder)
    for number in range(rows // 2):
        session, text = number % SESSIONS + 1, TEXT.format(number % 1000)
        cause = store.tell(message, session, number + 1, 0, text, len(text))
        store.tell(response, session, number + 1, cause, text, len(text))
        if number % 1000 == 0:
            recorder.flush()
    recorder.stop()
    return time.process_time() - began


def _echo() -> Any:
    from wsflow import Flow

    flow = Flow("bench")

    @flow.node
    def reply(ev: Any, ctx: Any) -> None:
        ctx.emit("response", {"body": ev["message"]})

    flow.websocket("/echo", name="echo").message >> reply
    return flow


def _load(folder: Path, rows: int) -> Any:
    from wsflow import Recording

    importlib.import_module("wsflow.log.frame")
    return Recording.open(str(rows), folder=folder)


def stream(folder: Path) -> float:
    """Return the seconds of CPU it takes to read every row, one after the other."""
    recording = _load(folder, MILLION)
    began = time.process_time()
    count = sum(1 for _ in recording.rows())
    return _checked(count, MILLION, time.process_time() - began)


def frame(folder: Path) -> float:
    """Return the seconds it takes to have all rows in a DataFrame."""
    recording = _load(folder, MILLION)
    began = time.process_time()
    count = len(recording.frame())
    return _checked(count, MILLION, time.process_time() - began)


def replay(folder: Path) -> float:
    """Return the events a second of a replay as fast as possible, with comparison."""
    flow, recording = _echo(), _load(folder, PLAYED)
    began = time.process_time()
    report = asyncio.run(_outcome(flow, recording))
    seconds = time.process_time() - began
    if not report.ok:
        raise BenchError(f"the replay differs: {report!r}")
    _checked(report.tally.same, PLAYED // 2, seconds)
    return float(report.events / seconds)


async def _outcome(flow: Any, recording: Any) -> Any:
    return await flow.replay(recording)


def append(folder: Path) -> float:
    """Return the microseconds it takes to tell the log a row."""
    _, seconds = _told()
    return seconds / MILLION * 1e6


def log_frame(folder: Path) -> float:
    """Return the seconds it takes to have a log of a million rows as a DataFrame."""
    from wsflow.log.log import Log
    from wsflow.log.store import Store

    Log(Store()).frame()  # pandas loads some of itself at the first use
    store, _ = _told()
    log = Log(store)
    began = time.process_time()
    count = len(log.frame())
    return _checked(count, MILLION, time.process_time() - began)


def _told() -> tuple[Any, float]:
    """Return a store with a million rows, and the seconds it took to tell them."""
    from wsflow.log.store import Store

    store = Store(2 * MILLION, 2**30)  # room for all of them
    place = store.place("message", "echo", "message")
    text, tell = TEXT.format(0), store.tell
    began = time.process_time()
    for number in range(MILLION):
        tell(place, 1, number, 0, text, 64)
    return store, time.process_time() - began


def _checked(count: int, due: int, seconds: float) -> float:
    if count != due:
        raise BenchError(f"{count:,} rows came, {due:,} are due")
    return seconds


FIGURES = (
    Figure("recording", "recording on, echo of 100 clients", "% more CPU", 20),
    Figure("load-rows", "read a recording of 1,000,000 rows", "s CPU", 2, stream, recorded=MILLION),
    Figure("load-frame", "... as a DataFrame", "s CPU", 2, frame, recorded=MILLION),
    Figure(
        "replay",
        "replay and compare",
        "events/s CPU",
        100_000,
        replay,
        lower=False,
        recorded=PLAYED,
    ),
    Figure("log-append", "log, append a row", "µs CPU", 0.5, append),
    Figure("log-frame", "log, DataFrame of 1,000,000 rows", "s CPU", 0.1, log_frame),
    Figure("chain", "one more node in a chain, logged", "µs CPU", 1.5, costs.chain),
    Figure("idle", "an idle session", "KB", 30, costs.idle),
    Figure("active", "a session after 20 echoes", "KB", 30, costs.active),
    Figure("import", "import wsflow", "ms CPU", 150, costs.imported),
)


def main(arguments: Sequence[str]) -> int:
    """Take one figure and print it; without arguments take all and show the table."""
    if not arguments:
        from tests.bench.__main__ import main as bench

        return bench([word for figure in FIGURES for word in ("--only", figure.name)])
    name, folder, *rest = arguments
    if name == "prepare":
        print(prepare(Path(folder), int(rest[0])))
        return 0
    (figure,) = (figure for figure in FIGURES if figure.name == name)
    assert figure.measure is not None
    print(figure.measure(Path(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

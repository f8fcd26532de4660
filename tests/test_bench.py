"""The benchmark suite itself: it runs, reports what it ran and notices servers that answer wrongly.

How fast anything is, is never asserted here.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import costs, figures, load, process, report
from tests.bench.contestants import BASELINE, Contestant
from tests.bench.figures import FIGURES, Figure, Figures
from tests.bench.load import BenchError, Sample, Target
from tests.bench.process import ROOT, Cores, running
from tests.bench.rounds import Results, play
from tests.bench.scenarios import ROWS, Row

PING_PONG = ROWS[0]

# An echo server whose answer to a message is the expression in place of ANSWER.
ECHO = """
import asyncio, sys
from websockets.asyncio.server import serve

async def handler(socket):
    async for text in socket:
        await ANSWER

async def main():
    async with serve(handler, "127.0.0.1", 0, compression=None) as server:
        print("port", server.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


def impostor(code: str) -> Contestant:
    return Contestant("raw", "impostor", (), (sys.executable, "-c", code))


def played(contestant: Contestant) -> Results:
    results = Results([PING_PONG], [contestant], 1, 0.05, Cores())
    play(results, lambda _: None)
    return results


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_bench_reports_the_rows_it_was_asked_for(tmp_path: Path) -> None:
    rows = ("ping-pong", "broadcast-200")
    only = [word for row in (*rows, "recording") for word in ("--only", row)]
    written = tmp_path / "bench.json"
    only += ["--contestant", "wsflow"]
    command = [sys.executable, "-m", "tests.bench", "--rounds", "1", "--seconds", "0.2", *only]
    ended = subprocess.run(
        [*command, "--json", str(written)], cwd=ROOT, capture_output=True, text=True, timeout=280
    )
    assert ended.returncode == 0, ended.stderr
    assert "ping-pong, 1 client" in ended.stdout
    assert "broadcast to 200" in ended.stdout
    assert "echo, 100" not in ended.stdout
    assert "recording on, echo of 100 clients" in ended.stdout
    told = json.loads(written.read_text())
    assert list(told["rows"]) == list(rows)
    for row in told["rows"].values():
        assert list(row["servers"]) == ["raw", "wsflow"]
        assert all(server["ratio"]["min"] > 0 for server in row["servers"].values())
    assert list(told["figures"]) == ["recording"]
    assert len(told["figures"]["recording"]["values"]) == 1


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("socket.send(text.upper())", "reply 1 is wrong: got b'CLIENT 0"),
        ("socket.send(text + '!')", "reply 1 is wrong"),
        ("asyncio.gather(socket.send(text), socket.send(text))", "reply 2 is wrong"),
        ("socket.close(1008, 'no')", "closed with 1008 b'no' after 0 replies"),
        ("asyncio.sleep(0)", "0 replies came, 1 are due"),
    ],
)
def test_wrong_answer_fails(monkeypatch: pytest.MonkeyPatch, answer: str, complaint: str) -> None:
    monkeypatch.setattr(load, "WAIT_LIMIT", 1.0 if "are due" in complaint else 50.0)
    with pytest.raises(BenchError) as caught:
        played(impostor(ECHO.replace("ANSWER", answer)))
    assert complaint in str(caught.value)
    assert str(caught.value).startswith("ping-pong, 1 client, impostor: client 0: ")


def test_right_answer_of_another_make_passes() -> None:
    results = played(impostor(ECHO.replace("ANSWER", "socket.send(text)")))
    assert results.notes == []
    assert results.values(PING_PONG, BASELINE)[0] > 0


def test_server_that_does_not_start_says_why() -> None:
    with pytest.raises(BenchError, match="ended instead of telling its port") as caught:
        played(impostor("raise SystemExit('out of luck')"))
    assert "status 1" in caught.value.__notes__[0]
    assert "out of luck" in caught.value.__notes__[0]


def test_silent_server_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "START_LIMIT", 0.1)
    monkeypatch.setattr(process, "PATIENCE", 2.0)
    with pytest.raises(BenchError, match="said nothing") as caught:
        played(impostor("import time; time.sleep(60)"))
    assert "status -15" in caught.value.__notes__[0]


def test_fault_in_the_block_ends_the_server() -> None:
    with pytest.raises(KeyboardInterrupt), running(BASELINE, Cores(), []) as server:
        raise KeyboardInterrupt
    assert server.process.returncode == 0


def test_ratios_are_paired_within_a_round() -> None:
    async def unused(target: Target, seconds: float) -> Sample:
        raise NotImplementedError

    ours = Contestant("wsflow", "wsflow", (), ())
    rate, delay = Row("rate", "", "", unused), Row("delay", "", "", unused, lower=True)
    results = Results([rate, delay], [BASELINE, ours], 2, 1, Cores())
    for row in (rate, delay):
        results.samples[row.name, "raw"] = [Sample(100, 0, 0), Sample(10, 0, 0)]
        results.samples[row.name, "wsflow"] = [Sample(200, 0, 0), Sample(40, 0, 0)]
    assert results.ratios(rate, ours) == [2, 4]
    assert results.ratios(delay, ours) == [0.5, 0.25]
    assert results.ratio(rate, ours).median == 3


# ---- the second table


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_figure_can_be_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "MILLION", 3_000)
    monkeypatch.setattr(figures, "PLAYED", 2_000)
    monkeypatch.setattr(costs, "MESSAGES", 2_000)
    monkeypatch.setattr(costs, "IMPORTS", 1)
    for rows in (3_000, 2_000):
        figures.prepare(tmp_path, rows)
    for figure in FIGURES:
        if figure.measure is None:
            continue
        if figure.measure in (
            costs.idle,
            costs.active,
        ):  # a new process has none to spare
            assert figures._measured(figure.name, tmp_path) > 0
        else:
            assert figure.measure(tmp_path) > 0


def test_a_recording_that_lacks_a_row_gives_no_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "MILLION", 3_000)
    figures.prepare(tmp_path, 3_000)
    path = tmp_path / "3000.jsonl"
    path.write_bytes(path.read_bytes().replace(b"number   7", b"number   8", 1))
    with pytest.raises(BenchError, match="2,999 rows came, 3,000 are due"):
        figures.stream(tmp_path)


def test_a_figure_in_a_process_of_its_own_tells_why_it_failed(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="load-rows: ended with 1") as caught:
        figures._measured("load-rows", tmp_path)
    assert "no recording '1000000'" in str(caught.value)


def test_a_figure_is_held_against_its_goal() -> None:
    less = Figure("less", "less is better", "s", 2.0)
    more = Figure("more", "more is better", "/s", 1_000, lower=False)
    taken = Figures([less, more], 3, 1.0, Cores())
    taken.values = {"less": [1.0, 2.0, 30.0], "more": [999.0, 998.0, 1.0]}
    assert (taken.median(less), taken.reached(less)) == (2.0, True)
    assert (taken.median(more), taken.reached(more)) == (998.0, False)
    page = report.markdown(report.figures_sheet(taken)).splitlines()
    assert page[2] == "| less is better | 2 | s | at most 2 | yes | 1 | 30 |"
    assert page[3] == "| more is better | 998 | /s | at least 1,000 | no | 1 | 999 |"

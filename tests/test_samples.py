"""Every file in recordings/ is loaded, replayed against its flow, and compared (law 7)."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from tests.samples import FOLDER, SAMPLES, Sample
from wsflow import Flow, Recording, Report

LARGEST = 60_000

samples = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.file)


def load(sample: Sample, tmp_path: Path) -> Recording:
    """Open a sample; what a browser captured is made a recording first."""
    if sample.path.suffix == ".har":
        return Recording.from_har(sample.path, sample.path.stem, folder=tmp_path)
    return Recording.open(sample.path)


async def replay(flow: Flow, sample: Sample, recording: Recording) -> Report:
    return await flow.replay(recording, ignore=sample.redact)


def test_every_file_in_recordings_has_a_flow() -> None:
    files = {path.name for path in FOLDER.iterdir()} - {"README.md"}
    assert files == {sample.file for sample in SAMPLES}


@samples
def test_a_sample_is_small_and_carries_no_secret_of_this_machine(sample: Sample) -> None:
    text = sample.path.read_bytes()
    assert len(text) < LARGEST
    for word in (b"/home/", b"/tmp/", bytes(Path.home()), bytes(Path.cwd())):
        assert word not in text


@samples
def test_a_sample_is_whole(sample: Sample, tmp_path: Path) -> None:
    recording = load(sample, tmp_path)
    info = recording.info()
    assert info.damage == []
    assert info.responses >= 1
    assert len(recording.frame()) == info.rows
    assert len(recording.sessions()) == info.sessions
    assert str(recording.sequence()).startswith("sequenceDiagram")
    assert "<svg" in recording._repr_html_()


@samples
async def test_a_sample_is_answered_as_it_was_and_twice_alike(
    sample: Sample, tmp_path: Path
) -> None:
    recording, flow = load(sample, tmp_path), sample.flow()
    info = recording.info()
    first, second = [await replay(flow, sample, recording) for _ in range(2)]
    assert first.ok, repr(first)
    assert first.tally.same == info.responses
    assert (first.raised, first.errors) == (info.errors, [])
    assert (first.events, first.tally, first.errors) == (
        second.events,
        second.tally,
        second.errors,
    )
    assert seen(first) == seen(second)


def seen(report: Report) -> list[tuple[Any, ...]]:
    """Return what happened in a replay, as its log tells it, without real time."""
    assert report.log is not None
    rows = report.log.tail(100_000)
    return [(row.kind, row.node, row.port, row.session, row.data, row.error) for row in rows]


@samples
async def test_a_handler_less_and_the_comparison_says_so(sample: Sample, tmp_path: Path) -> None:
    recording, flow = load(sample, tmp_path), sample.flow()
    for wire in flow._host.wires:
        if wire.source.name in {"message", "out"}:
            flow.disconnect(wire.source, wire.target)
    report = await replay(flow, sample, recording)
    assert not report.ok
    assert set(report.diff["status"]) <= {"missing", "changed"}


# ---- the page about them


PAGE = (FOLDER / "README.md").read_text()


def test_the_page_tells_of_every_file() -> None:
    assert set(re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)) == {s.file for s in SAMPLES}


async def test_the_python_on_the_page_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER.parent)
    names: dict[str, Any] = {}
    for source in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        code = compile(source, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        await eval(code, names)
        assert names["report"].ok

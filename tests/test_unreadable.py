"""What one client says and hardly anything can carry blinds nobody (promise P33, found A7)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from wsflow import Flow, PathError, Recording

SAID = {
    "a lone surrogate": '{"name": "\\ud800"}',
    "a surrogate for a key": '{"\\udfff": {"deep": ["\\ud800"]}}',
    "a huge integer": '{"n": 99999999999999999999}',
    "an integer of 5,000 digits": f'{{"n": {"9" * 4_000}{"0" * 1_000}}}',
    "deep nesting": "[" * 900 + "]" * 900,
    "no number": '{"x": NaN, "y": [-Infinity]}',
    "NUL": '{"a\\u0000b": "\\u0000"}',
    "marks of a terminal": '{"\\u202e": "\\u001b[31m"}',
}

OTHER = "what the others say"


@pytest.fixture(params=list(SAID))
async def told(
    request: pytest.FixtureRequest, flow: Flow, tmp_path: Path
) -> tuple[Flow, Recording]:
    """A flow in which somebody said it: parsed, routed, emitted and raised, and its recording."""
    talk = flow.websocket("/talk/{who}")

    @flow.node
    def parse(ev: Any, ctx: Any) -> None:
        ctx.route(parsed(ev["message"]))

    @flow.node
    def answer(value: Any, ctx: Any) -> None:
        ctx.emit("heard", value)
        ctx.emit("response", {"body": OTHER})
        if value != OTHER:
            raise ValueError(value)

    talk.message >> parse >> answer
    with flow.record("said", folder=tmp_path) as recorder:
        for who, message in (("mallory", SAID[request.param]), ("ann", json.dumps(OTHER))):
            async with flow.client(f"/talk/{who}?q=%ED%A0%80") as client:
                await client.send(message)
                assert await client.receive() == OTHER
    assert recorder.failed is None
    return flow, Recording.open("said", folder=tmp_path)


def parsed(message: Any) -> Any:
    try:
        return json.loads(message)
    except ValueError:  # Python itself reads integers of 4,300 digits at most
        return int("9" * 4_000) * 10**1_000


SHOWN: dict[str, Callable[[Any], Any]] = {
    "repr": repr,
    "text": str,
    "HTML": lambda shown: shown._repr_html_(),
}


@pytest.mark.parametrize("way", SHOWN)
def test_p33_what_shows_it_shows_the_others_too(told: tuple[Flow, Recording], way: str) -> None:
    flow, recording = told
    for shown in (flow.log, flow.log.frame(), recording, recording.frame()):
        text = SHOWN[way](shown)
        assert text.encode("utf-8")


def test_p33_what_is_exported_has_the_others_too(
    told: tuple[Flow, Recording], tmp_path: Path, parquet: None
) -> None:
    flow, recording = told
    sources: list[Any] = [flow.log, recording]
    for number, source in enumerate(sources):
        rows = source.frame()
        csv, columns = tmp_path / f"{number}.csv", tmp_path / f"{number}.parquet"
        source.to_csv(csv)
        source.to_parquet(columns)
        for read in (pd.read_csv(csv), pd.read_parquet(columns)):
            assert len(read) == len(rows)
            assert read["data"].astype(str).str.contains(OTHER).any()
        rows.to_csv(tmp_path / "frame.csv")
    recording.to_har(tmp_path / "said.har")
    assert OTHER in (tmp_path / "said.har").read_text()


async def test_p33_a_replay_plays_it_and_its_report_can_be_shown(
    told: tuple[Flow, Recording],
) -> None:
    flow, recording = told
    report = await flow.replay(recording)
    assert report.ok, report
    assert report.tally.same == 2
    assert (repr(report) + report._repr_html_()).encode("utf-8")


def test_p33_pictures_and_the_panel_show_it(told: tuple[Flow, Recording]) -> None:
    flow, _ = told
    assert str(flow.log.sequence()).encode("utf-8")
    assert repr(flow.panel("log")).encode("utf-8")


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/talk/\ud800", {}), ("/talk/ann?q=\ud800", {}), ("/talk/ann", {"x": "\ud800"})],
)
async def test_p33_a_client_in_memory_can_send_no_more_than_others(
    flow: Flow, path: str, headers: dict[str, str]
) -> None:
    flow.websocket("/talk/{who}")
    with pytest.raises(PathError, match="UTF-8"):
        flow.client(path, headers=headers)


async def test_p33_a_text_of_its_own_is_escaped(
    flow: Flow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # what pytest keeps of logging it can not always carry from a worker
    monkeypatch.setattr(logging.getLogger("wsflow"), "propagate", False)
    talk = flow.websocket("/")

    @flow.node
    def answer(ev: Any, ctx: Any) -> None:
        ctx.route("\ud800")
        ctx.emit("heard", "\ud800")
        ctx.log.info("%s", "\ud800")
        ctx.emit("response", {"body": OTHER})

    talk.message >> answer
    async with flow.client("/") as client:
        await client.send("x")
        assert await client.receive() == OTHER
    frame = flow.log.frame()
    assert list(frame["data"].astype(str)).count("\\ud800") == 2
    assert "INFO \\ud800" in set(frame["data"].astype(str))
    frame.to_csv(tmp_path / "rows.csv")

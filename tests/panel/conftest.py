"""What tests of the panel start from: ticks by hand, a running chat, a folder of recordings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from ipywidgets import Widget

from tests.panel.viewer import Viewer, changed, shouting
from tests.panel.wire import Still, Wire
from wsflow import Flow
from wsflow.panel import playback, recordings, widget


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody ticks but the test. Widgets are kept by a registry until they are closed."""
    monkeypatch.setattr(widget, "ticker", Still())
    yield
    Widget.close_all()


@pytest.fixture
async def running(flow: Flow) -> Flow:
    """A flow that runs, with a route that shouts back."""
    route = flow.websocket("/chat/{room}")

    @flow.node
    def shout(ev: Any, ctx: Any) -> None:
        ctx.emit("response", {"body": ev["message"].upper()})

    route.message >> shout
    await flow.start()
    return flow


@pytest.fixture
def wire(by_hand: None, running: Flow) -> Wire:
    """The panel of the running flow, without parts that others test."""
    return Wire(running.panel("sessions"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of recordings; the panel looks at it often."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recordings, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(playback, "LOOK_SECONDS", 0.05)
    (tmp_path / "recordings").mkdir()
    changed("")
    return tmp_path / "recordings"


@pytest_asyncio.fixture
async def viewer(flow: Flow, folder: Path) -> AsyncIterator[Viewer]:
    """A page's side of the player of a flow that shouts back."""
    await shouting(flow).start()
    made = Viewer(flow)
    yield made
    flow.panel.playback.stop()
    made.part.close()

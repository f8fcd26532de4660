"""The panel in real kernels, old and new: its messages made by hand, without a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import connect

from tests.bench import panel
from tests.jupyter.kernel import VERSIONS, Kernel
from tests.jupyter.kernel_page import KernelPage, comm_of

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

CHAT = """
    from wsflow import Flow
    flow = Flow("chat")
    chat = flow.websocket("/chat/{room}")

    @flow.node
    def shout(ev, ctx):
        ctx.emit("response", {"body": ev["message"].upper()})

    chat.message >> shout
    server = await flow.serve()
"""
NAP = "import time; display('blocked'); time.sleep(40)"
WAIT = "import anyio; display('waiting'); await anyio.sleep(60)"
RESOURCES = """(
    sorted(thread.name for thread in __import__("threading").enumerate()
           if thread.name.startswith("wsflow")),
    len(flow.panel()._pages),
    len(__import__("ipywidgets").widgets.widget._instances),
    len(__import__("asyncio").all_tasks()),
    len(__import__("os").listdir("/proc/self/fd")),
)"""


@pytest.fixture(params=VERSIONS)
async def kernel(request: pytest.FixtureRequest) -> AsyncIterator[Kernel]:
    async with Kernel(request.param) as running:
        await running.run(CHAT, "flow")
        yield running


async def opened(kernel: Kernel) -> KernelPage:
    """Show the panel in a cell and open a page on it."""
    page = KernelPage(kernel, comm_of(await kernel.run("flow.panel()", "panel")))
    page.hello()
    await page.told("status")
    return page


async def test_a_page_is_told_everything_and_its_actions_are_done(kernel: Kernel) -> None:
    page = await opened(kernel)
    assert page.latest("status")["state"] == "running"
    url = await kernel.value("server.url")
    async with connect(f"{url}/chat/red", proxy=None) as client:
        await page.told("sessions", lambda news: bool(news["rows"]))
        await client.send("hi")
        assert await client.recv() == "HI"
        assert "value" in await page.ask("status", "pause")
        assert await kernel.value("flow._host.paused")
        assert "value" in await page.ask("status", "resume")
        session = page.latest("sessions")["rows"][0][0]
        assert "value" in await page.ask("sessions", "end", session=session)
        await client.wait_closed()
        assert client.close_code == 1000
    assert kernel.streams == []


async def test_what_blocks_the_loop_is_named_within_about_a_second(kernel: Kernel) -> None:
    """Promise P16: the panel tells it while it blocks, from a thread of its own."""
    page = await opened(kernel)
    cell = await kernel.submit(NAP, "nap").until_shown()
    told = await page.told("status", lambda news: bool(news["blocked"]))  # half a second, if idle
    assert "time.sleep(40)" in told["blocked"]["where"]
    assert not cell.idle
    await kernel.interrupt()
    await cell.wait()
    await page.told("status", lambda news: news["blocked"] is None)


@pytest.mark.parametrize("source", [WAIT, NAP], ids=["awaiting", "blocking"])
async def test_an_interrupt_ends_the_cell_and_not_the_panel(kernel: Kernel, source: str) -> None:
    page = await opened(kernel)
    cell = await kernel.submit(source, "busy").until_shown()
    await kernel.interrupt()
    assert "KeyboardInterrupt" in str((await cell.wait()).error) or "Cancelled" in str(cell.error)
    assert "value" in await page.ask("status", "pause")
    assert "value" in await page.ask("status", "resume")


async def test_all_cells_run_again_twenty_times_leave_one_page_and_one_thread(
    kernel: Kernel,
) -> None:
    """Promise P14: each run of the cell is a new view of the same widget, the old one says bye."""
    page = await opened(kernel)
    before = await kernel.value(RESOURCES)
    for _ in range(20):
        await kernel.run(CHAT, "flow")
        shown = await kernel.run("flow.panel()", "panel")
        assert comm_of(shown) == page.comm
        page.bye()
        page = KernelPage(kernel, comm_of(shown))
        page.hello()
        await page.told("status")
    after = await kernel.value(RESOURCES)
    assert after[:3] == before[:3]
    assert after[1] == 1
    assert after[3] <= before[3] + 1
    assert after[4] <= before[4] + 5  # what leaks at each run would be twenty
    answers = len(page.messages)
    assert "value" in await page.ask("status", "pause")
    assert sum("answer" in message for message in page.messages[answers:]) == 1  # once
    page.bye()
    await kernel.run("flow.panel().close()", "close")
    assert await kernel.value("len(flow.panel()._pages)") == 0


async def test_a_panel_of_a_flow_in_a_thread_answers_while_a_cell_awaits(kernel: Kernel) -> None:
    await kernel.run("server = await flow.serve(thread=True)", "thread")
    page = await opened(kernel)
    assert "value" in await page.ask("status", "pause")
    assert await kernel.value("flow._host.paused")
    assert page.latest("status")["flow"] == "chat"


@pytest.mark.slow
async def test_under_load_a_page_is_told_ten_times_a_second_and_what_was_skipped() -> None:
    """Promise P17: rows told and rows skipped add up to all there were, else this raises."""
    figures = await panel.measure("newest", events=10_000, rounds=1, seconds=2)
    assert min(figures.events) > 500  # a busy machine may not manage all
    assert max(figures.updates) <= 10.5
    assert figures.skipped > 0
    assert figures.told > 0

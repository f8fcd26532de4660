"""Pictures of wsflow in JupyterLab: `python -m tests.jupyter.screenshots FOLDER`.

For people to look at: every tab of the panel, light and dark, at about 800 and 1600 pixels, and
those that stand in the README, of the panel and of the first notebook.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from playwright.async_api import FloatRect, Locator
from websockets.asyncio.client import ClientConnection, connect

from tests.jupyter.kernel import ROOT
from tests.jupyter.lab import CURRENT, Desk, Notebook, desk

WIDTHS = {"narrow": 1232, "wide": 2032}
"""Of the window; Lab leaves some 430 pixels less for what a cell shows."""
README = 1640

FIRST_FLOW = ROOT / "notebooks" / "01-first-flow.ipynb"
CODE = (1, 3, 5, 6, 8)
"""Cells of the first notebook that are run: up to the picture of what happened."""
SHOWN = (3, 8)
"""The first and the last cell of it that are in the picture."""

SHOP = """
from wsflow import Flow
flow = Flow("pizza")
shop = flow.websocket("/shop/{guest}", name="shop")
push = flow.http("/news", method="POST", name="news")
manager = flow.connections()
shop.req >> manager.req
shop.close >> manager.close

PRICES = {"margherita": 8, "funghi": 9, "calzone": 11}

@flow.node
def order(ev, ctx):
    count, pizza = ev["message"].split()
    ctx.route({"guest": ev["params"]["guest"], "euro": int(count) * PRICES[pizza]})

@flow.node
def bill(ev, ctx):
    ctx.emit("response", {"body": ev})

@flow.node
def announce(ev, ctx):
    manager.broadcast(ev["body"])
    ctx.emit("response", {"status": 204})

shop.message >> order >> bill
push.out >> announce
server = await flow.serve()
server.port
"""

ORDERS = {
    "ada": ["2 margherita", "1 funghi"],
    "ben": ["1 calzone", "3 funghi", "1 margherita"],
    "cem": ["2 calzone"],
    "dora": ["1 funghi", "4 margherita"],
    "eli": ["1 hawaii"],
}


@contextlib.asynccontextmanager
async def busy(place: Desk, width: int) -> AsyncIterator[Notebook]:
    """Open a notebook with a panel of a shop in which something happens."""
    cells = (SHOP, "flow.panel()")
    async with (
        place.notebook(*cells, width=width, height=1300) as notebook,
        contextlib.AsyncExitStack() as stack,
    ):
        await notebook.run(0, 1)
        url = f"ws://127.0.0.1:{await notebook.text(0)}/shop/"
        guests: list[ClientConnection] = []
        for guest, orders in ORDERS.items():
            guests.append(await stack.enter_async_context(connect(url + guest, proxy=None)))
            for wanted in orders:
                await guests[-1].send(wanted)
                await asyncio.sleep(0.3)  # people take their time
        rows = panel(notebook).locator(".wf-sessions tbody tr")
        await rows.nth(len(guests) - 1).wait_for()
        yield notebook


def panel(notebook: Notebook) -> Locator:
    return notebook.output(1).locator(".wf")


async def every_tab(place: Desk, folder: Path, width: str) -> None:
    """Take each tab, light and dark."""
    async with busy(place, WIDTHS[width]) as notebook:
        await panel(notebook).locator(".wf-sessions tbody tr").nth(1).click()
        for dark in (False, True):
            await notebook.theme(dark=dark)
            name = f"{width}-{'dark' if dark else 'light'}"
            for tab in await panel(notebook).get_by_role("tab").all():
                await tab.click()
                title = re.sub(r"\W+", "", await tab.inner_text()).lower()
                await asyncio.sleep(0.5)  # what is drawn once a frame
                await panel(notebook).screenshot(path=folder / f"{name}-{title}.png")


async def readme(place: Desk, folder: Path) -> None:
    """Take the one of the panel: who is connected, and the story of an order that failed."""
    async with busy(place, README) as notebook:
        await panel(notebook).locator(".wf-sessions tbody tr").last.click()
        await panel(notebook).locator('.wf-log tr[data-kind="message"]').last.click()
        await panel(notebook).get_by_label("One row").wait_for()
        await asyncio.sleep(1)
        await panel(notebook).screenshot(path=folder / "panel.png")


async def first_flow(place: Desk, folder: Path) -> None:
    """Take the one of the first notebook: a graph, two clients, and what they said."""
    shutil.copy(FIRST_FLOW, place.lab.notebooks)
    page = await place.browser.new_page()
    await page.set_viewport_size({"width": 900, "height": 3300})  # all of it, nothing scrolls
    notebook = await Notebook(place.lab, page, FIRST_FLOW.name).open()
    await page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    await notebook.run(*CODE)
    await page.evaluate(
        f"() => {{ {CURRENT}.content.activeCellIndex = 0 }}"
    )  # the frame goes there
    for cell in SHOWN:  # Lab draws each of them with Mermaid
        await notebook.output(cell).locator("img, svg").first.wait_for()
    await asyncio.sleep(1)  # until they have settled
    await page.screenshot(path=folder / "first-flow.png", clip=await _around(notebook, *SHOWN))
    await page.close()


async def _around(notebook: Notebook, first: int, last: int) -> FloatRect:
    """Return where some cells are that follow each other."""
    top, bottom = [await notebook.cell(number).bounding_box() for number in (first, last)]
    assert top is not None
    assert bottom is not None
    height = bottom["y"] + bottom["height"] - top["y"]
    return {"x": top["x"], "y": top["y"], "width": top["width"], "height": height}


async def take(folder: Path, widths: Iterable[str]) -> None:
    """Take those for the README, and every tab at these widths."""
    async with desk() as place:
        await readme(place, folder)
        await first_flow(place, folder)
        for width in widths:
            await every_tab(place, folder, width)


def main() -> None:
    """Take them all into a folder."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.jupyter.screenshots", description=__doc__
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--readme", action="store_true", help="only those for the README")
    options = parser.parse_args()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(take(folder, () if options.readme else WIDTHS))


if __name__ == "__main__":
    main()

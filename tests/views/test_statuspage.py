"""The page at `GET /`: opt-in, safe, and a client that works, in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.panel_page import in_browser
from wsflow import Context, Flow, Server

pytestmark = in_browser

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def flow(page_flow: Flow) -> Flow:
    """It lives in the loop of the browser here."""
    return page_flow


def whole(flow: Flow) -> None:
    """A chat that echoes text and answers "bytes" with bytes, and things to post."""
    chat = flow.websocket("/chat/{room}", subprotocols=("chat.v1",))

    @flow.node
    def echo(ev: Any, ctx: Context) -> None:
        said = ev["message"]
        if said == "bye":
            ctx.emit("response", {"end": True, "code": 4001, "reason": EVIL})
        else:
            ctx.emit("response", {"body": bytes(range(70)) if said == "bytes" else said})

    chat.message >> echo
    things = flow.multi("/things/:id", schema={"type": "object"})
    things["post"] >> flow.node(
        lambda ev, ctx: ctx.emit("response", {"status": 201, "body": ev["body"]}), name="make"
    )


def web(server: Server) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False)


# ---- over plain HTTP


async def test_it_is_there_only_when_asked_for(flow: Flow) -> None:
    whole(flow)
    async with web(await flow.serve()) as client:
        assert (await client.get("/")).status_code == 404
    await flow.stop()
    async with web(await flow.serve(page=True)) as client:
        got = await client.get("/")
        assert (got.status_code, got.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert (await client.post("/")).status_code == 405
        assert (await client.get("/elsewhere")).status_code == 404
    assert not [row for row in flow.log.tail(100) if row.kind in {"req", "response"}]


async def test_a_trigger_of_your_own_on_the_root_goes_before_it(flow: Flow) -> None:
    flow.http("/").out >> flow.node(
        lambda ev, ctx: ctx.emit("response", {"body": "mine"}), name="m"
    )
    async with web(await flow.serve(page=True)) as client:
        assert (await client.get("/")).text == "mine"


async def test_its_policy_lets_nothing_else_in(flow: Flow) -> None:
    whole(flow)
    server = await flow.serve(page=True)
    async with web(server) as client:
        one, two = await client.get("/"), await client.get("/")
    policy = one.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'nonce-")
    assert f"connect-src 'self' ws://127.0.0.1:{server.port}" in policy
    assert policy != two.headers["content-security-policy"], "a nonce is used once"
    assert one.headers["referrer-policy"] == "no-referrer"
    assert one.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"(src|href)=", one.text), "nothing comes from elsewhere"


async def test_who_may_not_come_in_does_not_see_it(flow: Flow) -> None:
    whole(flow)
    async with web(await flow.serve(page=True, token="s3cret")) as client:
        assert (await client.get("/")).status_code == 401
        got = await client.get("/?token=s3cret")
        assert got.status_code == 200
        assert "s3cret" not in got.text
        got = await client.get("/?token=s3cret", headers={"host": "evil.example"})
        assert got.status_code == 403


async def test_names_are_text_on_it(flow: Flow) -> None:
    flow._host.name = "</title><script>alert(1)</script>"
    flow.websocket(f"/{EVIL}/x", name=EVIL)
    flow.websocket("/</script><script>alert(1)</script>", name="ends a script")
    async with web(await flow.serve(page=True)) as client:
        text = (await client.get("/")).text
    assert "<img" not in text
    assert text.count("<script") == 2, "the page's own"
    assert text.count("</script") == 2


async def test_an_empty_flow_has_a_page_that_says_how_to_begin(flow: Flow) -> None:
    async with web(await flow.serve(page=True)) as client:
        assert "flow.websocket" in (await client.get("/")).text


# ---- in a browser


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page on which every error, dialog and foreign request fails the test."""
    page = await browser.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    yield page
    await page.close()
    assert wrong == []
    assert {url.split("/")[2] for url in asked} == {page.url.split("/")[2]}


async def opened(page: Page, server: Server, query: str = "") -> None:
    await page.goto(f"http://127.0.0.1:{server.port}/{query}")


async def test_its_client_talks_to_a_socket(flow: Flow, page: Page) -> None:
    whole(flow)
    await opened(page, await flow.serve(page=True))
    await expect(page.get_by_label("Address")).to_have_value("/chat/1")
    send = page.get_by_role("button", name="Send")
    await expect(send).to_be_disabled()
    await page.get_by_role("button", name="Connect").click()
    said = page.locator("#said li")
    await expect(said).to_have_text(["connected to /chat/1"])
    assert flow.sessions[0].subprotocol == "chat.v1"
    for message in (EVIL, "bytes", "bye"):
        await page.get_by_label("Message").fill(message)
        await send.click()
    await expect(said).to_have_count(7)
    lines = await said.all_text_contents()
    assert set(lines[1:]) >= {EVIL, "bytes", "bye", f"closed with 4001: {EVIL}"}
    assert any(line.startswith("70 bytes: 00 01 02") and line.endswith("…") for line in lines)
    assert await page.locator("img").count() == 0
    await expect(page.get_by_role("button", name="Connect")).to_be_visible()
    await expect(send).to_be_disabled()


async def test_its_client_makes_requests(flow: Flow, page: Page) -> None:
    whole(flow)
    await opened(page, await flow.serve(page=True))
    await page.get_by_label("Route").select_option("POST /things/:id")
    await page.get_by_label("Message").fill('{"name": "<b>"}')
    await page.get_by_role("button", name="Send").click()
    said = page.locator("#said li")
    await expect(said).to_have_text(['POST /things/1 {"name": "<b>"}', '201 {"name":"<b>"}'])
    assert await page.locator("#said b").count() == 0


async def test_the_token_of_the_page_is_that_of_its_client(flow: Flow, page: Page) -> None:
    whole(flow)
    await opened(page, await flow.serve(page=True, token="s3cret"), "?token=s3cret")
    await page.get_by_role("button", name="Connect").click()
    await expect(page.locator("#said li")).to_have_text(["connected to /chat/1"])


async def test_an_address_elsewhere_is_not_tried(flow: Flow, page: Page) -> None:
    whole(flow)
    await opened(page, await flow.serve(page=True))
    await page.get_by_label("Address").fill("//evil.example/x")
    await page.get_by_role("button", name="Connect").click()
    await expect(page.locator("#said li")).to_have_text(
        ["that did not work: only addresses of this server"]
    )


async def test_it_shows_the_routes_the_graph_and_who_is_there(flow: Flow, page: Page) -> None:
    whole(flow)
    server = await flow.serve(page=True)
    async with flow.client("/chat/red") as client:
        await client.send("x")
        await opened(page, server)
        await expect(page.get_by_text("1 session open")).to_be_visible()
    await expect(page.locator("td code")).to_have_text(["/chat/{room}", "/things/:id"])
    graph = page.get_by_role("img", name="graph of 4 nodes and 2 wires")
    await expect(graph).to_be_visible()
    await expect(graph.locator(".count")).to_have_text(["1"])

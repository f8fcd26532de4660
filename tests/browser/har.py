"""A real Chromium that visits a page, and what its sockets said there, as a HAR 1.2.

Frames are taken from the browser's own protocol (CDP, domain Network) and written as Chrome's
developer tools export them: `_webSocketMessages` beside the standard entries. Only for recording
samples; the tests themselves need no browser.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from playwright.async_api import Page, async_playwright, expect

from tests.needs import chromium

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage",
)  # fmt: skip

expect.set_options(timeout=30_000)  # milliseconds: what a page on a busy machine may need

Json = dict[str, Any]


async def visit(url: str, done: str, timeout: float = 30.0) -> Json:
    """Open a page, wait until the expression `done` is true in it, and return the HAR."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        page = await browser.new_page()
        capture = await Capture.of(page, browser.version)
        await page.goto(url)
        await page.wait_for_function(done, timeout=timeout * 1000)
        title = await page.title()
        await browser.close()
    return capture.har(url, title)


class Capture:
    """Hears what a page's network says."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._entries: dict[str, Json] = {}
        self._epoch = 0.0
        """What to add to the browser's monotonic seconds for seconds since 1970."""

    @classmethod
    async def of(cls, page: Page, version: str) -> Capture:
        """Listen from now on."""
        capture = cls(version)
        session = await page.context.new_cdp_session(page)
        hear: dict[str, Callable[[Json], None]] = {
            "requestWillBeSent": capture._asked,
            "responseReceived": capture._answered,
            "webSocketCreated": capture._created,
            "webSocketWillSendHandshakeRequest": capture._shaking,
            "webSocketHandshakeResponseReceived": capture._shaken,
            "webSocketFrameSent": lambda event: capture._frame("send", event),
            "webSocketFrameReceived": lambda event: capture._frame("receive", event),
            "webSocketClosed": capture._closed,
        }
        for name, listener in hear.items():
            session.on(f"Network.{name}", listener)
        await session.send("Network.enable")
        return capture

    def _asked(self, event: Json) -> None:
        asked = event["request"]
        self._epoch = event["wallTime"] - event["timestamp"]
        entry = _entry(asked["url"], event["type"].lower(), event["wallTime"])
        entry["request"]["method"] = asked["method"]
        entry["request"]["headers"] = _pairs(asked["headers"])
        self._entries[event["requestId"]] = entry

    def _answered(self, event: Json) -> None:
        told, entry = event["response"], self._entries[event["requestId"]]
        entry["response"] |= {
            "status": told["status"],
            "statusText": told["statusText"],
            "headers": _pairs(told["headers"]),
            "content": {"size": 0, "mimeType": told["mimeType"]},
        }
        self._lasts(entry, event["timestamp"])

    def _created(self, event: Json) -> None:
        entry = _entry(event["url"], "websocket", 0.0)
        entry["_webSocketMessages"] = []
        self._entries[event["requestId"]] = entry

    def _shaking(self, event: Json) -> None:
        entry = self._entries[event["requestId"]]
        self._epoch = event["wallTime"] - event["timestamp"]
        entry["startedDateTime"] = _iso(event["wallTime"])
        entry["request"]["headers"] = _pairs(event["request"]["headers"])

    def _shaken(self, event: Json) -> None:
        told, entry = event["response"], self._entries[event["requestId"]]
        entry["response"] |= {
            "status": told["status"],
            "statusText": told["statusText"],
            "headers": _pairs(told["headers"]),
        }
        self._lasts(entry, event["timestamp"])

    def _frame(self, direction: str, event: Json) -> None:
        told, entry = event["response"], self._entries[event["requestId"]]
        entry["_webSocketMessages"].append(
            {
                "type": direction,
                "time": event["timestamp"] + self._epoch,
                "opcode": told["opcode"],
                "data": told["payloadData"],
            }
        )

    def _closed(self, event: Json) -> None:
        self._lasts(self._entries[event["requestId"]], event["timestamp"])

    def _lasts(self, entry: Json, timestamp: float) -> None:
        began = datetime.datetime.fromisoformat(entry["startedDateTime"]).timestamp()
        entry["time"] = round((timestamp + self._epoch - began) * 1000, 3)
        entry["timings"]["receive"] = entry["time"]

    def har(self, url: str, title: str) -> Json:
        """Return all of it."""
        entries = list(self._entries.values())
        page = {
            "startedDateTime": entries[0]["startedDateTime"],
            "id": "page_1",
            "title": title or url,
            "pageTimings": {"onContentLoad": -1, "onLoad": -1},
        }
        creator = {"name": "wsflow tests/browser/har.py, Chromium", "version": self._version}
        return {"log": {"version": "1.2", "creator": creator, "pages": [page], "entries": entries}}


def _entry(url: str, kind: str, started: float) -> Json:
    return {
        "_resourceType": kind,
        "pageref": "page_1",
        "startedDateTime": _iso(started),
        "time": 0.0,
        "request": {
            "method": "GET",
            "url": url,
            "httpVersion": "HTTP/1.1",
            "headers": [],
            "queryString": [
                {"name": name, "value": value} for name, value in parse_qsl(urlsplit(url).query)
            ],
            "cookies": [],
            "headersSize": -1,
            "bodySize": 0,
        },
        "response": {
            "status": 0,
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "headers": [],
            "cookies": [],
            "content": {"size": 0, "mimeType": "x-unknown"},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": -1,
        },
        "cache": {},
        "timings": {"send": 0, "wait": 0, "receive": 0.0},
    }


def _iso(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _pairs(headers: Json) -> list[Json]:
    return [{"name": name, "value": value} for name, value in headers.items()]

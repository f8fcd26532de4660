"""What sessions do is written down, and their secrets are not."""

from __future__ import annotations

from typing import Any

from wsflow import Context, Flow


async def test_secrets_of_a_handshake_are_in_no_row_and_no_table(flow: Flow) -> None:
    keep = flow.node(lambda ev, ctx: ctx.route(ev), name="keep")

    def fail(ev: Any, ctx: Context) -> None:
        ctx.emit("mine", ev)
        raise ValueError

    flow.websocket("/").req >> keep >> flow.node(fail, name="fail")
    headers = {"Authorization": "Bearer XYZZY", "Cookie": "id=XYZZY", "X-Api-Key": "XYZZY"}
    await flow.client("/?token=XYZZY&page=1&sig=XYZZY", headers=headers)
    told = repr(list(flow.log.frame()["data"])) + repr(flow.log.tail(100))
    assert "XYZZY" not in told + repr(flow.log.sessions().to_dict())
    assert "'page': '1'" in told


async def test_a_handler_that_changes_params_and_headers_changes_no_session(flow: Flow) -> None:
    @flow.node
    def vandal(ev: Any) -> None:
        for key in ("params", "query", "headers"):
            ev[key].clear()

    flow.websocket("/{room}").req >> vandal
    client = await flow.client("/red?a=1")
    assert client.session is not None
    assert client.session.params == {"room": "red"}
    assert flow.log.sessions().iloc[0]["query"] == {"a": "1"}
    assert flow.log.sessions().iloc[0]["headers"]["host"] == "memory"

"""A flow that runs: by a client, by hand, paused, or with a stand-in for its server.

What a served one does on its port is in `wire/test_server.py`.
"""

from wsflow import Flow
from wsflow.serving import served_by


async def test_a_client_in_memory_starts_the_flow_and_stop_ends_it(flow: Flow) -> None:
    flow.websocket("/")
    seen = [flow.running]
    client = await flow.client("/")
    seen.append(flow.running)
    assert flow.server is None
    await flow.stop()
    assert [*seen, flow.running] == [False, True, False]
    assert client.closed == (1001, "flow stopped")


async def test_pausing_and_resuming_twice_is_once(flow: Flow) -> None:
    moments: list[str] = []

    @flow.node
    def watch() -> None:
        """Be told of pauses."""

    watch.setup(
        lambda ctx: [
            ctx.events.on(moment, lambda moment=moment: moments.append(moment))
            for moment in ("pause", "resume")
        ]
    )
    await flow.start()
    flow.resume()
    flow.pause()
    flow.pause()
    flow.resume()
    flow.resume()
    assert moments == ["pause", "resume"]


async def test_a_stand_in_answers_serve_while_it_is_there(flow: Flow) -> None:
    asked: list[Flow] = []

    async def stand_in(flow: Flow) -> None:
        asked.append(flow)

    with served_by(stand_in):
        await flow.serve(port=1, host="no such host")
    assert (asked, flow.running) == ([flow], False)
    assert (await flow.serve()).port > 1

"""The chat that people read first."""

import inspect

from wsflow.demo import chat_flow
from wsflow.testing import assert_replies


async def test_the_flow_is_a_chat() -> None:
    flow = chat_flow()
    await assert_replies(flow, "/chat/me", sends=["/who"], expects=["you are me, one of 1"])
    await assert_replies(flow, "/chat/me", sends=["hi"], expects=["me: hi"])


def test_the_flow_is_short_enough_to_read() -> None:
    assert len(inspect.getsource(chat_flow).splitlines()) <= 28

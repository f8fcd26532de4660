"""What all triggers have in common: output ports only, and no handler."""

import pytest

from wsflow import Flow, HandlerError


@pytest.mark.parametrize("make", ["websocket", "http"])
def test_a_trigger_takes_no_handler_and_no_input(flow: Flow, make: str) -> None:
    trigger = getattr(flow, make)("/x")
    with pytest.raises(HandlerError, match="is a trigger and takes no handler"):
        trigger.define(lambda: None)
    with pytest.raises(HandlerError, match="no input ports"):
        trigger.add_input("in")
    assert trigger.inputs == {}

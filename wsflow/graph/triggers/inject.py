"""Inject: a value of your own enters the flow, at a call or at the press of a button.

What enters is recorded, so that a replay plays it like everything else that came from outside.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from ...base.snapshot import describe, snapshot
from ...errors import NotRunningError, WiringError
from ...tracebacks import named
from .base import Trigger

if TYPE_CHECKING:
    from ..host import Host

_STORED: Any = object()


class Inject(Trigger):
    """A trigger that you fire. Make one with `flow.inject({"text": "hello"})`, wire its `out`.

    Port `out`: the payload itself, a copy each time. Call it, `inject()` or `inject(another)`, from
    any thread; at the end of a cell it shows a button that does the same.
    """

    def __init__(self, host: Host, name: str, payload: Any = None) -> None:
        super().__init__(host, name, ("out",))
        self.count = 0
        """How often it has fired."""
        self._place = host.place("fire", name, "out")
        self.hold(payload)

    def hold(self, payload: Any) -> None:
        """Send `payload` from the next time on.

        Raises:
            WiringError: it can not be copied.
        """
        try:
            self.payload = copy.deepcopy(payload)
        except BaseException as error:
            raise WiringError(
                f"inject {self.name!r} sends a copy each time, and {describe(payload)} can not be "
                f"copied ({named(error)}); give it at the call instead: {self.name}(value)"
            ) from error

    def __call__(self, payload: Any = _STORED) -> int:
        """Send the payload, or another one, into the flow, from any thread.

        Returns the `seq` of its row: `flow.log.trace(seq)` shows all it brought about. Plain
        handlers have run when it returns; while the flow is paused they run at `resume`.

        Raises:
            NotRunningError: the flow does not run.
        """
        me = self.here()
        return me.host.call(me.fire, payload)

    def fire(self, payload: Any = _STORED) -> int:
        """The same in the flow's own loop."""
        if not self.engine.running:
            raise NotRunningError(
                f"flow {self.host.name!r} does not run, so nothing can enter by {self.name!r}: "
                "await flow.serve(), or await flow.start() without a port"
            )
        event = copy.deepcopy(self.payload) if payload is _STORED else payload
        asked = self.engine.current()
        scope = self.engine.scope(None, None)
        data, size = snapshot(event)
        cause = 0 if asked is None else asked._cause
        seq = self.engine.tell(self._place, 0, scope.number, cause, data, size)
        self.count += 1
        self.engine.fire(self.outputs["out"], event, scope, seq)
        return seq

    # ---- the button

    def button(self) -> Any:
        """Return an ipywidgets Button that sends the payload when it is pressed."""
        from ipywidgets import Button, Layout

        button = Button(
            description=f"{self.name} ▶",
            tooltip=f"send {describe(self.payload)}",
            layout=Layout(width="auto"),
        )

        def press() -> None:
            try:
                self.fire()
            except NotRunningError as error:
                button.button_style, button.tooltip = "warning", str(error)
            else:
                button.button_style = ""

        # a front end may press from a thread of its own, and must not wait for a blocked cell
        button.on_click(lambda _: self.host.post(press))
        return button

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        shown: dict[str, Any] = self.button()._repr_mimebundle_(**options) or {}
        return shown | {"text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"<Inject {self.name} {describe(self.payload):.40} sent {self.count} times>"

"""What a panel asks of a flow: as a user would (`Flow`), and behind that (`Host`).

Opposite: `flow.py` and the `host.py` beside it, which fulfil it. A panel reaches for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..graph.engine import Engine
    from ..graph.freeze import Freeze
    from ..graph.freezes import Freezes
    from ..graph.node import Node
    from ..graph.port import Output, Wire
    from ..graph.watchdog import Blocked
    from ..io.recorder import Recorder
    from ..log.log import Log
    from ..log.store import Store
    from ..replay.replay import Replay
    from ..wire.endpoint import Endpoint
    from ..wire.policy import Policy
    from ..wire.server import Options, Server
    from ..wire.sessions import Sessions
    from . import Panels


class Flow(Protocol):
    """A flow as its user holds it."""

    log: Log

    @property
    def name(self) -> str: ...
    @property
    def nodes(self) -> Mapping[str, Node]: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def server(self) -> Server | None: ...
    @property
    def running(self) -> bool: ...
    @property
    def panel(self) -> Panels: ...

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def freeze(self, port: Output, *, session: str | None = None) -> Freeze: ...
    def record(self, name: str, *, folder: str | Path) -> Recorder: ...
    def replay(
        self,
        recording: str,
        *,
        speed: float | None,
        ignore: Iterable[str],
        ignore_times: bool,
        ignore_ids: bool,
        any_order: bool,
        folder: str | Path,
    ) -> Replay: ...


class Host(Protocol):
    """A flow behind what its user sees."""

    @property
    def engine(self) -> Engine: ...
    @property
    def store(self) -> Store: ...
    @property
    def freezes(self) -> Freezes: ...
    @property
    def recorders(self) -> Mapping[str, Recorder]: ...
    @property
    def wires(self) -> list[Wire]: ...
    @property
    def paths(self) -> list[str]: ...
    @property
    def paused(self) -> bool: ...
    @property
    def blocked(self) -> Blocked | None: ...

    def hand(self, name: str) -> Node: ...
    def endpoint(self, policy: Policy | None, options: Options | None) -> Endpoint: ...
    def trust_origin(self, origin: str) -> None: ...
    def post(self, function: Callable[..., object], *args: Any) -> None: ...

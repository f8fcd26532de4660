"""A log told by hand."""

from typing import Any

from wsflow.base.snapshot import snapshot
from wsflow.log.blocks import Known
from wsflow.log.store import Store


def put(
    store: Store,
    kind: str = "mark",
    node: str = "n",
    port: str = "p",
    *,
    path: str = "",
    session: int = 0,
    cause: int = 0,
    data: Any = None,
    elapsed: float | None = None,
    error: str | None = None,
) -> int:
    picture, size = snapshot(data)
    place = store.place(kind, node, port, path)
    return store.tell(place, session, 1, cause, picture, size, elapsed, error)


def know(store: Store, number: int, path: str = "/chat") -> None:
    store.know(number, Known(f"s{number}", "1.2.3.4", path, "GET", {}, {}, {}, opened=0))


EVIL = "<img src=x onerror=alert(1)>"

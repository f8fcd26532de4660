"""The fence round what users give us to call: nothing they raise passes.

`SystemExit` would end a kernel, `CancelledError` a task of ours, and any error the rest of what was
to be done. Handlers have the same fence written out in the engine, where a call more would cost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def fenced(
    failed: Callable[[BaseException], object], function: Callable[..., Any], *args: Any
) -> Any:
    """Return `function(*args)`; None when it raised, and `failed` was told (promise P4)."""
    try:
        return function(*args)
    except BaseException as error:  # noqa: BLE001 (this is the place)
        failed(error)
        return None

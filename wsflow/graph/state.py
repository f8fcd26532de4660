"""The key/value store all nodes of a flow share. It outlives a cell that is run again."""

from __future__ import annotations

from typing import Any


class State:
    """`get`, `set`, `keys`; setting None deletes."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def get(self, key: str, default: Any = None) -> Any:
        """Return what was set under `key`, or `default`."""
        return self._values.get(key, default)

    def set(self, key: str, value: Any) -> None:
        """Keep `value` under `key`; None deletes the key."""
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value

    def keys(self) -> list[str]:
        """Return the keys there are, oldest first."""
        return list(self._values)

    def clear(self) -> None:
        """Forget everything."""
        self._values.clear()

    def __repr__(self) -> str:
        return f"<State {', '.join(self._values) or 'empty'}>"

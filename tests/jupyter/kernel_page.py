"""A panel's page played by hand: what its script would say to a kernel, and what it is told."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.jupyter.kernel import Cell, Kernel

Json = Mapping[str, Any]

VIEW = "application/vnd.jupyter.widget-view+json"

_numbers = itertools.count(1)


def comm_of(cell: Cell) -> str:
    """Return the comm of the widget that a cell ended with."""
    view: Any = cell.result[VIEW]
    return str(view["model_id"])


class KernelPage:
    """One page; several may show one widget."""

    def __init__(self, kernel: Kernel, comm: str) -> None:
        self.kernel, self.comm = kernel, comm
        self.name = f"page{next(_numbers)}"
        self._asked = itertools.count(1)

    def hello(self) -> None:
        """Open it, or come back."""
        self._say(op="hello", origin="http://127.0.0.1:8888")

    def bye(self) -> None:
        """Close it."""
        self._say(op="bye")

    async def ask(self, part: str, action: str, **given: Any) -> Json:
        """Ask a part to do something; return the answer."""
        number = next(self._asked)
        self._say(op="ask", part=part, action=action, given=given, number=number)

        def answers() -> list[Json]:
            return [message for message in self.messages if message.get("answer") == number]

        await self.kernel.until(lambda: bool(answers()))
        return answers()[0]

    async def told(
        self, part: str, fits: Callable[[Json], bool] = lambda news: True, timeout: float = 30.0
    ) -> Json:
        """Wait until the newest news of a part fit, and return them."""
        await self.kernel.until(
            lambda: any(True for _ in self.news(part)) and fits(self.latest(part)), timeout
        )
        return self.latest(part)

    def latest(self, part: str) -> Json:
        """Return the newest news of a part."""
        return list(self.news(part))[-1]

    def news(self, part: str) -> Iterator[Json]:
        """Give all that a part told, oldest first."""
        for message in self.messages:
            if part in message.get("news", {}):
                yield message["news"][part]

    @property
    def messages(self) -> list[Json]:
        """All that this page was told."""
        told = self.kernel.heard.get(self.comm, [])
        return [message for message in told if message["to"] == self.name]

    def _say(self, **message: Any) -> None:
        self.kernel.say(self.comm, {"page": self.name, **message})

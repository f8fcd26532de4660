"""The current flow of a replay: the one that plays here, while its handlers run.

A handler knows its manager by a name in a notebook; while it is replayed, that name must stand
for the manager of the replay. Whoever is reached by such a name asks here who is meant.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

current_flow: ContextVar[Any] = ContextVar("wsflow_current_flow", default=None)
"""The flow of the replay this code runs in (as its nodes know it), or None: no replay."""

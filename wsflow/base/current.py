"""Which flow is on stage here: the one a replay plays in, while its handlers run.

A handler knows its manager by a name in a notebook; while it is replayed, that name must stand
for the manager of the replay. Whoever is reached by such a name asks here who is meant.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

on_stage: ContextVar[Any] = ContextVar("wsflow_stage", default=None)
"""The flow of the replay this code runs in (a `node.Host`), or None: no replay."""

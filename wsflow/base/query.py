"""Query strings as events carry them."""

from __future__ import annotations

from urllib.parse import parse_qs

from ..types import Query

MAX_FIELDS = 1_000


def parse_query(raw: str) -> Query:
    """Return one value as `str`, a repeated one as list of `str`, `{}` for nothing.

    Raises:
        ValueError: more than a thousand fields.
    """
    if not raw:
        return {}
    fields = parse_qs(raw, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    return {key: values[0] if len(values) == 1 else values for key, values in fields.items()}

"""What leaves at capture: the usual secrets of a handshake, and JSON keys the user named.

Keys are found in dicts, in text and bytes that are JSON, and where they are spoken of in other
text (`password=x`, `{'password': 'x'}` in an exception).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from ..base.secrets import REDACTED, USUAL_NAMES, redact_headers, redact_query
from ..base.snapshot import Snapshot
from ..log.blocks import Known
from . import format as lines

STRUCTURE = frozenset({"id", "peer", "path", "method", "time"})
CARRIED = frozenset({"params", "query", "headers"})
"""What a handshake is made of, and what of it carries what a client said."""


class Redaction:
    """Replaces the values of the keys it was given, whatever their case, however deep."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._own = frozenset(name.lower() for name in names if name)
        self._spoken = _spoken(self._own)

    @property
    def names(self) -> list[str]:
        """What the header says was taken out."""
        return sorted({*USUAL_NAMES, *self._own})

    @property
    def has_own(self) -> bool:
        """Whether the user named any."""
        return bool(self._own)

    # ---- for lines

    def field(self, data: Any) -> tuple[bytes | None, bytes | None]:
        """Return what travelled as JSON, or else the bytes that did. Never raises."""
        if data is None:
            return None, None
        if type(data) is Snapshot:
            if not self._own:
                return lines.snapshot(data), None
            data = data.unpack()
        if self._own:
            data = self.clean(data)
        return (None, data) if type(data) is bytes else (lines.data(data), None)

    def facts(self, known: Known) -> dict[str, Any]:
        """Return a handshake for its line."""
        return self.clean_facts(
            {
                "id": known.id,
                "peer": known.peer,
                "path": known.path,
                "method": known.method,
                "params": known.params,
                "query": known.query,
                "headers": known.headers,
                "time": known.opened,
            }
        )

    def clean_facts(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Return a handshake without secrets; the user's own may be a part of its path."""
        clean = dict(facts)
        for key, usual in (("headers", redact_headers), ("query", redact_query)):
            if isinstance(facts.get(key), dict):
                clean[key] = usual(facts[key])
        for key in facts.keys() - STRUCTURE:
            unknown = key not in CARRIED and key.lower() in self._own
            clean[key] = REDACTED if unknown else self.clean(clean[key])
        params, path = facts.get("params"), facts.get("path")
        for name, value in params.items() if isinstance(params, dict) else ():
            if str(name).lower() in self._own and value and isinstance(path, str):
                path = clean["path"] = path.replace(str(value), REDACTED)
        return clean

    # ---- for values

    def clean(self, value: Any) -> Any:
        """Return a value without the user's own secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self._bytes(value)
        if isinstance(value, dict):
            return {
                key: REDACTED if str(key).lower() in self._own else self.clean(one)
                for key, one in value.items()
            }
        return [self.clean(one) for one in value] if isinstance(value, list) else value

    def text(self, text: str) -> str:
        """Return text without the user's own secrets; JSON stays JSON."""
        if self._spoken is None or not self._suspect(text):
            return text
        if text.lstrip()[:1] in {"{", "[", '"'}:
            try:
                value = msgspec.json.decode(text)
                clean = self.clean(value)
            except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
                pass  # it only begins like JSON
            else:
                return text if clean == value else msgspec.json.encode(clean).decode()
        return self._spoken.sub(rf"\g<1>{REDACTED}", text)

    def _bytes(self, value: bytes) -> bytes:
        try:
            return self.text(value.decode()).encode()
        except UnicodeDecodeError:
            return value

    def _suspect(self, text: str) -> bool:
        lower = text.lower()
        return "\\" in lower or any(name in lower for name in self._own)


def _spoken(names: Iterable[str]) -> re.Pattern[str] | None:
    """Return what finds `name=value` and `'name': value`, the value whole where it is quoted."""
    if not names:
        return None
    either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    quoted = r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'" + r'|(\\+["\']).{0,10000}?\2'
    return re.compile(
        rf'((?<!\w)(?:{either})\\*["\']?\s*[=:]\s*)(?:{quoted}|[^\s,;&}})\]]+)',
        re.IGNORECASE | re.DOTALL,
    )

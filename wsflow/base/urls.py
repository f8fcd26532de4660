"""Paths and queries: route patterns such as `/chat/{room}`, the table that finds them, and fields.

Patterns are templates only: nobody can hand in a regular expression (promise P24).
"""

from __future__ import annotations

from typing import Generic, TypeVar
from urllib.parse import parse_qs, unquote

from ..errors import PathError
from ..types import Query

T = TypeVar("T")

MAX_FIELDS = 1_000
"""Fields of a query or a form that are read."""


class PathTemplate:
    """A parsed pattern; a parameter stands for exactly one non-empty segment."""

    __slots__ = ("names", "pattern", "shape")

    def __init__(self, pattern: str) -> None:
        if not isinstance(pattern, str) or not pattern.startswith("/"):
            raise PathError(f"path {pattern!r} must begin with '/', as in '/chat/{{room}}'")
        if any(sign in pattern for sign in "?#*") or not pattern.isprintable():
            raise PathError(f"path {pattern!r} may not contain '?', '#', '*' or control characters")
        self.pattern = pattern
        segments = [_parse(segment, pattern) for segment in pattern.split("/")[1:]]
        self.names = [name for name, _ in segments if name is not None]
        doubled = {name for name in self.names if self.names.count(name) > 1}
        if doubled:
            raise PathError(f"path {pattern!r} names {sorted(doubled)[0]!r} twice")
        self.shape = tuple(literal for _, literal in segments)
        """A literal a segment, None where a parameter stands: equal shapes match equal paths."""

    def match(self, segments: list[str]) -> dict[str, str] | None:
        """Return the parameters of a path split at '/' and percent-decoded, or None."""
        if len(segments) != len(self.shape):
            return None
        values = []
        for literal, segment in zip(self.shape, segments, strict=True):
            if literal is None:
                if not segment:
                    return None
                values.append(segment)
            elif literal != segment:
                return None
        return dict(zip(self.names, values, strict=True))

    def __repr__(self) -> str:
        return f"<PathTemplate {self.pattern}>"


def _parse(segment: str, pattern: str) -> tuple[str | None, str | None]:
    """Return `(parameter name, None)` or `(None, literal)`."""
    if segment.startswith("{") and segment.endswith("}"):
        name = segment[1:-1]
    elif segment.startswith(":"):
        name = segment[1:]
    elif "{" in segment or "}" in segment:
        raise PathError(f"path {pattern!r}: a parameter takes a whole segment, as in '/x/{{id}}'")
    else:
        return None, unquote(segment)
    if not name.isidentifier():
        raise PathError(f"path {pattern!r}: {name!r} is no parameter name (letters, digits, _)")
    return name, None


class PathTable(Generic[T]):
    """Patterns and what they lead to; a literal segment wins over a parameter."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str | None, ...], tuple[PathTemplate, T]] = {}

    def add(self, template: PathTemplate, target: T) -> None:
        """Enter a pattern.

        Raises:
            PathError: a pattern that matches the same paths is there already.
        """
        there = self._routes.get(template.shape)
        if there is not None:
            raise PathError(f"path {template.pattern!r} is taken by {there[1]!r}")
        self._routes[template.shape] = (template, target)

    def remove(self, template: PathTemplate) -> None:
        """Take a pattern out; harmless when it is not there."""
        self._routes.pop(template.shape, None)

    def same(self, template: PathTemplate) -> T | None:
        """Return the target of the pattern that matches the same paths, or None."""
        there = self._routes.get(template.shape)
        return None if there is None else there[1]

    def find(self, path: str) -> tuple[T, dict[str, str]] | None:
        """Return the target and the percent-decoded parameters for a raw path, or None."""
        segments = [unquote(segment) for segment in path.split("/")[1:]]
        exact = self._routes.get(tuple(segments))
        if exact is not None:
            return exact[1], {}
        found: tuple[tuple[bool, ...], T, dict[str, str]] | None = None
        for template, target in self._routes.values():
            params = template.match(segments)
            if params is not None:
                openness = tuple(literal is None for literal in template.shape)
                if found is None or openness < found[0]:
                    found = (openness, target, params)
        return None if found is None else (found[1], found[2])

    def patterns(self) -> list[str]:
        """Return the patterns as written, in the order they were added."""
        return [template.pattern for template, _ in list(self._routes.values())]  # any thread asks


def parse_query(raw: str) -> Query:
    """Return the fields of a query, or of a form: one value as `str`, a repeated one as list.

    Raises:
        ValueError: more than a thousand fields.
    """
    if not raw:
        return {}
    try:
        fields = parse_qs(raw, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise ValueError(f"it has more than {MAX_FIELDS} fields") from None
    return {key: values[0] if len(values) == 1 else values for key, values in fields.items()}

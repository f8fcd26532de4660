"""Misspelt attributes: an error that says which name was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from .errors import UnknownNameError


class Spelled:
    """What a notebook's user holds in the hand: `flow.websockets` is told of `websocket`."""

    if not TYPE_CHECKING:  # a type checker knows better what there is

        def __getattr__(self, name: str) -> NoReturn:
            raise UnknownNameError(f"{type(self).__name__} has no {name!r}{_meant(self, name)}")


def _meant(thing: object, name: str) -> str:
    if name.startswith("_"):
        return ""  # asked by programs: what can it do?
    from difflib import get_close_matches

    there = [one for one in dir(type(thing)) if not one.startswith("_")]
    lower = {one.lower(): one for one in there}
    near = [lower[one] for one in get_close_matches(name.lower(), lower, cutoff=0.7)]
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""

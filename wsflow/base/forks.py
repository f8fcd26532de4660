"""What a forked child must not hold: our sockets and files. It is a copy, and serves nobody.

A child that `multiprocessing` forks has every descriptor of ours. While it lives the port would be
taken, clients would wait for an end that does not come, and what it sent would reach them.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Iterable
from typing import Protocol


class Holder(Protocol):
    """Who has something that is not a child's."""

    def forked(self) -> None:
        """This is a child now: let go, without a word to anybody outside."""
        ...


_holders: weakref.WeakSet[Holder] = weakref.WeakSet()


def hold(one: Holder) -> None:
    """Have `one.forked()` called in each child that is forked from now on."""
    _holders.add(one)


def blind(descriptors: Iterable[int]) -> None:
    """Have descriptors lead nowhere, in this process: who reads or closes them does no harm."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    try:
        for one in descriptors:
            if one >= 0:
                with contextlib.suppress(OSError):
                    os.dup2(nowhere, one, inheritable=False)
    finally:
        os.close(nowhere)


def _in_child() -> None:
    for one in list(_holders):
        with contextlib.suppress(Exception):
            one.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)

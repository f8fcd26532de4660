"""What a forked child must not hold: it is blind, and does no harm outside."""

import os
import socket

from wsflow.base import forks


def test_a_descriptor_that_was_blinded_leads_nowhere_and_can_be_closed() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(30)
        number = ours.fileno()
        forks.blind([number, -1, 999_999])
        assert ours.fileno() == number
        assert theirs.recv(1) == b""  # nobody else has the other end any more
        assert not os.get_inheritable(number)


def test_who_holds_something_lets_go_in_a_child_whatever_others_do() -> None:
    told = list[str]()

    class Fails:
        def forked(self) -> None:
            raise ValueError

    class Holds:
        def forked(self) -> None:
            told.append("let go")

    holders: list[forks.Holder] = [Fails(), Holds(), Fails()]
    for holder in holders:
        forks.hold(holder)
    forks._in_child()
    assert told == ["let go"]
    holders.clear()
    del holder
    assert not [one for one in forks._holders if isinstance(one, Holds)]

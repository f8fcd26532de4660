"""One session against a transport of a few lines: its outbox, its end, its watch."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from wsflow import ManualClock, ReplyError, Session
from wsflow.base.interfaces import Headers, SessionView
from wsflow.types import Data, Query
from wsflow.wire.session import Facts, Limits

R = TypeVar("R")


class Wire:
    """A transport that writes down what it is given; it blocks when `room` messages are out."""

    def __init__(self, room: int = 1_000) -> None:
        self.session: Session
        self.out: list[Data] = []
        self.asked: list[Any] = []
        self.room, self.taken = room, 0
        self.is_heard = False

    def send(self, data: Data) -> int:
        size = len(data.encode() if isinstance(data, str) else data)
        self.out.append(data)
        if len(self.out) >= self.room:
            self.session.block()
        return size

    def take(self, more: int) -> None:
        """Make room for `more` messages, as when the client reads."""
        self.room += more
        self.taken += more
        self.session.unblock()

    def close(self, code: int, reason: str) -> None:
        self.asked.append(("close", code, reason, len(self.out)))

    def abort(self) -> None:
        self.asked.append("abort")

    def resume(self) -> None:
        self.asked.append("resume")

    def ping(self) -> None:
        self.asked.append("ping")

    def progress(self) -> int:
        return self.taken

    def settled(self) -> bool:
        return True

    def heard(self) -> bool:
        heard, self.is_heard = self.is_heard, False
        return heard


class Ear:
    """A route and an observer that write down what they hear."""

    subprotocols: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def asked(self, headers: Headers, query: Query) -> None:
        self.heard.append(("asked", headers, query))

    def opened(self, session: SessionView) -> None:
        self.heard.append(("opened",))

    def received(self, session: SessionView, data: Data, size: int) -> None:
        self.heard.append(("received", data, size))

    def closed(
        self, session: SessionView, code: int | None, reason: str, error: str | None = None
    ) -> None:
        self.heard.append(("closed", code, reason, error))

    def gone(self, session: Session, code: int | None, reason: str) -> None:
        self.heard.append(("gone", session.id, code, reason))

    def sent(self, session: SessionView, data: Data, size: int | None) -> None:
        self.heard.append(("sent", data, size))

    def note(self, kind: str, text: str, session: int = 0, path: str = "") -> None:
        self.heard.append(("note", kind, text, session))

    def call(self, function: Callable[..., R], *args: Any) -> R:
        return function(*args)

    def of(self, kind: str) -> list[tuple[Any, ...]]:
        return [one for one in self.heard if one[0] == kind]


class Party:
    """A session with its transport, its listener, and its time."""

    def __init__(self, room: int = 1_000, **limits: Any) -> None:
        self.wire, self.ear, self.clock = Wire(room), Ear(), ManualClock(1_000)
        facts = Facts("1.2.3.4", "GET", "/chat", {}, {}, {})
        self.session = self.wire.session = Session(
            id="s1",
            number=1,
            facts=facts,
            transport=self.wire,
            route=self.ear,
            limits=Limits(**limits),
            observer=self.ear,
            now=self.clock.now,
            on_closed=self.ear.gone,
        )

    def check_after(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.session.check(self.clock.now())


# ---- how large a message may be


def test_what_is_larger_than_the_limit_ends_the_session_with_1009() -> None:
    party = Party(max_message_size=10)
    assert party.session.allows(10)
    assert party.wire.asked == []
    assert not party.session.allows(11)
    assert party.wire.asked == [("close", 1009, "a message may have 10 bytes", 0)]


# ---- sending


def test_a_message_goes_straight_to_the_transport() -> None:
    party = Party()
    assert party.session.deliver("grün") == 5
    assert party.session.deliver(b"\x00") == 1
    assert party.wire.out == ["grün", b"\x00"]
    assert (party.session.messages_out, party.session.backlog) == (2, 0)


def test_what_a_blocked_client_does_not_take_waits_in_order() -> None:
    party = Party(room=2)
    sizes = [party.session.deliver(str(n)) for n in range(6)]
    assert sizes == [1] * 6
    assert party.wire.out == ["0", "1"]
    assert party.session.backlog == 4
    party.wire.take(2)
    assert party.wire.out == ["0", "1", "2", "3"]
    party.session.deliver("6")
    party.wire.take(100)
    assert party.wire.out == ["0", "1", "2", "3", "4", "5", "6"]
    assert (party.session.messages_out, party.session.backlog) == (7, 0)


def test_a_client_that_takes_again_gets_new_messages_at_once() -> None:
    party = Party(room=1)
    party.session.deliver("a")
    party.session.deliver("b")
    party.wire.take(10)
    party.session.deliver("c")
    assert party.wire.out == ["a", "b", "c"]


@pytest.mark.parametrize("data", ["x" * 10, b"\xff" * 10, "ü" * 5])
def test_a_backlog_up_to_its_bound_is_kept(data: Data) -> None:
    party = Party(room=1, max_backlog=100)
    party.session.deliver("first")
    for _ in range(10):
        assert party.session.deliver(data) == 10
    assert (party.session.state, party.session.backlog) == ("open", 100)


def test_one_byte_more_than_the_backlog_closes_with_1013() -> None:
    party = Party(room=1, max_backlog=100)
    party.session.deliver("first")
    party.session.deliver("x" * 100)
    assert party.session.deliver("y") is None
    assert party.wire.asked == [("close", 1013, "you do not read fast enough", 1)]
    assert (party.session.state, party.session.dropped, party.session.backlog) == ("closing", 2, 0)
    ((_, kind, text, number),) = party.ear.of("note")
    assert (kind, number) == ("drop", 1)
    assert "2 messages" in text
    assert "1013" in text


def test_the_backlog_is_counted_in_bytes() -> None:
    party = Party(room=1, max_backlog=100)
    party.session.deliver("first")
    party.session.deliver("€" * 33)
    assert party.session.backlog == 99
    assert party.session.deliver("€") is None


def test_more_messages_than_may_wait_close_with_1013() -> None:
    party = Party(room=1, max_waiting=3)
    for n in range(4):
        assert party.session.deliver(str(n)) is not None
    assert party.session.deliver("4") is None
    assert party.wire.asked[0][:2] == ("close", 1013)


def test_a_client_given_up_on_gets_nothing_more_and_no_second_close() -> None:
    party = Party(room=1, max_waiting=1)
    for n in range(10):
        party.session.deliver(str(n))
    party.session.end()
    party.wire.take(10)
    assert party.wire.out == ["0"]
    assert len(party.wire.asked) == 1
    assert party.session.dropped == 9


def test_text_that_is_no_utf8_raises_and_the_session_lives() -> None:
    for room in (1, 10):
        party = Party(room=room)
        party.session.deliver("first")
        with pytest.raises(UnicodeEncodeError):
            party.session.deliver("\ud800")
        assert party.session.state == "open"
        party.wire.take(10)
        assert party.session.deliver("x") == 1
        assert party.wire.out[-1] == "x"


def test_what_is_sent_by_hand_is_encoded_and_told() -> None:
    party = Party()
    assert party.session.send({"a": "ü"})
    assert party.session.send(b"raw")
    assert party.wire.out == ['{"a":"ü"}', b"raw"]
    assert party.ear.of("sent") == [("sent", '{"a":"ü"}', 10), ("sent", b"raw", 3)]


def test_sending_by_hand_to_a_session_that_ended_is_false_and_told() -> None:
    party = Party()
    party.session.lost(1000)
    assert not party.session.send("x")
    assert party.ear.of("sent") == [("sent", "x", None)]


@pytest.mark.parametrize("body", [{1, 2}, "\ud800", {"x": "\ud800"}])
def test_a_body_that_can_not_be_sent_by_hand_is_a_reply_error(body: Any) -> None:
    party = Party()
    with pytest.raises(ReplyError):
        party.session.send(body)
    assert party.session.is_open
    assert party.wire.out == []


# ---- receiving


def test_messages_of_a_client_are_counted_and_told() -> None:
    party = Party()
    party.session.start()
    party.session.receive("x", 1)
    assert party.ear.heard == [("opened",), ("received", "x", 1)]
    assert party.session.messages_in == 1


def test_a_closing_session_hears_no_more_messages() -> None:
    party = Party()
    party.session.end()
    party.session.receive("x", 1)
    assert party.ear.of("received") == []


def test_too_many_handlers_stop_the_reading_until_one_has_ended() -> None:
    party = Party(max_inflight=2)
    for _ in range(3):
        party.session.handler_started()
    seen = []
    for _ in range(3):
        seen.append((party.session.halted, len(party.wire.asked)))
        party.session.handler_ended()
    assert seen == [(True, 0), (True, 0), (False, 1)]
    assert party.wire.asked == ["resume"]


def test_a_paused_session_is_not_read_until_it_is_resumed() -> None:
    party = Party(max_inflight=1)
    party.session.pause(True)
    assert party.session.halted
    party.session.handler_started()
    party.session.handler_ended()
    assert party.wire.asked == []
    party.session.pause(False)
    assert party.wire.asked == ["resume"]
    assert not party.session.halted


def test_a_resumed_session_with_too_many_handlers_stays_halted() -> None:
    party = Party(max_inflight=1)
    party.session.handler_started()
    party.session.pause(True)
    party.session.pause(False)
    assert party.session.halted
    assert party.wire.asked == []


# ---- the end


def test_a_close_leaves_at_once_when_nothing_waits() -> None:
    party = Party()
    party.session.deliver("last words")
    party.session.end(4000, "bye")
    assert party.wire.asked == [("close", 4000, "bye", 1)]
    assert not party.session.is_open


def test_a_close_waits_for_the_outbox() -> None:
    party = Party(room=1)
    for n in range(3):
        party.session.deliver(str(n))
    party.session.end(4000, "bye")
    assert party.session.deliver("too late") is None
    assert party.wire.asked == []
    party.wire.take(1)
    assert party.wire.asked == []
    party.wire.take(10)
    assert party.wire.out == ["0", "1", "2"]
    assert party.wire.asked == [("close", 4000, "bye", 3)]


def test_the_first_close_counts() -> None:
    party = Party(room=1)
    party.session.deliver("x")
    party.session.deliver("y")
    party.session.end(4000, "first")
    party.session.end(4001, "second")
    party.session.close(4002, "third")
    party.wire.take(10)
    assert party.wire.asked == [("close", 4000, "first", 2)]


@pytest.mark.parametrize(
    ("code", "reason"),
    [(5, ""), (1005, ""), (1000, "x" * 124), (1000, "ü" * 62), (1000, "\ud800")],
    ids=["low", "reserved", "long", "long in bytes", "no text"],
)
def test_a_close_by_hand_that_no_frame_can_carry_is_an_error_and_the_session_is_kept(
    code: int, reason: str
) -> None:
    party = Party()
    with pytest.raises(ValueError, match=r"close (code|reason)"):
        party.session.close(code, reason)
    assert party.session.is_open
    assert party.wire.asked == []


def test_after_the_end_a_message_is_dropped_and_counted() -> None:
    party = Party()
    party.session.end()
    assert party.session.deliver("x") is None
    assert party.session.deliver(b"y") is None
    assert (party.session.dropped, party.wire.out) == (2, [])


def test_a_lost_connection_is_told_once() -> None:
    party = Party()
    party.session.lost(4001, "enough")
    party.session.lost(1000, "again", "error")
    assert party.ear.heard == [("gone", "s1", 4001, "enough"), ("closed", 4001, "enough", None)]
    assert party.session.state == "closed"


def test_a_connection_lost_without_a_code_has_none() -> None:
    party = Party()
    party.session.lost(None, "", "connection lost")
    assert party.ear.of("closed") == [("closed", None, "", "connection lost")]


def test_where_the_client_told_no_code_the_one_we_sent_counts() -> None:
    party = Party()
    party.session.end(1001, "server stopped")
    party.session.lost(None)
    assert party.ear.of("closed") == [("closed", 1001, "server stopped", None)]


def test_the_code_of_the_client_counts_before_ours() -> None:
    party = Party()
    party.session.end(1001, "server stopped")
    party.session.lost(1000, "ok")
    assert party.ear.of("closed") == [("closed", 1000, "ok", None)]


def test_a_close_that_never_left_is_not_the_code() -> None:
    party = Party(room=1)
    party.session.deliver("x")
    party.session.deliver("y")
    party.session.end(4000, "never sent")
    party.session.lost(None)
    assert party.ear.of("closed") == [("closed", None, "", None)]
    assert party.session.dropped == 1


def test_who_is_lost_while_told_of_the_loss_is_told_once() -> None:
    party = Party()
    party.ear.closed = lambda *args: party.session.lost(None)  # type: ignore[method-assign]
    party.session.lost(1000)
    assert len(party.ear.of("gone")) == 1


def test_what_waited_for_a_lost_client_is_counted_as_dropped() -> None:
    party = Party(room=1)
    for n in range(5):
        party.session.deliver(str(n))
    party.session.lost(None)
    assert (party.session.dropped, party.session.backlog) == (4, 0)


# ---- the watch


def test_a_silent_client_is_pinged_once() -> None:
    party = Party(ping_interval=20, dead_after=45)
    party.check_after(20)
    assert party.wire.asked == []
    party.check_after(1)
    party.check_after(1)
    assert party.wire.asked == ["ping"]


def test_any_sign_of_life_starts_the_watch_again() -> None:
    party = Party(ping_interval=20, dead_after=45)
    for _ in range(3):
        party.check_after(21)
        party.wire.is_heard = True
        party.check_after(1)
    assert party.wire.asked == ["ping"] * 3


def test_a_dead_client_is_dropped_with_a_row() -> None:
    party = Party(ping_interval=20, dead_after=45)
    for _ in range(46):
        party.check_after(1)
    assert party.wire.asked == ["ping", "abort"]
    ((_, kind, text, _),) = party.ear.of("note")
    assert kind == "drop"
    assert "not heard of for 46 s" in text


def test_who_is_not_read_is_not_taken_for_dead() -> None:
    party = Party(ping_interval=20, dead_after=45, max_inflight=1)
    party.session.handler_started()
    for _ in range(100):
        party.check_after(1)
    assert "abort" not in party.wire.asked


def test_a_client_that_takes_nothing_while_messages_wait_is_closed_with_1013() -> None:
    party = Party(room=1, stall_timeout=5)
    party.session.deliver("x")
    party.session.deliver("y")
    party.check_after(5)
    assert party.session.is_open
    party.check_after(0.1)
    assert party.wire.asked == [("close", 1013, "you do not read fast enough", 1)]
    assert party.session.dropped == 1


def test_a_client_that_takes_a_little_is_not_stalled() -> None:
    party = Party(room=1, stall_timeout=5)
    for n in range(10):
        party.session.deliver(str(n))
    for _ in range(8):
        party.check_after(4)
        party.wire.is_heard = True
        party.wire.take(1)
    assert party.session.is_open


def test_a_stalled_client_that_should_be_closed_anyway_is_closed_with_1013() -> None:
    party = Party(room=1, stall_timeout=5)
    party.session.deliver("x")
    party.session.deliver("y")
    party.session.end(1000)
    party.check_after(6)
    assert [asked[1] for asked in party.wire.asked] == [1013]


def test_a_client_that_is_not_blocked_never_stalls() -> None:
    party = Party(stall_timeout=5)
    party.session.deliver("x")
    for _ in range(10):
        party.wire.is_heard = True
        party.check_after(10)
    assert party.session.is_open
    assert party.wire.asked == []


# ---- how it looks


def test_the_repr_is_short_and_telling() -> None:
    party = Party()
    party.session.receive("x", 1)
    party.session.deliver("y")
    party.clock.advance(12)
    assert repr(party.session) == "<Session s1 /chat open 12s in=1 out=1>"
    party.session.path = "/" + "x" * 500
    assert len(repr(party.session)) < 80


def test_what_a_client_chose_is_text_in_the_html() -> None:
    party = Party()
    party.session.path = party.session.peer = "<img src=x onerror=alert(1)>"
    assert "<img" not in party.session._repr_html_()


def test_who_asked_hears_once_that_it_has_ended_before_the_close_is_told() -> None:
    party = Party()
    assert party.session.when_closed(lambda: party.ear.heard.append(("forgotten", 1)))
    assert party.session.when_closed(lambda: party.ear.heard.append(("forgotten", 2)))
    party.session.end()
    assert party.ear.of("forgotten") == [], "it is only closing yet"
    party.session.lost(1000)
    party.session.lost(1000)
    kinds = [one[0] for one in party.ear.heard]
    assert kinds == ["forgotten", "forgotten", "gone", "closed"]
    assert not party.session.when_closed(lambda: None), "nothing will be called any more"

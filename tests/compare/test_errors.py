"""What handlers raised now and then: which of it is new."""

from __future__ import annotations

from wsflow.compare.errors import Errors
from wsflow.log.log import Log
from wsflow.log.store import Store


def raise_(store: Store, error: str, node: str = "shout", kind: str = "error") -> None:
    store.tell(store.place(kind, node, "in"), 0, 0, 0, None, 0, None, error)


def test_an_error_that_was_recorded_is_not_new_wherever_its_line_is_now() -> None:
    store = Store()
    errors = Errors(Log(store))
    errors.expect("shout", "ValueError: x (chat.py:10)")
    raise_(store, "ValueError: x (chat.py:12)")
    raise_(store, "ValueError: y (chat.py:12)")
    raise_(store, "ValueError: x (chat.py:12)", node="other")
    raise_(store, "the session has ended", kind="drop")
    errors.look()
    errors.look()
    assert errors.raised == 3
    assert errors.new == ["shout: ValueError: y (chat.py:12)", "other: ValueError: x (chat.py:12)"]


def test_an_error_that_comes_more_often_than_recorded_says_how_much_more() -> None:
    store = Store()
    errors = Errors(Log(store))
    errors.expect("shout", "E: x")
    for _ in range(4):
        raise_(store, "E: x")
    errors.look()
    assert errors.new == ["shout: E: x (3 times)"]


def test_what_the_log_of_a_long_replay_has_forgotten_still_counts() -> None:
    store = Store(max_rows=64)
    errors = Errors(Log(store))
    for number in range(1_000):
        raise_(store, "E: x")
        store.tell(store.place("mark", "", ""), 0, 0, 0, None, 0)
        if number == 500:
            errors.look()
    errors.look()
    assert store.dropped > 1_900
    assert errors.raised == 1_000
    assert errors.new == ["shout: E: x (1000 times)"]

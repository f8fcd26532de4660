"""The thread that ticks: one for all panels, at most ten times a second, gone with the last."""

from __future__ import annotations

import gc
import threading
import time
import weakref

from wsflow.panel.ticker import Ticker


class Ticks:
    """Counts its ticks, and ends when told."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault, self.alive, self.count = fault, True, 0
        self.ticked = threading.Event()

    def tick(self) -> bool:
        self.count += 1
        self.ticked.set()
        if self.fault is not None:
            raise self.fault
        return self.alive


def ended(ticker: Ticker) -> bool:
    """Wait for the end of its thread."""
    thread = ticker._thread
    if thread is not None:
        thread.join(30)
    return thread is None or not thread.is_alive()


def test_one_thread_ticks_for_all_and_ends_with_the_last() -> None:
    ticker, first, second = Ticker(0.001), Ticks(), Ticks()
    ticker.watch(first)
    thread = ticker._thread
    ticker.watch(second)
    assert ticker._thread is thread
    assert first.ticked.wait(30)
    assert second.ticked.wait(30)
    first.alive = second.alive = False
    assert ended(ticker)
    count = first.count
    first.alive = True
    ticker.watch(first)
    assert ticker._thread is not thread
    while first.count <= count + 2:
        first.ticked.clear()
        assert first.ticked.wait(30)
    first.alive = False
    assert ended(ticker)


def test_a_second_has_at_most_ten_ticks() -> None:
    ticker, one = Ticker(), Ticks()
    began = time.monotonic()
    ticker.watch(one)
    while one.count < 6:
        one.ticked.clear()
        assert one.ticked.wait(30)
    assert time.monotonic() - began >= 0.5
    one.alive = False
    assert ended(ticker)


def test_one_that_fails_is_dropped_and_the_others_tick_on() -> None:
    ticker, bad, good = Ticker(0.001), Ticks(ValueError("no")), Ticks()
    ticker.watch(good)
    ticker.watch(bad)
    assert bad.ticked.wait(30)
    for _ in range(3):
        good.ticked.clear()
        assert good.ticked.wait(30)
    assert bad.count == 1
    good.alive = False
    assert ended(ticker)


def test_one_that_nobody_holds_any_more_is_let_go() -> None:
    ticker, one = Ticker(0.001), Ticks()
    gone = weakref.ref(one)
    ticker.watch(one)
    assert one.ticked.wait(30)
    del one
    assert ended(ticker)
    gc.collect()
    assert gone() is None

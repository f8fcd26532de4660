"""The store: numbers without gaps, exact bounds, readers on other threads, fenced observers."""

import gc
import sys
import threading
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsflow import Flow, Row
from wsflow.base.interfaces import Refusal, Request
from wsflow.log.blocks import Known
from wsflow.log.store import BLOCK_ROWS, OVERHEAD, Store
from wsflow.wire.policy import Policy


def tell(store: Store, *, session: int = 0, size: int = 0, kind: str = "mark") -> int:
    """Tell a row whose data is the number it ought to get."""
    return store.tell(store.place(kind, "n", "p"), session, 0, 0, store.seq + 1, size)


def known(id: str) -> Known:
    return Known(id, "127.0.0.1", f"/of/{id}", "GET", {}, {}, {}, opened=0)


def weight(store: Store) -> int:
    return sum(row.size + OVERHEAD for row in store.rows())


@pytest.fixture
def switching() -> Iterator[None]:
    """Let threads take turns as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


# ---- numbers and rows


def test_numbers_begin_at_one_and_have_no_gaps() -> None:
    store = Store(max_rows=5_000)
    assert [tell(store) for _ in range(3_000)] == list(range(1, 3_001))
    assert [row.seq for row in store.rows()] == list(range(1, 3_001))


def test_a_row_comes_back_as_it_was_told() -> None:
    store = Store(clock=lambda: 99)
    store.know(7, known("s7"))
    place = store.place("response", "shout", "response", "/chat/{room}")
    store.tell(place, 7, 3, 2, "HI", 2, 0.5, "late")
    expected = Row(
        seq=1,
        time=99,
        scope=3,
        cause=2,
        kind="response",
        node="shout",
        port="response",
        session="s7",
        path="/of/s7",
        data="HI",
        size=2,
        elapsed=0.5,
        error="late",
    )
    assert [store.row(1), *store.rows()] == [expected, expected]


def test_without_a_session_the_path_is_that_of_the_place() -> None:
    store = Store()
    store.tell(store.place("req", "push", "out", "/push"), 0, 1, 0, None, 0)
    (row,) = store.rows()
    assert (row.session, row.path) == (None, "/push")


def test_the_same_names_are_the_same_place() -> None:
    store = Store()
    assert store.place("mark", "a", "") == store.place("mark", "a", "")
    assert store.place("mark", "a", "") != store.place("mark", "b", "")
    assert [one.node for one in store.places()] == ["a", "b"]


@pytest.mark.parametrize("rows", [1, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 2_500])
def test_sealed_and_open_rows_are_read_once(rows: int) -> None:
    store = Store(max_rows=10_000)
    for _ in range(rows):
        tell(store)
    assert [row.data for row in store.rows()] == list(range(1, rows + 1))
    assert len(store) == rows
    assert sum(map(len, store.blocks())) == rows


def test_one_row_is_found_by_its_number_in_sealed_and_open_blocks() -> None:
    store = Store(max_rows=3_000)
    for _ in range(4_000):
        tell(store)
    for seq in (store.dropped + 1, 2_500, 3_999, 4_000):
        row = store.row(seq)
        assert row is not None
        assert (row.seq, row.data) == (seq, seq)


@pytest.mark.parametrize("seq", [-1, 0, 1, 4_001])
def test_a_row_that_was_dropped_or_never_told_is_none(seq: int) -> None:
    store = Store(max_rows=100)
    for _ in range(4_000):
        tell(store)
    assert store.row(seq) is None


@pytest.mark.parametrize("newest", [0, 1, 7, 1_024, 1_500, 2_500, 9_999])
def test_the_newest_rows_are_given_oldest_first(newest: int) -> None:
    store = Store()
    for _ in range(2_500):
        tell(store)
    expected = list(range(1, 2_501))[-newest:] if newest else []
    assert [row.seq for row in store.rows(newest=newest)] == expected


def test_a_picture_of_the_blocks_does_not_change() -> None:
    store = Store()
    tell(store)
    picture = store.blocks()
    for _ in range(2_000):
        tell(store)
    assert [len(block) for block in picture] == [1]


def test_cleared_rows_are_gone_and_numbers_go_on() -> None:
    store = Store(max_rows=5_000)
    for _ in range(1_500):
        tell(store)
    store.clear()
    assert len(store) == 0
    for _ in range(1_500):
        tell(store)
    assert [row.seq for row in store.rows()] == list(range(1_501, 3_001))


# ---- bounds


@pytest.mark.parametrize(("rows", "size"), [(0, 100), (100, 0), (-1, 100)])
def test_a_store_without_room_is_refused(rows: int, size: int) -> None:
    with pytest.raises(ValueError, match="needs room"):
        Store(rows, size)


@pytest.mark.parametrize("max_rows", [1, 2, 3, 7, 8, 9, 100, 1_024, 5_000])
def test_the_bound_in_rows_is_never_passed(max_rows: int) -> None:
    store = Store(max_rows=max_rows)
    for _ in range(2 * max_rows + 10):
        tell(store)
        assert len(store) <= max_rows
        assert len(store) + store.dropped == store.seq


@pytest.mark.parametrize("max_rows", [1, 2, 3, 9, 100, 5_000])
def test_the_newest_row_is_always_there(max_rows: int) -> None:
    store = Store(max_rows=max_rows)
    for _ in range(2 * max_rows + 10):
        seq = tell(store)
        row = store.row(seq)
        assert row is not None
        assert row.data == seq


def test_a_full_log_holds_nearly_as_much_as_it_may() -> None:
    store = Store(max_rows=10_000)
    for _ in range(50_000):
        tell(store)
    assert 8_500 < len(store) <= 10_000


def test_the_bound_in_bytes_holds_for_large_rows() -> None:
    store = Store(max_bytes=100_000)
    for _ in range(500):
        tell(store, size=3_000)
        assert weight(store) <= 100_000
    assert len(store) > 10
    assert len(store) + store.dropped == store.seq


def test_the_bound_in_bytes_counts_rows_without_data_too() -> None:
    store = Store(max_bytes=20 * OVERHEAD)
    for _ in range(3_000):
        tell(store)
    assert 0 < len(store) <= 20


def test_a_row_larger_than_the_whole_log_goes_with_the_next_one() -> None:
    store = Store(max_bytes=10_000)
    tell(store, size=1_000_000)
    for _ in range(3):
        tell(store)
    assert [row.seq for row in store.rows()] == [2, 3, 4]
    assert store.dropped == 1


@given(
    max_rows=st.integers(1, 60),
    max_bytes=st.integers(1, 12_000),
    sizes=st.lists(st.integers(0, 3_000), max_size=150),
)
def test_bounds_hold_after_every_row(max_rows: int, max_bytes: int, sizes: list[int]) -> None:
    store = Store(max_rows, max_bytes)
    for size in sizes:
        tell(store, size=size)
        rows = list(store.rows())
        assert len(store) + store.dropped == store.seq
        assert [row.seq for row in rows] == list(range(store.dropped + 1, store.seq + 1))
        assert [row.data for row in rows] == [row.seq for row in rows]
        assert len(rows) <= max_rows
        assert weight(store) <= max_bytes or len(rows) == 1


# ---- sessions


def test_the_facts_of_a_session_go_with_its_last_row() -> None:
    store = Store(max_rows=16)
    store.know(1, known("s1"))
    tell(store, session=1)
    store.session_ended(1, 1000, "")
    last = tell(store, session=1, kind="close")
    while store.row(last) is not None:
        assert list(store.sessions()) == [1]
        tell(store)
    assert store.sessions() == {}


def test_a_row_told_after_the_close_keeps_its_session() -> None:
    store = Store(max_rows=16)
    store.know(1, known("s1"))
    store.session_ended(1, 1000, "")
    close = tell(store, session=1, kind="close")
    for _ in range(5):
        tell(store)
    late = tell(store, session=1, kind="drop")
    while store.row(close) is not None:
        tell(store)
    row = store.row(late)
    assert row is not None
    assert row.session == "s1"


def test_the_facts_of_an_open_session_stay_when_its_rows_are_dropped() -> None:
    store = Store(max_rows=16)
    store.know(1, known("s1"))
    tell(store, session=1)
    for _ in range(100):
        tell(store)
    seq = tell(store, session=1)
    row = store.row(seq)
    assert row is not None
    assert row.session == "s1"


def test_how_a_session_ended_is_kept() -> None:
    store = Store(clock=count(10).__next__)
    store.know(1, known("s1"))
    store.session_ended(1, 4001, "enough")
    facts = store.sessions()[1]
    assert (facts.closed, facts.code, facts.reason) == (10, 4001, "enough")


def test_many_sessions_leave_no_facts_behind() -> None:
    store = Store(max_rows=64)
    for number in range(1, 2_000):
        store.know(number, known(f"s{number}"))
        tell(store, session=number)
        store.session_ended(number, 1000, "")
        tell(store, session=number, kind="close")
    assert len(store.sessions()) <= 64


def test_clearing_forgets_the_sessions_that_ended() -> None:
    store = Store()
    for number in (1, 2):
        store.know(number, known(f"s{number}"))
        tell(store, session=number)
    store.session_ended(1, 1000, "")
    tell(store, session=1, kind="close")
    store.clear()
    assert list(store.sessions()) == [2]


# ---- readers on other threads


def test_a_reader_at_any_moment_of_a_tell_sees_whole_rows_under_their_own_numbers() -> None:
    pictures: list[list[Row]] = []

    def clock() -> int:  # asked for in the middle of a tell: as if another thread had its turn
        pictures.append(list(store.rows()))
        return 0

    store = Store(max_rows=16, clock=clock)
    for _ in range(100):
        tell(store)
    for rows in pictures:
        assert [row.seq for row in rows] == [row.data for row in rows]


@pytest.mark.parametrize("max_rows", [50, 100_000])
def test_another_thread_reads_each_row_once_while_rows_are_told(
    switching: None, max_rows: int
) -> None:
    store = Store(max_rows=max_rows)
    faults: list[list[int]] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            rows = list(store.rows())
            seqs = [row.seq for row in rows]
            if seqs != [row.data for row in rows] or seqs != sorted(set(seqs)):
                faults.append(seqs)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20_000):
        tell(store)
    over.set()
    reader.join()
    assert faults == []


# ---- watchers


def test_a_watcher_sees_every_row_in_order() -> None:
    store, seen = Store(), list[int]()
    store.watch(lambda row: seen.append(row.seq))
    for _ in range(3_000):
        tell(store)
    assert seen == list(range(1, 3_001))


@pytest.mark.parametrize("max_rows", [1, 2, 3])
def test_a_watcher_sees_every_row_of_the_smallest_log(max_rows: int) -> None:
    store, seen = Store(max_rows=max_rows), list[int]()
    store.watch(lambda row: seen.append(row.seq))
    for _ in range(10):
        tell(store)
    assert seen == list(range(1, 11))


def test_a_watcher_that_stops_sees_no_more() -> None:
    store, seen = Store(), list[int]()
    stop = store.watch(lambda row: seen.append(row.seq))
    tell(store)
    stop()
    stop()
    tell(store)
    assert seen == [1]


def fails_with(error: BaseException) -> Callable[[Row], None]:
    def watcher(row: Row) -> None:
        raise error

    return watcher


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit()])
def test_a_watcher_that_raises_is_switched_off_with_an_error_row(error: BaseException) -> None:
    store = Store()
    store.watch(fails_with(error))
    for _ in range(3):
        tell(store)
    first, fault, *rest = store.rows()
    assert (first.data, fault.kind) == (1, "error")
    assert fault.error is not None
    assert "observer" in fault.error
    assert f"{type(error).__name__}: {error}" in fault.error
    assert [row.kind for row in rest] == ["mark", "mark"]


def test_other_watchers_still_see_every_row_in_order() -> None:
    store, seen = Store(), list[int]()
    store.watch(fails_with(ValueError()))
    store.watch(lambda row: seen.append(row.seq))
    for _ in range(3):
        tell(store)
    assert seen == [1, 2, 3, 4]


def test_two_watchers_that_raise_are_both_switched_off() -> None:
    store = Store()
    store.watch(fails_with(ValueError("one")))
    store.watch(fails_with(ValueError("two")))
    for _ in range(3):
        tell(store)
    assert sorted(row.kind for row in store.rows()) == ["error", "error", "mark", "mark", "mark"]


# ---- takers


def fetching(store: Store) -> tuple[list[list[int]], Callable[[], None]]:
    """Return the batches of numbers a taker got, and the taker."""
    batches: list[list[int]] = []
    after = [store.seq]

    def take() -> None:
        batch = [fields[0] for fields in store.since(after[0] + 1)]
        after[0] = store.seq
        batches.append(batch)

    return batches, take


def test_a_taker_is_called_once_for_all_rows_of_a_turn() -> None:
    store, turn = Store(max_rows=5_000), list[Callable[[], None]]()
    store.later = turn.append
    batches, take = fetching(store)
    store.attach(take)
    for rows in (3, 2_000):
        for _ in range(rows):
            tell(store)
        assert len(turn) == 1
        turn.pop()()
    assert batches == [[1, 2, 3], list(range(4, 2_004))]


def test_a_taker_that_stops_is_called_no_more() -> None:
    store = Store()
    batches, take = fetching(store)
    stop = store.attach(take)
    tell(store)
    stop()
    tell(store)
    assert batches == [[1]]


def test_a_taker_that_raises_is_switched_off_and_the_others_go_on() -> None:
    store = Store()
    batches, take = fetching(store)
    store.attach(lambda: 1 / 0)
    store.attach(take)
    tell(store)
    tell(store)
    assert [row.kind for row in store.rows()] == ["mark", "error", "mark"]
    assert [seq for batch in batches for seq in batch] == [1, 2, 3]


@pytest.mark.parametrize("since", [-5, 0, 1, 1_000, 1_025, 2_500, 2_501])
def test_rows_since_a_number_are_given_with_their_raw_fields(since: int) -> None:
    store = Store(max_rows=10_000)
    for _ in range(2_500):
        tell(store)
    rows = list(store.since(since))
    assert [fields[0] for fields in rows] == list(range(max(since, 1), 2_501))
    assert [fields[6] for fields in rows] == [fields[0] for fields in rows]


def test_a_watcher_gets_a_copy_of_what_travelled() -> None:
    from wsflow.base.snapshot import snapshot

    store = Store()
    store.watch(lambda row: row.data.append("changed"))
    data, size = snapshot(["as it was"])
    store.tell(store.place("route", "n", "out"), 0, 0, 0, data, size)
    row = store.row(1)
    assert row is not None
    assert row.data == ["as it was"]


def test_what_a_row_caused_is_found_across_blocks_each_with_its_cause() -> None:
    store = Store(max_rows=100)  # blocks of 12 rows
    for cause in [0, 0, 1, 2, 3, *[0] * 40, 5, 46, 2]:
        store.tell(store.place("route", "n", "out"), 0, 1, cause, None, 0)
    assert store.caused(1) == {1: 0, 3: 1, 5: 3, 46: 5, 47: 46}
    assert store.caused(46) == {46: 5, 47: 46}
    assert store.caused(0) == store.caused(49) == {}


# ---- what it weighs


async def grown(work: Callable[[int], Awaitable[object]]) -> int:
    """Return by how many bytes the process has grown once `work` was done 600 times."""
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(600):
            await work(number)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


LOADS: dict[str, Callable[[Flow, int], Awaitable[object]]] = {}


def load(function: Callable[[Flow, int], Awaitable[object]]) -> Callable[..., Awaitable[object]]:
    LOADS[function.__name__] = function
    return function


@load
async def refused_with_a_long_origin(flow: Flow, number: int) -> None:
    headers = (("host", "localhost"), ("origin", f"http://{number}" + "a" * 15_000))
    door = flow._host.endpoint(Policy())
    assert isinstance(door.admit(Request("GET", f"/{number}", "", headers, "1.2.3.4")), Refusal)


@load
async def connected_with_a_long_query(flow: Flow, number: int) -> None:
    async with flow.client(f"/?{number}=" + "a" * 8_000):
        pass


@load
async def connected_with_long_headers(flow: Flow, number: int) -> None:
    headers = {f"x-{number}-{at}": f"{number:0500}" for at in range(20)}
    async with flow.client("/", headers=headers):
        pass


@load
async def raised_with_a_long_text(flow: Flow, number: int) -> None:
    flow._host.observer.note("error", f"{number}" * 5_000)


@load
async def said_with_one_emoji(flow: Flow, number: int) -> None:
    text = f"{number}" + "a" * 5_000 + "\N{GRINNING FACE}"
    flow._host.store.tell(0, 0, 0, 0, text, len(text.encode()))


@load
async def sent_to_who_has_left(flow: Flow, number: int) -> None:
    async with flow.client("/") as client:
        session = client.session
    assert session is not None
    session.send(f"{number:04}".encode() * 2_000)


@load
async def called_as_a_message_says(flow: Flow, number: int) -> None:
    flow._host.place("signal", "node", f"{number:0150}")
    flow._host.store.tell(0, 0, 0, 0, None, 0)


@pytest.mark.parametrize("kind", LOADS)
async def test_p28_the_log_says_what_the_process_grew_by_and_frees_it(
    flow: Flow, kind: str
) -> None:
    """Found A6: the log said 0.5 MiB when the process had grown by 91."""
    flow.websocket("/")
    await flow.start()
    for number in range(20):
        await LOADS[kind](flow, number)
    before = flow.log.bytes
    took = await grown(partial(LOADS[kind], flow))
    said = flow.log.bytes - before
    assert took * 0.9 < said < took * 1.3
    flow.log.clear()
    assert flow.log.bytes == 0


def test_p28_sessions_that_stay_are_counted_and_rows_make_room_for_them() -> None:
    store = Store(max_bytes=2**20)
    for number in range(1, 2_000):
        headers = {"x": f"{number:0500}"}
        store.know(number, known(f"s{number}")._replace(headers=headers))
        tell(store, session=number)
        if number % 10:
            store.session_ended(number, 1000, "")
            tell(store, session=number, kind="close")
        assert store.bytes <= 2**20 * 1.1
    assert len(store.sessions()) >= 199

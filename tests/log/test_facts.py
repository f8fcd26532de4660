"""Who sessions are: what it weighs, and when it goes (P28, found A6)."""

from __future__ import annotations

import tracemalloc

from wsflow.log.blocks import Block, Known, block_of
from wsflow.log.facts import Facts, weight_of


def known(id: str, **more: object) -> Known:
    plain: dict[str, object] = {"params": {}, "query": {}, "headers": {}, **more}
    return Known(id, "1.2.3.4", "/chat", "GET", opened=1, **plain)  # type: ignore[arg-type]


def block(first: int, *sessions: int) -> Block:
    return block_of(first, [field for one in sessions for field in (0, 0, one, *[0] * 6)])


def test_facts_go_with_the_last_row_of_a_session_that_ended() -> None:
    facts = Facts()
    facts.know(1, known("s1"))
    facts.know(2, known("s2"))
    one, two = block(1, 1, 2), block(3, 1)
    facts.sealed(one)
    facts.sealed(two)
    facts.end(1, 5, 1000, "bye")
    assert facts.dropped(one, 0) == []
    assert facts.dropped(two, 1) == [], "it is about to be told of once more"
    assert facts.dropped(two, 0) == [1]
    assert list(facts.by_number) == [2]
    assert facts.weight == weight_of(known("s2"))


def test_clearing_leaves_who_is_there() -> None:
    facts = Facts()
    for number in (1, 2):
        facts.know(number, known(f"s{number}"), 1_000)
    facts.end(1, 5, None, "")
    assert facts.clear() == [1]
    assert list(facts.by_number) == [2]
    assert facts.weight == weight_of(known("s2")) + 1_000


def test_p28_what_is_weighed_is_what_it_takes() -> None:
    """Found A6: 1,500 sessions with a long query weighed nothing."""

    def made(number: int, size: int) -> Known:
        headers = {f"x-{number}-{at}": f"{number:040}" for at in range(12)}
        query = {f"q{number}": ["é" * size, f"{number}" * 4]}
        return known(f"s{number}-abcd", headers=headers, query=query)

    for size in (10, 8_000):
        facts = Facts()
        tracemalloc.start()
        for number in range(500):
            facts.know(number, made(number, size))
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert 0.9 < facts.weight / grown < 1.25

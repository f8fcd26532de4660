"""RFC 6455 and RFC 7692 as others judge them: the cases of the Autobahn test suite (promise P7).

The suite is run by `kosoku` against an echo flow. With `--long` the groups on compression run too.
"""

import gc
from collections import Counter
from typing import Any

import pytest
from kosoku import FailureError, run_fuzzingclient

from wsflow import Context, Flow

LIMIT = 17 * 2**20
"""Bytes: the suite sends messages of 16 MiB."""

GROUPS = {
    "1.*": 16,  # framing
    "2.*": 11,  # pings and pongs
    "3.*": 7,  # reserved bits
    "4.*": 10,  # opcodes
    "5.*": 20,  # fragmentation
    "6.*": 145,  # UTF-8
    "7.*": 37,  # the closing handshake
    "9.*": 54,  # limits and performance
    "10.*": 1,  # fragments made by the client
}

STRICT = {"OK", "INFORMATIONAL"}

LATE_UTF8 = {"6.4.3", "6.4.4"}
"""Text that is wrong inside a frame whose end has not come: we judge whole frames, which the suite
calls acceptable though not strict."""

SHORTEST = ("12.1.1", "12.1.2", "12.2.1", "12.4.1", "13.1.1", "13.3.1", "13.5.1", "13.7.1")
DEFLATE = [f"12.{data}.*" for data in range(1, 6)] + [f"13.{offer}.*" for offer in range(1, 8)]

unclosed = pytest.mark.filterwarnings(
    "ignore:unclosed file:ResourceWarning",  # the suite's own: it leaves closing to the collector
    "ignore:Exception ignored in. <_io.FileIO:pytest.PytestUnraisableExceptionWarning",
)


async def judged(flow: Flow, *cases: str, **options: Any) -> list[Any]:
    """Run cases against an echo of this flow, and return how each was judged."""

    @flow.node
    def echo(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": ev["message"]})

    flow.websocket("/").message >> echo
    server = await flow.serve(max_message_size=LIMIT, **options)
    try:
        return await run_fuzzingclient(f"{server.url}/", cases)
    except FailureError as error:
        return error.results
    finally:
        gc.collect()  # what the suite leaves open is closed, and complained of, here


def faults(results: list[Any]) -> list[str]:
    """Return what was not as strict as it could be."""
    return [
        f"{one.case_id}: {one.behavior.value}, {one.behavior_close.value}: "
        f"{one.result} {one.result_close}"
        for one in results
        if one.behavior.value not in STRICT or one.behavior_close.value not in STRICT
    ]


@pytest.mark.slow
@unclosed
@pytest.mark.timeout(300)
@pytest.mark.parametrize("group", GROUPS)
async def test_p7_the_suite_of_others_finds_no_fault(flow: Flow, group: str) -> None:
    results = await judged(flow, group)
    late = [one for one in results if one.case_id in LATE_UTF8]
    assert faults([one for one in results if one not in late]) == []
    assert all(one.passed for one in late)
    assert len(results) == GROUPS[group]
    errors = [row for row in flow.log.tail(100_000) if row.kind == "error"]
    assert errors == []


@unclosed
async def test_p7_the_suite_finds_no_fault_in_the_shortest_cases_of_compression(flow: Flow) -> None:
    results = await judged(flow, *SHORTEST, compression=True)
    assert faults(results) == []
    assert len(results) == len(SHORTEST)


@unclosed
@pytest.mark.timeout(300)
@pytest.mark.parametrize("group", DEFLATE)
async def test_p7_the_suite_finds_no_fault_in_compression(
    flow: Flow, group: str, long: bool
) -> None:
    if not long:
        pytest.skip("takes minutes: --long")
    results = await judged(flow, group, compression=True)
    assert faults(results) == []
    assert len(results) == 18
    assert Counter(one.behavior.value for one in results) == {"OK": 18}

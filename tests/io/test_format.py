"""One line of a recording: any value comes back as it was, and no flip is taken for a row."""

import json
import math
import random
import zlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsflow.base.snapshot import snapshot
from wsflow.errors import DamagedLineError
from wsflow.io import format as lines
from wsflow.io.format import Entry

TEXT = st.text(st.characters(exclude_categories=())) | st.sampled_from(["$bytes", "$plain", "$"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**200), 2**200) | st.floats() | TEXT | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("k$") | st.sampled_from(["$bytes", "$float"]), inner, max_size=3)
    ),
    max_leaves=12,
)


def line(**fields: Any) -> bytes:
    return lines.write_object(fields)[:-1]


def through(value: Any) -> Any:
    """Write a value as a row's data and read it."""
    return lines.read(lines.write(b'"seq":1,"data":' + lines.data(value))[:-1]).value


# ---- values


@given(VALUES)
def test_any_value_comes_back(value: Any) -> None:
    assert repr(through(value)) == repr(value)


PACKED = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats()
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("k$") | st.integers() | st.booleans(), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), PACKED, max_size=4) | st.lists(PACKED, max_size=4))
def test_a_snapshot_is_written_like_any_value(value: Any) -> None:
    taken = snapshot(value)[0]
    assert json.loads(lines.snapshot(taken)) == json.loads(lines.data(taken.unpack()))


def test_a_snapshot_nested_deep_is_told_as_text_where_it_is_too_deep() -> None:
    deep: Any = []
    for _ in range(lines.MAX_DEPTH + 50):
        deep = [deep]
    assert lines.snapshot(snapshot(deep)[0]).count(b"[") < lines.MAX_DEPTH + 20


@given(VALUES)
def test_a_line_is_one_line_of_plain_json(value: Any) -> None:
    whole = lines.write(b'"data":' + lines.data(value))
    assert whole.count(b"\n") == 1
    assert isinstance(json.loads(whole), dict)


def test_the_four_words_json_lacks() -> None:
    value = {"b": b"\x00\xff", "n": math.inf, "t": "\ud800x", "p": {"$bytes": "AA=="}}
    assert json.loads(lines.data(value)) == {
        "b": {"$bytes": "AP8="},
        "n": {"$float": "inf"},
        "t": {"$text": "7aCAeA=="},
        "p": {"$plain": {"$bytes": "AA=="}},
    }
    assert through(value) == value


@pytest.mark.parametrize(
    "data",
    [
        {"$bytes": "not base64!"},
        {"$bytes": 5},
        {"$float": "1"},
        {"$float": []},
        {"$text": "AP8"},
        {"$plain": "x"},
        {"$unheard-of": {}},
        {"$bytes": "AA==", "and": "more"},
    ],
)
def test_what_only_looks_like_one_of_them_is_left_as_it_stands(data: Any) -> None:
    assert lines.read(line(data=data)).value == data


def test_a_value_nested_deeper_than_anybody_needs_is_told_as_text() -> None:
    deep: Any = "bottom"
    for _ in range(lines.MAX_DEPTH + 50):
        deep = [deep]
    told = json.dumps(through(deep))
    assert told.count("[") < lines.MAX_DEPTH + 20
    assert "bottom" not in told


def test_a_number_of_more_digits_than_python_writes_is_described() -> None:
    assert isinstance(through(10**5000), str)


class Angry:
    def __str__(self) -> str:
        raise ZeroDivisionError


def test_an_object_that_raises_when_shown_is_described() -> None:
    assert through(Angry()).startswith("<")


# ---- lines


def test_the_checksum_stands_first_and_is_that_of_all_behind_it() -> None:
    whole = line(seq=7, kind="mark")
    assert whole.startswith(b'{"crc":"')
    checked = whole[whole.index(b",") + 1 :]
    assert json.loads(whole)["crc"] == f"{zlib.crc32(checked):08x}"
    assert lines.read(whole) == Entry(seq=7, kind="mark")


def test_bytes_of_a_message_have_a_key_of_their_own() -> None:
    assert lines.read(line(seq=1, bytes="AP8=")).value == b"\x00\xff"


def test_unknown_keys_are_no_fault_and_an_object_keeps_them() -> None:
    whole = line(seq=1, kind="mark", later={"x": [1, 2]})
    assert lines.read(whole).seq == 1
    assert lines.read_object(whole) == {"seq": 1, "kind": "mark", "later": {"x": [1, 2]}}


def test_an_object_written_again_is_the_same_line() -> None:
    whole = line(seq=1, t=0.25, data={"ü": [1, None]}, later=2)
    assert lines.write_object(lines.read_object(whole))[:-1] == whole


def test_no_flip_of_a_bit_is_taken_for_a_row() -> None:
    whole = line(seq=1, t=0.5, kind="message", data="é\n\\ud800 {}")
    for bit in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        for read in (lines.read, lines.read_object):
            with pytest.raises(DamagedLineError):
                read(bytes(flipped))


def test_no_line_that_was_cut_is_taken_for_a_row() -> None:
    whole = line(seq=1, kind="message", data="x" * 50)
    for end in range(len(whole)):
        with pytest.raises(DamagedLineError):
            lines.read(whole[:end])


def test_garbage_is_damage_and_nothing_else() -> None:
    dice = random.Random(1)
    for _ in range(2_000):
        with pytest.raises(DamagedLineError):
            lines.read(dice.randbytes(dice.randrange(80)))


@pytest.mark.parametrize(
    "body",
    [
        b'"seq":"one"',
        b'"session":5',
        b'"opened":[]',
        b'"bytes":"no base64!"',
        b'"bytes":"AAA"',
        b'"seq":1e400',
        b'"data":' + b"[" * 200_000 + b"]" * 200_000,
        b'"data":"\\ud800"',
        b'"wsflow":"x"',
        b"nonsense",
        b'"x":1}{"y":2',
    ],
)
def test_a_right_checksum_over_something_else_is_damage(body: bytes) -> None:
    with pytest.raises(DamagedLineError, match="no row"):
        lines.read(lines.write(body)[:-1])


@pytest.mark.parametrize("body", [b"nonsense", b'"data":' + b"[" * 200_000 + b"]" * 200_000])
def test_an_object_of_something_else_is_damage(body: bytes) -> None:
    with pytest.raises(DamagedLineError, match="no row"):
        lines.read_object(lines.write(body)[:-1])


def test_a_value_deeper_than_a_recorder_writes_is_given_as_it_stands() -> None:
    deep: Any = 1
    for _ in range(5_000):
        deep = {"k": deep}
    entry = msgspec.structs.replace(Entry(), data=deep)
    assert entry.value is deep


def test_many_lines_are_read_as_each_alone() -> None:
    some = [
        line(seq=1, data={"$bytes": "AA=="}),
        line(opened={"id": "s1", "path": "/"}),
        line(bytes="AP8="),
    ]
    assert lines.read_all(some) == [lines.read(one) for one in some]
    assert lines.read_all([]) == []


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        line(seq=2)[:-1],
        line(seq=2).replace(b"crc", b"src"),
        line(seq=10).replace(line(seq=10)[8:16], line(seq=10)[8:16].upper()),
        line(seq="two"),
        line(seq=2, bytes="not base64"),
        lines.write(b'"seq":2,"data":' + b"[" * 200_000 + b"]" * 200_000)[:-1],
    ],
)
def test_many_lines_with_one_that_can_not_be_read_are_not_read(bad: bytes) -> None:
    with pytest.raises(DamagedLineError):
        lines.read(bad)
    assert lines.read_all([line(seq=1), bad, line(seq=3)]) is None

"""What a person typed, as the message it stands for."""

import pytest

from wsflow import ReplyError
from wsflow.panel.body import MAX_BODY, message


@pytest.mark.parametrize(
    ("kind", "typed", "sent"),
    [
        ("text", "", ""),
        ("text", ' {"a" ', ' {"a" '),
        (
            "text",
            "<img src=x onerror=alert(1)>\x00\u202e",
            "<img src=x onerror=alert(1)>\x00\u202e",
        ),
        ("json", '{"a": [1.10, 1e999, "ü"]}\n', '{"a": [1.10, 1e999, "ü"]}'),
        ("json", '"\\ud800"', '"\\ud800"'),
        ("json", "null", "null"),
        ("hex", "", b""),
        ("hex", "00fF", b"\x00\xff"),
        ("hex", "0x00 0xff\n7f", b"\x00\xff\x7f"),
        ("hex", "de:ad-be_ef, 01", b"\xde\xad\xbe\xef\x01"),
        ("base64", "", b""),
        ("base64", "AP8=", b"\x00\xff"),
        ("base64", "AP8", b"\x00\xff"),
        ("base64", "-_\n-_", b"\xfb\xff\xbf"),
    ],
)
def test_what_was_typed_becomes_this(kind: str, typed: str, sent: str | bytes) -> None:
    assert message(kind, typed) == sent


@pytest.mark.parametrize(
    ("kind", "typed", "words"),
    [
        ("json", '{"a": 1,}', "not JSON: line 1 column "),  # 9; from Python 3.13 on 8
        ("json", "[1,\n 2,\n oops]", "line 3 column 2"),
        ("json", "hello", "choose Text to send it as it is"),
        ("json", "  ", "choose Text to send an empty message"),
        ("json", "[NaN]", "NaN is Python's"),
        ("json", "-Infinity", "-Infinity is Python's"),
        ("json", "[" * 100_000, "nested too deeply"),
        ("hex", "0g", "'g' is none of 0-9 and a-f"),
        ("hex", "abc", "two digits make a byte, and there are 3"),
        ("base64", "AP8*", "'*' is no sign of it"),
        ("base64", "A", "1 signs can not be whole bytes"),
        ("text", "a\ud800b", "character 2 is half of a pair"),
        ("text", "x" * (MAX_BODY + 1), "8.0 MB are more than a panel carries (8 MB)"),
        ("text", "x" * 20_000_000, "20.0 MB are more than a panel carries"),
        ("morse", "...", "not 'morse'"),
    ],
)
def test_what_stands_for_no_message_is_told_where_and_what_to_do(
    kind: str, typed: str, words: str
) -> None:
    with pytest.raises(ReplyError) as caught:
        message(kind, typed)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_megabyte_is_fine() -> None:
    assert message("text", "ü" * 500_000) == "ü" * 500_000
    assert message("hex", "00" * 2**20) == bytes(2**20)

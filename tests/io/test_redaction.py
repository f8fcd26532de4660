"""Redaction: a secret the user named is in no line, wherever it stood."""

import json
import random
from typing import Any

import msgspec
import pytest

from wsflow.base.secrets import REDACTED
from wsflow.base.snapshot import snapshot
from wsflow.io import format as lines
from wsflow.io.redaction import Redaction
from wsflow.log.blocks import Known

SECRET = "hunter2-geheim"


@pytest.fixture
def redaction() -> Redaction:
    return Redaction(["password", "X-Pin"])


def field(redaction: Redaction, value: Any) -> bytes:
    """Return what is written of a value, as a row."""
    json, raw = redaction.field(snapshot(value)[0])
    data = None if json is None else msgspec.Raw(json)
    return msgspec.json.encode({"seq": 1, "data": data, "bytes": raw})


def known(**facts: Any) -> Known:
    given = {"path": "/chat/red", "params": {}, "query": {}, "headers": {}} | facts
    return Known(id="s1", peer="1.2.3.4", method="GET", opened=5, **given)


@pytest.mark.parametrize(
    "value",
    [
        {"password": SECRET},
        {"PassWord": SECRET},
        {"a": [{"b": {"password": {"deep": [SECRET]}}}]},
        [{"x-pin": SECRET}],
        json.dumps({"password": SECRET}),
        json.dumps([1, {"a": {"password": [SECRET, SECRET]}}], indent=4),
        "  " + json.dumps({"x-PIN": SECRET}),
        '{"p\\u0061ssword":"' + SECRET + '"}',
        json.dumps({"password": SECRET}).encode(),
        {"message": json.dumps({"password": SECRET})},
        {"message": json.dumps({"inner": json.dumps({"password": SECRET})})},
        {"body": json.dumps({"password": SECRET}).encode()},
        json.dumps(json.dumps({"password": SECRET})),
        f"user=bob&password={SECRET}&x=1",
        f"password: {SECRET}",
        f"ValueError: no such user in {{'password': '{SECRET} two words', 'a': 1}}",
        f'KeyError: \'{{"password": "{SECRET} two words"}}\'',
        'bad text "{\\"password\\": \\"' + SECRET + ' two words\\"}"',
        f"[password={SECRET}]",
        f"POST /?PASSWORD={SECRET}".encode(),
    ],
)
def test_the_secret_is_gone(redaction: Redaction, value: Any) -> None:
    told = field(redaction, value)
    assert b"two words" not in told
    entry = lines.read(lines.write(told[1:-1])[:-1])
    assert SECRET not in repr(entry.value)
    assert REDACTED in repr(entry.value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        "",
        "passwords are nice",
        "the password",
        '{"a": 1.10, "b":  [1,2]}',
        '{"password',
        '{"a": "the password is long"}',
        b"\xff\xfepassword",
        {"passwords": "x", "pass": "y", "my_password": "z"},
        "my_password=x",
        "C:\\temp\\new",
    ],
)
def test_what_is_no_secret_stays_as_it_was(redaction: Redaction, value: Any) -> None:
    told = field(redaction, value)
    entry = lines.read(lines.write(told[1:-1])[:-1])
    assert entry.value == value


def test_json_stays_json_and_keeps_its_other_values(redaction: Redaction) -> None:
    text = json.dumps({"password": {"x": 1}, "ü": [1, 2.5, None, True, 2**70], "b": "c"})
    assert json.loads(redaction.text(text)) == json.loads(text) | {"password": REDACTED}


def test_without_names_nothing_is_looked_at() -> None:
    assert SECRET in json.loads(field(Redaction(), f"password={SECRET}"))["data"]


def test_an_empty_name_takes_nothing_out() -> None:
    assert Redaction([""]).text("a=b") == "a=b"


def test_a_name_is_a_name_and_no_pattern() -> None:
    redaction = Redaction([".*", "a|b", "x("])
    assert redaction.text("password=1 a|b=2 x(=3") == f"password=1 a|b={REDACTED} x(={REDACTED}"


def test_the_header_names_all_that_was_looked_for(redaction: Redaction) -> None:
    assert {"password", "x-pin", "authorization", "cookie", "token"} <= set(redaction.names)
    assert redaction.names == sorted(redaction.names)


def test_a_handshake_loses_them_in_query_params_headers_and_path(redaction: Redaction) -> None:
    facts = redaction.facts(
        known(
            path=f"/login/bob/{SECRET}",
            params={"user": "bob", "password": SECRET},
            query={"password": [SECRET, SECRET], "a": "1"},
            headers={"x-pin": SECRET, "host": "here"},
        )
    )
    assert SECRET not in repr(facts)
    assert facts["path"] == f"/login/bob/{REDACTED}"
    assert facts["params"]["user"] == "bob"
    assert (facts["query"]["a"], facts["headers"]["host"]) == ("1", "here")


@pytest.mark.parametrize("name", ["id", "path", "peer", "headers", "query", "params", "time"])
def test_a_name_never_takes_out_what_a_handshake_is_made_of(name: str) -> None:
    facts = Redaction([name]).facts(known(query={"a": "1"}, params={"b": "2"}))
    assert facts == Redaction().facts(known(query={"a": "1"}, params={"b": "2"}))


def test_a_value_too_deep_to_look_through_does_not_raise(redaction: Redaction) -> None:
    deep = "[" * 900 + '{"password":1}' + "]" * 900
    redaction.text(deep)
    redaction.field(deep)


def test_it_takes_no_longer_than_the_text_is_long(redaction: Redaction) -> None:
    dice = random.Random(1)
    for _ in range(50):
        piece = "".join(
            dice.choices(['"', "'", "\\", "password", "=", ":", " ", "{", "a"], k=4_000)
        )
        redaction.text(piece * 10)


def test_bytes_are_written_as_base64(redaction: Redaction) -> None:
    assert json.loads(field(redaction, b"\x00"))["bytes"] == "AA=="

"""What does not matter: parts of JSON, times and ids; everything else does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wsflow.compare.answer import HttpAnswer
from wsflow.compare.rules import NO_RULES, Rules


@pytest.mark.parametrize(
    ("ignore", "old", "new"),
    [
        (("id",), {"id": 1, "a": 2}, {"id": 9, "a": 2}),
        (("id",), {"u": [{"id": 1}]}, {"u": [{"id": 2}]}),
        (("id",), {"a": 2}, {"a": 2, "id": 5}),
        (("$.user.id",), {"user": {"id": 1}, "id": 3}, {"user": {"id": 2}, "id": 3}),
        (("$.items[*].at",), {"items": [{"at": 1}, {"at": 2}]}, {"items": [{"at": 3}, {"at": 4}]}),
        (("$.items[1].at",), {"items": [{"at": 1}, {"at": 2}]}, {"items": [{"at": 1}, {"at": 4}]}),
        (("$.pair[0]",), {"pair": [1, 2]}, {"pair": [3, 2]}),
        (("$[*].id",), [{"id": 1}], [{"id": 2}]),
        (("$",), {"a": 1}, {"a": 1}),
    ],
)
def test_ignored_parts_of_json_do_not_matter(ignore: tuple[str, ...], old: Any, new: Any) -> None:
    rules = Rules(ignore=ignore)
    assert rules.normal(json.dumps(old)) == rules.normal(json.dumps(new))


@pytest.mark.parametrize(
    ("ignore", "old", "new"),
    [
        (("$.user.id",), {"id": 1}, {"id": 2}),
        (("$.items[1].at",), {"items": [{"at": 1}]}, {"items": [{"at": 4}]}),
        (("id",), {"id": 1, "a": 2}, {"id": 1, "a": 3}),
        (("id",), "text with id 1", "text with id 2"),
        (("id",), '{"id": 1', '{"id": 2'),
        (("id",), [1, True], [1, 1]),
    ],
)
def test_other_parts_still_do(ignore: tuple[str, ...], old: Any, new: Any) -> None:
    rules = Rules(ignore=ignore)
    texts = [one if isinstance(one, str) else json.dumps(one) for one in (old, new)]
    assert rules.normal(texts[0]) != rules.normal(texts[1])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("at 2026-01-02T03:04:05Z", "at 2026-11-12T13:14:15.678+01:00"),
        ("at 12:00:01", "at 23:59:59.5"),
        ('{"at":"2026-01-02 03:04"}', '{"at":"2027-01-02 03:05"}'),
    ],
)
def test_times_can_be_told_to_be_equal(old: str, new: str) -> None:
    for rules in (NO_RULES, Rules(ids=True)):
        assert rules.normal(old) != rules.normal(new)
    rules = Rules(times=True)
    assert rules.normal(old) == rules.normal(new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("9b2c3d4e-0000-4000-8000-0123456789ab", "11111111-2222-4333-8444-555555555555"),
        ("hello s12-4f2a", "hello s7-00ff"),
        ("0123456789abcdef0123", "fedcba98765432100123"),
    ],
)
def test_ids_can_be_told_to_be_equal(old: str, new: str) -> None:
    for rules in (NO_RULES, Rules(times=True)):
        assert rules.normal(old) != rules.normal(new)
    rules = Rules(ids=True)
    assert rules.normal(old) == rules.normal(new)


def test_rules_leave_bytes_alone() -> None:
    rules = Rules(ignore=("id",), times=True, ids=True)
    assert rules.normal(b"12:00:01") == b"12:00:01"


def test_json_nested_too_deep_is_compared_as_text() -> None:
    deep = "[" * 100_000
    assert Rules(ignore=("id",)).normal(deep) == deep


def test_of_an_http_answer_only_the_body_is_normal() -> None:
    rules = Rules(ignore=("id",), times=True)
    answer = HttpAnswer(200, "12:00:01", '{"id": 1, "at": "12:00:01"}')
    assert rules.normal(answer) == HttpAnswer(200, "12:00:01", '{"at": "<time>"}')


def test_only_what_changes_bodies_makes_rules_other_than_plain() -> None:
    assert NO_RULES.plain
    assert Rules(any_order=True, late=1.0).plain
    assert not any(rules.plain for rules in (Rules(("id",)), Rules(times=True), Rules(ids=True)))

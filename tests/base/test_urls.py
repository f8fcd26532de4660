"""Route patterns: what they match, which one wins, which are refused; and queries as events
carry them.
"""

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsflow import PathError
from wsflow.base.urls import MAX_FIELDS, PathTable, PathTemplate, parse_query
from wsflow.types import Query

SEGMENT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def table(*patterns: str) -> PathTable[str]:
    made: PathTable[str] = PathTable()
    for pattern in patterns:
        made.add(PathTemplate(pattern), pattern)
    return made


@pytest.mark.parametrize(
    ("pattern", "path", "params"),
    [
        ("/", "/", {}),
        ("/chat", "/chat", {}),
        ("/chat/{room}", "/chat/red", {"room": "red"}),
        ("/chat/:room", "/chat/red", {"room": "red"}),
        ("/{a}/x/:b", "/1/x/2", {"a": "1", "b": "2"}),
        ("/chat/{room}", "/chat/r%C3%B6t", {"room": "röt"}),
        ("/chat/{room}", "/chat/a%2Fb", {"room": "a/b"}),
        ("/chat/{room}", "/chat/%7Broom%7D", {"room": "{room}"}),
        ("/chat/{room}", "/chat/:room", {"room": ":room"}),
        ("/café", "/caf%C3%A9", {}),
        ("/caf%C3%A9", "/caf%C3%A9", {}),
        ("/a b", "/a%20b", {}),
        ("/a+b", "/a+b", {}),
        ("/a.b(c)", "/a.b(c)", {}),
        ("/chat/", "/chat/", {}),
    ],
)
def test_a_pattern_finds_its_paths(pattern: str, path: str, params: dict[str, str]) -> None:
    assert table(pattern).find(path) == (pattern, params)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/chat", "/"),
        ("/chat", "/chat/"),
        ("/chat/", "/chat"),
        ("/chat", "/Chat"),
        ("/chat", "/chatter"),
        ("/chat/{room}", "/chat"),
        ("/chat/{room}", "/chat/"),
        ("/chat/{room}", "/chat/a/b"),
        ("/a.b", "/axb"),
        ("/a", ""),
        ("/a", "a"),
        ("/a/b", "/a%2Fb"),
    ],
)
def test_a_pattern_does_not_find_other_paths(pattern: str, path: str) -> None:
    assert table(pattern).find(path) is None


@given(SEGMENT)
def test_any_text_comes_through_a_path_unchanged(text: str) -> None:
    found = table("/a/{text}/b").find(f"/a/{quote(text, safe='')}/b")
    assert found == ("/a/{text}/b", {"text": text})


@given(st.lists(SEGMENT, min_size=1, max_size=5))
def test_any_literal_path_finds_itself(segments: list[str]) -> None:
    path = "/" + "/".join(quote(segment, safe="") for segment in segments)
    assert table(path).find(path) == (path, {})


@given(st.binary(max_size=50))
def test_no_bytes_in_a_path_can_raise(raw: bytes) -> None:
    table("/a/{x}", "/a").find("/" + raw.decode("latin1"))


def test_a_literal_segment_wins_over_a_parameter() -> None:
    routes = table("/chat/{room}", "/chat/lobby", "/{any}/lobby")
    assert routes.find("/chat/lobby") == ("/chat/lobby", {})
    assert routes.find("/chat/red") == ("/chat/{room}", {"room": "red"})
    assert routes.find("/other/lobby") == ("/{any}/lobby", {"any": "other"})


@pytest.mark.parametrize("order", [("/a/{x}", "/{y}/b"), ("/{y}/b", "/a/{x}")])
def test_the_leftmost_literal_decides_whatever_the_order(order: tuple[str, str]) -> None:
    assert table(*order).find("/a/b") == ("/a/{x}", {"x": "b"})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/a", "/a"),
        ("/a/{x}", "/a/{x}"),
        ("/a/{x}", "/a/:y"),
        ("/a/:x", "/a/:y"),
        ("/caf%C3%A9", "/café"),
    ],
)
def test_patterns_that_match_the_same_paths_can_not_both_be_there(first: str, second: str) -> None:
    with pytest.raises(PathError, match=rf"path {second!r} is taken by {first!r}"):
        table(first, second)


def test_a_removed_pattern_is_not_found_and_free_again() -> None:
    routes = table("/a/{x}", "/b")
    routes.remove(PathTemplate("/a/{x}"))
    routes.remove(PathTemplate("/a/{x}"))
    assert routes.find("/a/1") is None
    routes.add(PathTemplate("/a/:y"), "again")
    assert routes.find("/a/1") == ("again", {"y": "1"})


def test_the_pattern_that_matches_the_same_paths_is_found() -> None:
    routes = table("/a/{x}", "/a/b")
    assert routes.same(PathTemplate("/a/:y")) == "/a/{x}"
    assert routes.same(PathTemplate("/a/b")) == "/a/b"
    assert routes.same(PathTemplate("/{a}/b")) is None


def test_patterns_are_given_as_they_were_written() -> None:
    assert table("/b/:x", "/a/{y}").patterns() == ["/b/:x", "/a/{y}"]


@pytest.mark.parametrize("pattern", ["", "chat", "chat/{room}", " /chat", "ws://x/chat"])
def test_a_pattern_begins_with_a_slash(pattern: str) -> None:
    with pytest.raises(PathError, match="must begin with '/'"):
        PathTemplate(pattern)


@pytest.mark.parametrize("pattern", ["/a?b", "/a#b", "/*", "/a/.*", "/a\n", "/\x00", "/a\u200b"])
def test_a_pattern_has_no_query_wildcard_or_control_character(pattern: str) -> None:
    with pytest.raises(PathError, match="may not contain"):
        PathTemplate(pattern)


@pytest.mark.parametrize("pattern", ["/x{id}", "/{id}x", "/a{b}c", "/{", "/}", "/{a}.json"])
def test_a_parameter_takes_a_whole_segment(pattern: str) -> None:
    with pytest.raises(PathError, match="takes a whole segment"):
        PathTemplate(pattern)


@pytest.mark.parametrize("pattern", ["/{}", "/:", "/{1a}", "/:a-b", "/{a:int}", "/{a}{b}", "/:a.b"])
def test_a_parameter_has_a_name(pattern: str) -> None:
    with pytest.raises(PathError, match="is no parameter name"):
        PathTemplate(pattern)


def test_a_parameter_is_named_once() -> None:
    with pytest.raises(PathError, match="names 'x' twice"):
        PathTemplate("/{x}/:x")


@pytest.mark.parametrize("pattern", [5, None, b"/x"])
def test_a_pattern_is_text(pattern: Any) -> None:
    with pytest.raises(PathError, match=r"must begin with '/', as in '/chat/\{room\}'"):
        PathTemplate(pattern)


# ---- queries


@pytest.mark.parametrize(
    ("raw", "query"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2", {"a": ["1", "2"]}),
        ("a=2&b=x&a=1", {"a": ["2", "1"], "b": "x"}),
        ("a=", {"a": ""}),
        ("a", {"a": ""}),
        ("a=&a=", {"a": ["", ""]}),
        ("a=%C3%BC+b%20c", {"a": "ü b c"}),
        ("%C3%BC=1", {"ü": "1"}),
        ("a=1;b=2", {"a": "1;b=2"}),
        ("a=b=c", {"a": "b=c"}),
        ("&&a=1&", {"a": "1"}),
        ("a=%zz", {"a": "%zz"}),
    ],
)
def test_one_value_is_a_text_and_a_repeated_one_a_list(raw: str, query: Query) -> None:
    assert parse_query(raw) == query


def test_a_thousand_fields_are_read_and_more_are_refused() -> None:
    assert len(parse_query("a=1&" * (MAX_FIELDS - 1) + "a=1")["a"]) == MAX_FIELDS
    with pytest.raises(ValueError, match="more than 1000 fields"):
        parse_query("a=1&" * MAX_FIELDS + "a=1")


@given(st.binary(max_size=200))
def test_no_bytes_in_a_query_can_raise(raw: bytes) -> None:
    parse_query(raw.decode("latin1"))

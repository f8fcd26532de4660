"""What a verdict says about single answers."""

from __future__ import annotations

import pytest

from wsflow.compare.answer import Answer, Pair
from wsflow.course.verdict import Verdict, _crossed, _kind, cited


def pair(session: str, old: object = None, new: object = None, t: float = 1.0) -> Pair:
    status = "changed" if old and new else "missing" if old else "extra"
    return Pair(
        session,
        status,  # type: ignore[arg-type]
        Answer(t, old) if old else None,
        Answer(t, new) if new else None,
    )


def test_an_answer_that_another_got_at_that_moment_went_astray() -> None:
    owner, finder = pair("s1", old="hi"), pair("s2", new="hi")
    assert _crossed([owner, finder]) == ([(owner, finder)], [])


def test_two_that_got_each_others_answers_are_two_astray() -> None:
    first, second = pair("s1", "a", "b"), pair("s2", "b", "a")
    astray, rest = _crossed([first, second])
    assert len(astray) == 2
    assert rest == []


def test_the_same_words_at_another_moment_are_chance() -> None:
    owner, finder = pair("s1", old="hi"), pair("s2", new="hi", t=1.5)
    assert _crossed([owner, finder]) == ([], [owner, finder])


def test_what_is_wrong_besides_is_kept() -> None:
    owner, finder = pair("s1", old="hi"), pair("s2", "mine", "hi")
    _, rest = _crossed([owner, finder])
    assert [(one.session, one.status) for one in rest] == [("s2", "missing")]


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ('{"a": 1}', "{'a': 1}", "dict's repr"),
        ("hi", '"hi"', "JSON of a text"),
        ("hi", b"hi", "One is text, the other bytes"),
        ("hi", "ho", ""),
    ],
)
def test_the_kind_of_a_body_is_named_where_it_is_the_mistake(
    old: object, new: object, hint: str
) -> None:
    assert hint in _kind(old, new)


def test_client_text_is_cited_as_text() -> None:
    assert cited("hi") == "'hi'"
    assert cited('{"a":1}') == '{"a": 1}'
    assert cited(b"\x00") == "b'\\x00'"
    verdict = Verdict("x", "<b>", ("Ada sent '<img src=x>\x1b'",))
    assert "<img" not in verdict._repr_html_()
    assert "\x1b" not in repr(verdict)

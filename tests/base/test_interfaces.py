"""What towers hand each other: requests, refusals, and what a Close frame may carry."""

from typing import Any

import pytest

from wsflow import ReplyError
from wsflow.base.interfaces import GUARDS, Refusal, Reply, Request, check_close, guarded


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999])
def test_a_close_frame_carries_code_and_reason_as_they_were_given(code: int) -> None:
    assert check_close(code, "é" * 61) == (code, "é" * 61)


@pytest.mark.parametrize("code", [999, 1004, 1005, 1006, 1015, 2999, 5000, True, "1000", None])
def test_a_code_an_application_may_not_send_is_refused(code: Any) -> None:
    with pytest.raises(ReplyError, match="may not be sent"):
        check_close(code, "")


@pytest.mark.parametrize("reason", ["x" * 124, "é" * 62, "\ud800", b"bytes", None])
def test_a_reason_that_does_not_fit_is_refused(reason: Any) -> None:
    with pytest.raises(ReplyError, match="at most 123 bytes"):
        check_close(1000, reason)


def test_repeats_of_a_header_are_joined_and_an_absent_one_is_none() -> None:
    asked = Request("GET", "/", "", (("x-a", "1"), ("x-b", "2"), ("x-a", "3")), "")
    assert (asked.header("x-a"), asked.header("x-c")) == ("1, 3", None)


def test_a_refusal_is_plain_text_unless_it_names_another_kind() -> None:
    allow, json = ("allow", "GET"), ("content-type", "application/json")
    plain = ("content-type", "text/plain; charset=utf-8")
    expected = Reply(405, (plain, allow, *GUARDS), "grün".encode())
    assert Refusal(405, "grün", (allow,)).reply() == expected
    expected = Reply(422, (json, allow, *GUARDS), b"{}")
    assert Refusal(422, "{}", (json, allow)).reply() == expected


def test_p19_answers_are_guarded_unless_their_author_says_otherwise() -> None:
    """Found A8: a text that parses as JavaScript was readable by a page of another site."""
    mine = ("x-content-type-options", "")
    assert guarded(Reply(200, (), b"")).headers == GUARDS
    assert guarded(Reply(200, (mine,), b"")).headers == (mine, GUARDS[1])
    whole = Reply(200, GUARDS, b"")
    assert guarded(whole) is whole

"""What came of a crowd, as it is shown: text of a recording stays text."""

from __future__ import annotations

from tests.replay.visits import Visits
from wsflow import Flow
from wsflow.replay.crowd import ghosts
from wsflow.replay.crowd_report import CrowdReport, Ghost, Visit


async def test_how_it_looks(flow: Flow, script: Visits) -> None:
    flow.websocket("/").message >> flow.node(lambda ev, ctx: 1 / 0, name="<b>")
    script.opened("a").says(1.0, "a", "x").leaves(2.0, "a", 1001, "going")
    crowd = ghosts(script.recording(), 4, faults={"slow": 1.0})
    report = await crowd.run(flow)
    assert repr(crowd) == "<Ghosts 4 of made seed=7 slow=1>"
    frame = report.frame()
    assert list(frame["code"]) == [1000] * 4, "1001 is not a client's to say"
    assert list(frame["faults"]) == ["slow"] * 4
    assert frame["sent"].sum() == report.sent == 4
    page = report._repr_html_()
    assert "4 of 4" in page
    assert "<b>" not in page
    assert repr(report).splitlines()[0].startswith("<CrowdReport 4 of 4 ghosts of made came in")


def test_what_a_recording_says_is_text_in_every_face_of_the_frame() -> None:
    mark = "<img src=x onerror=alert(1)>"
    ghost = Ghost(
        number=0,
        session=mark,
        path=mark,
        query=(),
        headers=(),
        arrives=0.0,
        steps=(),
        leaves=1.0,
        code=1000,
        reason=mark,
    )
    report = CrowdReport("hello", [Visit(ghost, code=1000, reason=mark)])
    for page in (report.frame().style.to_html(), report.frame().to_html()):
        assert "<img" not in page

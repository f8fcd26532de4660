"""The log as a picture: what is on it, that it shows on any page, and what is said without one."""

import re
import subprocess
import sys
from typing import Any

import pytest
from matplotlib.colors import to_hex

import wsflow.log.plot
from tests.jupyter.kernel import Kernel
from tests.log.test_metrics import Told
from wsflow import Flow, WsflowError
from wsflow.errors import MissingPackageError
from wsflow.log.metrics import Series, rates
from wsflow.log.plot import busiest, picture, step_text, time_text, with_matplotlib

NODES = "abcdefgh"


def story() -> Series:
    """Return the numbers of ten seconds in which everything happened that can."""
    rows = []
    for at in range(100):
        second = at / 10
        rows += [
            Told(second, "message", seq=4 * at + 1, scope=at, session=f"s{at % 3}"),
            Told(
                second + 0.05,
                "response",
                seq=4 * at + 2,
                scope=at,
                cause=4 * at + 1,
                node=NODES[at % len(NODES)],
                session=f"s{at % 3}",
            ),
            Told(second + 0.05, "error" if at % 7 else "drop", seq=4 * at + 3),
        ]
    return rates([*rows, Told(10, "close", session="s1")], step=1.0)


def labels(figure: Any) -> list[str]:
    return [ax.get_ylabel() for ax in figure.axes]


async def test_a_log_shows_itself_as_a_picture(flow: Flow) -> None:
    flow.websocket("/").message >> flow.node(
        lambda ev, ctx: ctx.emit("response", {"body": "x"}), name="shout"
    )
    async with flow.client("/") as alice:
        await alice.send("hello")
        await alice.receive()
    figure = flow.log.plot(step=1.0)
    assert labels(figure) == ["messages a second", "handler time, ms", "errors in 1 s", "open"]
    assert re.fullmatch(
        r"time on \d{4}-\d\d-\d\d, UTC \(a point is 1 s\)", figure.axes[3].get_xlabel()
    )
    assert figure.axes[0].get_title(loc="left") == "4 rows of the log"
    data, size = figure._repr_png_()
    assert data.startswith(b"\x89PNG")
    assert size == {"width": 900, "height": 720}


def test_the_lines_are_the_numbers() -> None:
    series = story()
    figure: Any = with_matplotlib(series, "story")
    traffic, times, trouble, presence = figure.axes
    lines = {str(line.get_label()): list(line.get_ydata()) for line in traffic.lines}
    assert lines == {"in": series.received, "out": series.sent}
    drawn = [line for line in times.lines if len(line.get_ydata()) > 0]
    assert len(drawn) == 2 * len(wsflow.log.plot.HUES)
    assert "and 2 more" in [text.get_text() for text in times.get_legend().get_texts()]
    heights = [bar.get_height() for bar in trouble.patches]
    assert heights == series.errors + series.dropped
    (sessions, *_) = presence.lines
    assert list(sessions.get_ydata()) == series.sessions


def test_it_has_no_ground_of_its_own_and_no_black_text() -> None:
    figure = with_matplotlib(story(), "story")
    figure.draw_without_rendering()
    assert figure.patch.get_alpha() == 0
    for ax in figure.axes:
        assert ax.patch.get_alpha() == 0
        texts = [*ax.get_xticklabels(which="both"), *ax.get_yticklabels(which="both")]
        texts += [ax.xaxis.label, ax.yaxis.label, ax.title]
        legend = ax.get_legend()
        texts += legend.get_texts() if legend else []
        shown = {to_hex(text.get_color()) for text in texts if text.get_text()}
        assert shown <= {wsflow.log.plot.GREY}


@pytest.mark.parametrize(
    "rows",
    [
        [Told(0, "mark")],
        [Told(0, "message"), Told(86_400 * 3, "message")],
        [Told(0, "message", seq=1), Told(0, "response", seq=2, cause=1, node="$bad_{tex")],
        [Told(0, "error"), Told(400, "error")],
    ],
)
def test_whatever_happened_can_be_drawn(rows: list[Told]) -> None:
    figure: Any = with_matplotlib(rates(rows), "rows")
    assert figure._repr_png_()[0]


def test_an_empty_log_says_what_to_do(flow: Flow) -> None:
    with pytest.raises(WsflowError, match=r"nothing to plot: .*Send something first"):
        flow.log.plot()


async def test_only_the_time_asked_for_is_drawn(flow: Flow) -> None:
    await flow.start()
    flow.log._store.tell(flow._host.place("mark", "", ""), 0, 0, 0, "now", 3)
    assert flow.log.plot(since="2020-01-01").axes
    with pytest.raises(WsflowError, match="nothing to plot"):
        flow.log.plot(until="2020-01-01")


def test_where_there_is_no_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsflow.log.plot, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"pip install 'wsflow\[plots\]'"):
        picture(story(), "story")


def test_the_nodes_drawn_are_those_that_were_at_work_most() -> None:
    rows = [
        Told(
            at, "response", seq=at, cause=100 + at, node=f"n{at % 10 if at < 50 else 3}", elapsed=1
        )
        for at in range(99)
    ]
    names = busiest(rates(rows, step=1.0))
    assert names[0] == "n3"
    assert len(names) == len(wsflow.log.plot.HUES)


@pytest.mark.parametrize(
    ("step", "text"),
    [(0.1, "100 ms"), (1, "1 s"), (90, "90 s"), (300, "5 min"), (7200, "2 h")],
)
def test_a_step_is_said_in_words(step: float, text: str) -> None:
    assert step_text(step) == text
    assert time_text(rates([Told(0, "mark")], step)).endswith(f"(a point is {text})")


def test_a_picture_needs_no_pyplot() -> None:
    code = """if True:
        import sys
        from tests.log.test_plot import story
        from wsflow.log.plot import with_matplotlib
        with_matplotlib(story(), "story")._repr_png_()
        print("matplotlib.pyplot" in sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=55)
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.kernel
@pytest.mark.timeout(120)
async def test_a_cell_that_ends_with_it_shows_one_picture_with_pyplot_or_without() -> None:
    async with Kernel("newest") as kernel:
        await kernel.run("from wsflow import Flow\nflow = Flow('chat')\nc = flow.websocket('/')")
        await kernel.run("async with flow.client('/') as alice: await alice.send('x')")
        for first in ("", "import matplotlib.pyplot\n"):
            cell = await kernel.run(f"{first}flow.log.plot()")
            assert "image/png" in cell.result
            assert cell.shown == []
            assert cell.printed == ""

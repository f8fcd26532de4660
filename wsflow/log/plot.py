"""The log as a picture: what came and went, how long handlers took, what failed, who was there.

Drawn with matplotlib, which is loaded on first use.
On a light page and on a dark one alike: no ground of its own, grey text, colours that show on both.
"""

from __future__ import annotations

import datetime
import math
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any

from ..errors import MissingPackageError, WsflowError
from .metrics import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GREY = "#808080"
BLUE, ORANGE, RED, GREEN = "#3d8fd1", "#e08a2e", "#dc4e41", "#3a9d6e"
HUES = (BLUE, ORANGE, GREEN, "#9a76d6", "#c2649f", "#8c8c3e")
"""One a node."""

SHARES = (3, 3, 1.6, 2)
"""Heights of the four rows, as parts."""

TIMES = (
    (10, "%H:%M:%S.%f"),
    (300, "%H:%M:%S"),
    (86_400, "%H:%M"),
    (math.inf, "%b %d, %H:%M"),
)
"""How times are written, for spans below so many seconds."""

SCREEN = 100
"""Dots an inch of a screen; pictures have twice as many and are shown at half their size."""


def picture(series: Series, title: str) -> Figure:
    """Return a figure of matplotlib.

    Raises:
        WsflowError: there is nothing to draw.
        MissingPackageError: matplotlib is not installed.
    """
    if not len(series):
        raise WsflowError(
            "there is nothing to plot: the log is empty. Send something first, as in "
            "`await flow.client('/chat').send('hello')`"
        )
    if find_spec("matplotlib") is None:
        raise MissingPackageError("flow.log.plot()", "plots")
    return with_matplotlib(series, title)


def busiest(series: Series) -> list[str]:
    """Return the nodes to draw, those first whose handlers ended in most steps."""

    def ended(node: str) -> int:
        return sum(one is not None for one in series.median[node])

    return sorted(series.median, key=ended, reverse=True)[: len(HUES)]


def per_second(counts: list[int], step: float) -> list[float]:
    """Return counts a step as counts a second."""
    return [count / step for count in counts]


def step_text(step: float) -> str:
    """Return the length of a step in words: `1 s`, `5 min`."""
    for size, unit in ((3600, "h"), (60, "min"), (1, "s")):
        if step >= size and step % size == 0:
            return f"{step / size:g} {unit}"
    return f"{step * 1000:g} ms" if step < 1 else f"{step:g} s"


def time_text(series: Series) -> str:
    """Return what stands at the time axis."""
    day = moments(series)[0].date()
    return f"time on {day}, UTC (a point is {step_text(series.step)})"


def moments(series: Series, shift: float = 0.5) -> list[datetime.datetime]:
    """Return the middle of each step (or its end, `shift=1`) in UTC, as plain datetimes."""
    utc = datetime.UTC
    return [
        datetime.datetime.fromtimestamp(time + shift * series.step, utc).replace(tzinfo=None)
        for time in series.times()
    ]


# ---- matplotlib


def days(series: Series, shift: float = 0.5) -> list[float]:
    """Return the middle of each step (or its end, `shift=1`) as matplotlib writes dates."""
    return [(time + shift * series.step) / 86_400 for time in series.times()]


def with_matplotlib(series: Series, title: str) -> Figure:
    """Return the picture as a `matplotlib.figure.Figure`; a notebook shows it."""
    from matplotlib.figure import Figure

    class Picture(Figure):
        """A figure that shows itself, whether or not pyplot was ever imported."""

        def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
            stream = BytesIO()
            self.savefig(stream, format="png", dpi=2 * SCREEN)
            width, height = (round(inches * SCREEN) for inches in self.get_size_inches())
            return stream.getvalue(), {"width": width, "height": height}

    figure = Picture(figsize=(9, 7.2), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots(4, 1, sharex=True, gridspec_kw={"height_ratios": SHARES})
    for ax in axes:
        _dress(ax)
    _traffic(axes[0], series)
    _times(axes[1], series)
    _trouble(axes[2], series)
    _presence(axes[3], series)
    axes[0].set_title(title, color=GREY, fontsize=11, loc="left")
    _time_axis(axes[3], series)
    figure.align_ylabels(axes)
    return figure


def _dress(ax: Axes) -> None:
    """Make axes that show on a light and on a dark page."""
    ax.patch.set_alpha(0)
    ax.tick_params(which="both", colors=GREY, labelsize=8)
    ax.grid(visible=True, axis="y", color=GREY, alpha=0.25, linewidth=0.6)
    ax.set_axisbelow(True)
    for side, spine in ax.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(GREY)


def _label(ax: Axes, text: str, *, legend: bool = True) -> None:
    ax.set_ylabel(text, color=GREY, fontsize=9)
    if legend:
        ax.legend(
            loc="upper left",
            bbox_to_anchor=(1.0, 1.02),
            frameon=False,
            fontsize=8,
            labelcolor=GREY,
            borderaxespad=0.4,
        )


def _traffic(ax: Axes, series: Series) -> None:
    at = days(series)
    for values, hue, name, width in (
        (series.received, BLUE, "in", 2.6),  # seen behind the other when they are the same
        (series.sent, ORANGE, "out", 1.4),
    ):
        rate = per_second(values, series.step)
        ax.plot(at, rate, color=hue, linewidth=width, label=name)
        ax.fill_between(at, rate, color=hue, alpha=0.12, linewidth=0)
    ax.set_ylim(bottom=0)
    _label(ax, "messages a second")


def _times(ax: Axes, series: Series) -> None:
    at, seen = days(series), list[float]()
    for node, hue in zip(busiest(series), HUES, strict=False):
        for values, style, name in (
            (series.median[node], "-", f"{node:.24}"),
            (series.slow[node], ":", None),
        ):
            ms = [math.nan if one is None else max(one * 1000, 0.001) for one in values]
            seen += [one for one in ms if not math.isnan(one)]
            ax.plot(
                at, ms, style, color=hue, linewidth=1.4, label=name, marker=_dot(ms), markersize=3
            )
    if not series.median:
        _say(ax, "no handler has answered or routed anything")
    else:
        ax.set_yscale("log")
        low, high = math.floor(math.log10(min(seen))), math.ceil(math.log10(max(seen)))
        ax.set_ylim(10.0**low, 10.0 ** max(high, low + 1))  # whole decades have labels
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.yaxis.set_minor_formatter("")
        ax.plot([], [], ":", color=GREY, label="slowest in 20")
    left_out = len(series.median) - len(HUES)
    if left_out > 0:
        ax.plot([], [], " ", label=f"and {left_out} more")
    _label(ax, "handler time, ms", legend=bool(series.median))


def _trouble(ax: Axes, series: Series) -> None:
    width = series.step * 0.9 / 86_400
    at = days(series)
    ax.bar(at, series.errors, width=width, color=RED, label="errors")
    ax.bar(at, series.dropped, width=width, bottom=series.errors, color=HUES[3], label="dropped")
    if not any(series.errors) and not any(series.dropped):
        _say(ax, "none")
        ax.set_ylim(0, 1)
    _whole(ax)
    _label(ax, f"errors in {step_text(series.step)}")


def _presence(ax: Axes, series: Series) -> None:
    at = days(series, 1.0)
    ax.step(at, series.sessions, where="post", color=GREEN, linewidth=1.6, label="sessions open")
    if any(series.unanswered):
        ax.step(
            at, series.unanswered, where="post", color=ORANGE, linewidth=1.4, label="unanswered"
        )
    ax.set_ylim(bottom=0)
    _whole(ax)
    _label(ax, "open")


def _whole(ax: Axes) -> None:
    """Count in whole numbers."""
    from matplotlib.ticker import MaxNLocator

    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))


def _say(ax: Axes, text: str) -> None:
    ax.text(
        0.5, 0.5, text, color=GREY, fontsize=8, ha="center", va="center", transform=ax.transAxes
    )


def _dot(values: list[float]) -> str:
    """Return the marker for values: a dot where a line would show nothing or little."""
    return "o" if sum(not math.isnan(one) for one in values) <= 30 else ""


def _time_axis(ax: Axes, series: Series) -> None:
    from matplotlib import dates

    make: Any = dates  # its classes are untyped
    first, last = days(series, 0.0)[0], days(series, 1.0)[-1]
    span = (last - first) * 86_400
    form = next(form for most, form in TIMES if span < most)
    ax.xaxis.set_major_locator(make.AutoDateLocator(minticks=3, maxticks=8 if span < 10 else 14))
    ax.xaxis.set_major_formatter(
        lambda at, _: make.num2date(at).strftime(form).removesuffix("0000")
    )
    ax.set_xlim(first, last)
    ax.set_xlabel(time_text(series), color=GREY, fontsize=9)

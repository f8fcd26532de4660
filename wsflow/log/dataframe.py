"""A pandas DataFrame for what clients wrote: text in every face it has, never markup."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler


class Frame(pd.DataFrame):
    """A DataFrame whose Styler, too, shows what clients wrote as text, not as markup (P22).

    pandas escapes cells only in a frame's own HTML; a Styler's `format()` has to be told again.
    """

    @property
    def _constructor(self) -> type[Frame]:
        return Frame

    @property
    def style(self) -> Styler:
        """Show it with pandas' Styler (needs jinja2)."""
        styler: Styler = super().style.format(_cell)
        for axis in (0, 1):
            styler.format_index(_cell, axis=axis)
        return styler


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.{pd.get_option('styler.format.precision')}f}"
    return html.escape(str(value))

"""The log as a DataFrame, and as a file: columns, dtypes, filters, and text that stays text."""

from __future__ import annotations

import csv
import datetime
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.log.logged import EVIL, know, put
from wsflow import Flow
from wsflow.log.log import Log
from wsflow.log.store import Store

DTYPES = {
    "seq": "int64",
    "time": "datetime64[ns, UTC]",
    "scope": "int64",
    "cause": "Int64",
    "kind": "category",
    "node": "category",
    "port": "category",
    "session": "category",
    "path": "category",
    "data": "object",
    "size": "int64",
    "elapsed": "float64",
    "error": "object",
}


COLUMNS = tuple(DTYPES)


def test_a_frame_has_the_documented_columns(story: Store, log: Log) -> None:
    assert tuple(log.frame().columns) == COLUMNS
    assert len(log.frame()) == 6


@pytest.mark.parametrize("data", [[], ["a"], ["a", None], [None], [1, 2], [1.5], [b"x"], [[1]]])
def test_dtypes_do_not_depend_on_what_travelled(store: Store, log: Log, data: list[Any]) -> None:
    for one in data:
        put(store, data=one)
    assert {name: str(dtype) for name, dtype in log.frame().dtypes.items()} == DTYPES


def test_dtypes_do_not_depend_on_how_many_rows_failed(store: Store, log: Log) -> None:
    put(store, error="ValueError: no", elapsed=1.0)
    assert {name: str(dtype) for name, dtype in log.frame().dtypes.items()} == DTYPES


def test_a_frame_gives_values_as_they_were(story: Store, log: Log) -> None:
    frame = log.frame()
    assert list(frame["data"]) == [None, "hi", {"n": 1}, "HI", b"\x00", None]
    assert list(frame["seq"]) == [1, 2, 3, 4, 5, 6]
    assert list(frame["session"]) == ["s1", "s1", "s1", "s1", "s2", "s2"]
    assert list(frame["path"]) == ["/red"] * 4 + ["/blue"] * 2
    assert list(frame["cause"].isna()) == [True, True, False, False, True, False]
    assert frame["elapsed"][3] == 0.25
    assert np.isnan(frame["elapsed"][0])
    assert list(frame["error"]) == [None] * 5 + ["ValueError: no"]
    assert frame["time"][0] == pd.Timestamp(1, unit="s", tz="UTC")


def test_data_that_are_lists_stay_lists(store: Store, log: Log) -> None:
    put(store, data=[1, 2])
    put(store, data=[3, 4])
    assert list(log.frame()["data"]) == [[1, 2], [3, 4]]


def test_a_frame_over_many_blocks_is_one_frame(store: Store, log: Log) -> None:
    know(store, 1)
    for n in range(3_000):
        put(store, data=n, session=n % 2, error="odd" if n % 2 else None)
    frame = log.frame()
    assert list(frame["data"]) == list(range(3_000))
    assert frame["session"].notna().sum() == 1_500
    assert frame["error"].notna().sum() == 1_500


def test_a_frame_of_an_empty_log_has_columns_and_no_rows(log: Log) -> None:
    frame = log.frame(kind="message", node="x", session="y", since="2020-01-01")
    assert tuple(frame.columns) == COLUMNS
    assert len(frame) == 0


def test_changing_a_frame_changes_nothing_in_the_log(story: Store, log: Log) -> None:
    frame = log.frame()
    frame.loc[:, "size"] = 99
    frame["data"][2]["n"] = "changed"
    assert list(log.frame()["data"])[2] == {"n": 1}
    assert 99 not in set(log.frame()["size"])


@pytest.mark.parametrize(
    ("filters", "seqs"),
    [
        ({"node": "chat"}, [1, 2, 5]),
        ({"port": "message"}, [2, 5]),
        ({"session": "s2"}, [5, 6]),
        ({"kind": "message"}, [2, 5]),
        ({"kind": ["req", "error"]}, [1, 6]),
        ({"kind": ("req", "error"), "session": "s1"}, [1]),
        ({"node": "chat", "port": "message", "session": "s2", "kind": "message"}, [5]),
        ({"node": "nobody"}, []),
        ({"session": "nobody"}, []),
        ({"kind": []}, []),
        ({"since": "1970-01-01 00:00:05"}, [5, 6]),
        ({"until": "1970-01-01T00:00:02Z"}, [1, 2]),
        ({"since": pd.Timestamp(2, unit="s"), "until": pd.Timestamp(3, unit="s")}, [2, 3]),
        ({"since": datetime.datetime(1970, 1, 1, 1, 0, 6, tzinfo=datetime.timezone(
            datetime.timedelta(hours=1)))}, [6]),
    ],
)  # fmt: skip
def test_filters_keep_the_rows_that_fit_all_of_them(
    story: Store, log: Log, filters: dict[str, Any], seqs: list[int]
) -> None:
    frame = log.frame(**filters)
    assert list(frame["seq"]) == seqs
    assert list(frame.index) == list(range(len(seqs)))


async def test_sessions_are_a_frame_with_the_facts_of_the_handshake(flow: Flow) -> None:
    flow.websocket("/chat/{room}")
    client = await flow.client("/chat/red?lang=de&lang=en", headers={"X-Name": "a"}, peer="1.2.3.4")
    open_one = flow.log.sessions().iloc[0]
    assert open_one["path"] == "/chat/red"
    assert open_one["params"] == {"room": "red"}
    assert open_one["query"] == {"lang": ["de", "en"]}
    assert open_one["headers"]["x-name"] == "a"
    assert (open_one["peer"], open_one["method"]) == ("1.2.3.4", "GET")
    assert pd.isna(open_one["closed"])
    assert pd.isna(open_one["code"])
    await client.close(4000, "bye")
    ended = flow.log.sessions().iloc[0]
    assert (ended["code"], ended["reason"]) == (4000, "bye")
    assert ended["closed"] >= ended["opened"]


def test_the_sessions_of_an_empty_log_are_an_empty_frame(log: Log) -> None:
    frame = log.sessions()
    assert len(frame) == 0
    assert list(frame.columns) == [
        "session", "opened", "peer", "path", "method", "params",
        "query", "headers", "closed", "code", "reason",
    ]  # fmt: skip
    assert str(frame["opened"].dtype) == str(frame["closed"].dtype) == "datetime64[ns, UTC]"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_csv_text_that_begins_like_a_formula_is_defused(
    store: Store, log: Log, tmp_path: Path, start: str
) -> None:
    evil = f"{start}cmd|' /C calc'!A0"
    know(store, 1, path=evil)
    put(store, "error", evil, evil, session=1, data=evil, error=evil)
    path = log.to_csv(tmp_path / "log.csv")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in ("node", "port", "path", "data", "error"):
        assert table[column][0].startswith(f"'{start}")


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_line_end_of_a_client_begins_no_row_of_the_csv(
    store: Store, log: Log, tmp_path: Path, end: str
) -> None:
    put(store, data=f"hello{end}=cmd|' /C calc'!A0")
    text = log.to_csv(tmp_path / "log.csv").read_bytes().decode()
    assert len(list(csv.reader(io.StringIO(text, newline="")))) == 2


def test_csv_has_all_columns_and_rows(story: Store, log: Log, tmp_path: Path) -> None:
    path = log.to_csv(tmp_path / "log.csv")
    table = pd.read_csv(path)
    assert path == tmp_path / "log.csv"
    assert tuple(table.columns) == COLUMNS
    assert list(table["seq"]) == [1, 2, 3, 4, 5, 6]
    assert table["data"][1] == "hi"
    assert table["data"][2] == "{'n': 1}"


@pytest.mark.usefixtures("parquet")
def test_parquet_comes_back_with_text_and_bytes(story: Store, log: Log, tmp_path: Path) -> None:
    table = pd.read_parquet(log.to_parquet(tmp_path / "log.parquet"))
    assert list(table["data"])[1:4] == ["hi", "{'n': 1}", "HI"]
    assert table["bytes"][4] == b"\x00"
    assert list(table["seq"]) == [1, 2, 3, 4, 5, 6]


def test_parquet_without_its_package_says_what_to_install(
    story: Store, log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pyarrow", "fastparquet"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(ImportError, match=r"pip install 'wsflow\[parquet\]'"):
        log.to_parquet(tmp_path / "log.parquet")


def test_what_a_client_sent_is_text_in_what_pandas_shows(store: Store, log: Log) -> None:
    know(store, 1, f"/{EVIL}")
    put(store, session=1, data=EVIL, error=EVIL)
    put(store, session=1, data={EVIL: [EVIL]}, elapsed=0.5)
    frame = log.frame()
    for shown in (frame, frame[frame.seq > 0].head(), frame.set_index("path"), frame.T):
        for page in (shown.to_html(), shown.style.to_html()):
            assert "<img" not in page
            assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert ">0.500000<" in frame.style.to_html()

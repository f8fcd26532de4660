"""Any bytes, cut anywhere: a connection ends as another parser says it must.

No sockets here (`test_connection` has those): the same stream goes into ours and into the judge.
`python -m tests.fuzz` looks further, guided by coverage; what it kept is played again here.
"""

import zlib
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fuzz.__main__ import CORPUS, stream_of
from tests.fuzz.judge import LIMIT, compare
from tests.peers.raw import BINARY, CLOSE, CONT, PING, PONG, TEXT, close, frame, text

lengths = st.sampled_from([0, 1, 125, 126, 127, LIMIT - 1, LIMIT, LIMIT + 1])
payloads = (
    st.text(max_size=60).map(str.encode)
    | st.binary(max_size=130)
    | st.builds(lambda size, byte: bytes((byte,)) * size, lengths, st.integers(0, 255))
)


def deflated(payload: bytes) -> bytes:
    engine = zlib.compressobj(6, zlib.DEFLATED, -15)
    return (engine.compress(payload) + engine.flush(zlib.Z_SYNC_FLUSH))[:-4]


frames = st.builds(
    frame,
    st.sampled_from([CONT, TEXT, BINARY, CLOSE, PING, PONG, 3, 11]),
    payloads | payloads.map(deflated),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 4, 4, 2, 1]),
    mask=st.sampled_from([b"\x00\x00\x00\x00", b"\x37\xfa\x21\x3d"]),
    length=st.none() | st.none() | st.none() | st.integers(0, 2**63 - 1),
)
valid = (
    st.text(max_size=60).map(text)
    | st.binary(max_size=125).map(lambda payload: frame(PING, payload))
    | st.lists(st.text(max_size=9).map(str.encode), min_size=1, max_size=4).map(
        lambda parts: b"".join(
            frame(CONT if at else TEXT, part, fin=at == len(parts) - 1)
            for at, part in enumerate(parts)
        )
    )
    | st.sampled_from([1000, 1001, 3000, 4999]).map(close)
)
streams = st.lists(st.one_of(valid, valid, frames), max_size=8).map(b"".join) | st.binary(
    max_size=300
)


@st.composite
def cuttings(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """A stream, perhaps with a byte bent and its end lost, and how it is cut."""
    stream = bytearray(draw(streams))
    if stream and draw(st.booleans()):
        stream[draw(st.integers(0, len(stream) - 1))] = draw(st.integers(0, 255))
    whole = bytes(stream[: draw(st.integers(0, len(stream)) | st.just(len(stream)))])
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    return whole, [whole[a:b] for a, b in pairwise([0, *cuts, len(whole)])]


@settings(deadline=None, max_examples=600)
@given(cutting=cuttings(), deflate=st.booleans())
@example(cutting=(text("a") + close(1000), [text("a"), close(1000)]), deflate=False)
@example(
    cutting=(frame(TEXT, b"a", fin=False) + close(), [frame(TEXT, b"a", fin=False), close()]),
    deflate=False,
)
async def test_a_stream_ends_as_the_judge_says_however_it_is_cut(
    cutting: tuple[bytes, list[bytes]], deflate: bool
) -> None:
    stream, pieces = cutting
    compare(stream, pieces, deflate=deflate)


@settings(deadline=None, max_examples=60)
@given(stream=streams, deflate=st.booleans())
async def test_a_stream_that_comes_byte_by_byte_ends_the_same(stream: bytes, deflate: bool) -> None:
    stream = stream[:1500]
    compare(stream, [bytes((byte,)) for byte in stream], deflate=deflate)


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.name[:12])
async def test_what_the_fuzzer_kept_ends_as_the_judge_says(path: Path) -> None:
    stream, pieces, deflate = stream_of(path.read_bytes())  # noqa: ASYNC240 (a small file)
    compare(stream, pieces, deflate=deflate)

"""The fuzzer: `python -m tests.fuzz [SECONDS] [FOLDER]`, from the root of the repository.

Looks for bytes on which a connection and its judge (`judge.py`) differ, or that raise. Guided by
coverage: atheris (`pip install atheris`), which has no wheel for every Python. What it found worth
keeping it writes to FOLDER (`corpus` beside this file), a byte of which says how the stream is cut;
every file there is played again by the tests.
"""

import asyncio
import sys
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")
LONGEST = 4096  # bytes of one input


def stream_of(data: bytes) -> tuple[bytes, list[bytes], bool]:
    """Return what an input means: a stream, how it is cut, and whether compression was agreed."""
    if not data:
        return b"", [], False
    how, stream = data[0], data[1:]
    step = (how >> 1) or len(stream) or 1
    return stream, [stream[at : at + step] for at in range(0, len(stream), step)], bool(how & 1)


async def main(arguments: list[str]) -> None:
    """Fuzz for so many seconds."""
    import atheris

    with atheris.instrument_imports(include=["wsflow.wire.connection", "wsflow.wire.deflate"]):
        from tests.fuzz.judge import compare

    def once(data: bytes) -> None:
        stream, pieces, deflate = stream_of(data)
        compare(stream, pieces, deflate=deflate)

    seconds = arguments[0] if arguments else "60"
    folder = Path(arguments[1]) if len(arguments) > 1 else CORPUS
    folder.mkdir(exist_ok=True)
    options = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-timeout=10", str(folder)]
    atheris.Setup([sys.argv[0], *options], once)
    atheris.Fuzz()  # never returns


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))  # a connection asks for the running loop

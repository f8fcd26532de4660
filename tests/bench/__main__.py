"""The command: `python -m tests.bench`, from the root of the repository.

Reads the options, lets `rounds` play and `report` tell. The package's docstring is the manual.
"""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from tests.bench import report
from tests.bench.contestants import BASELINE, CONTESTANTS, OURS, Contestant
from tests.bench.load import BenchError
from tests.bench.process import Cores
from tests.bench.rounds import Results, play
from tests.bench.scenarios import ROWS, Row


def main(arguments: list[str] | None = None) -> int:
    """Run what the options ask for; return the exit status."""
    options = _parser().parse_args(arguments)
    results = Results(
        _rows(options.only),
        _contestants(options.contestant),
        options.rounds,
        options.seconds,
        Cores.free(),
    )
    try:
        with Console(stderr=True).status("starting") as status:
            play(results, status.update)
    except BenchError as error:
        print("\n".join([f"bench: {error}", *getattr(error, "__notes__", ())]), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    _tell(results, as_markdown=options.markdown)
    if options.json:
        options.json.write_text(json.dumps(report.as_json(results), indent=1) + "\n")
    return 1 if options.check and _is_worse(results) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure wsflow.")
    add = parser.add_argument
    add("--rounds", type=_rounds, default=5, help="rounds to play (5)")
    add("--seconds", type=_seconds, default=1.5, help="length of one measurement (1.5)")
    add(
        "--only",
        action="append",
        choices=[row.name for row in ROWS],
        help="only this row; may be repeated",
    )
    names = [contestant.name for contestant in CONTESTANTS]
    add(
        "--contestant",
        action="append",
        choices=names,
        help="only this one beside raw; may be repeated",
    )
    add("--json", type=Path, metavar="FILE", help="also write everything measured to a file")
    add("--markdown", action="store_true", help="print the table as Markdown")
    add("--check", action="store_true", help="exit with 1 when wsflow is worse than raw in any row")
    return parser


def _rounds(text: str) -> int:
    if not 1 <= (rounds := int(text)) <= 1000:
        raise argparse.ArgumentTypeError("from 1 to 1000")
    return rounds


def _seconds(text: str) -> float:
    # The clients take no pings, and servers send the first after 20 s.
    if not 0.05 <= (seconds := float(text)) <= 10:
        raise argparse.ArgumentTypeError("from 0.05 to 10")
    return seconds


def _rows(names: list[str] | None) -> list[Row]:
    return [row for row in ROWS if not names or row.name in names]


def _contestants(names: list[str] | None) -> list[Contestant]:
    return [c for c in CONTESTANTS if c is BASELINE or not names or c.name in names]


def _tell(results: Results, *, as_markdown: bool) -> None:
    if as_markdown:
        print(report.markdown(results), end="\n\n")
    else:
        terminal = Console()
        Console(width=max(terminal.width, 110)).print(report.table(results))
    print(report.conditions(results))
    for note in report.notes(results):
        print(f"note: {note}")


def _is_worse(results: Results) -> bool:
    return OURS in results.contestants and any(
        results.ratio(row, OURS).median < 1 for row in results.rows
    )


if __name__ == "__main__":
    sys.exit(main())

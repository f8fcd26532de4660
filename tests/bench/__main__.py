"""The command: `python -m tests.bench`, from the root of the repository.

Reads the options, lets `rounds` play and `report` tell. The package's docstring is the manual.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from tests.bench import report
from tests.bench.contestants import BASELINE, CONTESTANTS, OURS, Contestant
from tests.bench.figures import FIGURES, Figure, Figures, take
from tests.bench.load import BenchError
from tests.bench.process import Cores
from tests.bench.rounds import Results, play
from tests.bench.scenarios import ROWS, Row

Named = TypeVar("Named", Row, Figure)


def main(arguments: list[str] | None = None) -> int:
    """Run what the options ask for; return the exit status."""
    options = _parser().parse_args(arguments)
    rounds, seconds, cores = options.rounds, options.seconds, Cores.free()
    rows, (contestants, absent) = _chosen(ROWS, options.only), _contestants(options.contestant)
    results = Results(rows, contestants, rounds, seconds, cores, notes=absent)
    figures = Figures(_chosen(FIGURES, options.only), min(rounds, 3), seconds, cores)
    try:
        with Console(stderr=True).status("starting") as status:
            if results.rows:
                play(results, status.update)
            take(figures, status.update)
    except BenchError as error:
        print("\n".join([f"bench: {error}", *getattr(error, "__notes__", ())]), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    _tell(results, figures, as_markdown=options.markdown)
    if options.json:
        told = report.as_json(results) | {"figures": report.figures_json(figures)}
        options.json.write_text(json.dumps(told, indent=1) + "\n")
    if options.plot and results.rows:
        from tests.bench.plot import draw

        draw(results, options.plot)
    return 1 if options.check and _is_worse(results) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure wsflow.")
    add = parser.add_argument
    add("--rounds", type=_rounds, default=5, help="rounds to play (5)")
    add("--seconds", type=_seconds, default=1.5, help="length of one measurement (1.5)")
    add(
        "--only",
        action="append",
        choices=[row.name for row in (*ROWS, *FIGURES)],
        help="only this row or figure; may be repeated",
    )
    names = [contestant.name for contestant in CONTESTANTS]
    add(
        "--contestant",
        action="append",
        choices=names,
        help="only this one beside raw; may be repeated",
    )
    add("--json", type=Path, metavar="FILE", help="also write everything measured to a file")
    add("--plot", type=Path, metavar="FILE", help="also draw the ratios (needs matplotlib)")
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


def _chosen(rows: Sequence[Named], names: list[str] | None) -> list[Named]:
    return [row for row in rows if not names or row.name in names]


def _contestants(names: list[str] | None) -> tuple[list[Contestant], list[str]]:
    """Return who takes part, and a note for each who can not."""
    wanted = [c for c in CONTESTANTS if c is BASELINE or not names or c.name in names]
    missing = {c.title: what for c in wanted if (what := c.missing())}
    notes = [f"{title} took no part; it needs: {what}" for title, what in missing.items()]
    return [c for c in wanted if c.title not in missing], notes


def _tell(results: Results, figures: Figures, *, as_markdown: bool) -> None:
    shown = [report.rows_sheet(results)] if results.rows else []
    shown += [report.figures_sheet(figures)] if figures.wanted else []
    for sheet in shown:
        if as_markdown:
            print(report.markdown(sheet), end="\n\n")
        else:
            terminal = Console()
            Console(width=max(terminal.width, 130)).print(report.table(sheet))
    print(report.conditions(results))
    for note in (*report.notes(results), *figures.notes):
        print(f"note: {note}")


def _is_worse(results: Results) -> bool:
    return OURS in results.contestants and any(
        results.ratio(row, OURS).median < 1 for row in results.rows
    )


if __name__ == "__main__":
    sys.exit(main())

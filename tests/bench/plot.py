"""The ratios as a picture: a bar a server in each row, from the smallest to the largest round."""

from pathlib import Path

from tests.bench.contestants import BASELINE, OURS
from tests.bench.rounds import Results


def draw(results: Results, path: Path) -> None:
    """Write the picture; the suffix says in which format."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = [c for c in results.contestants if c is not BASELINE]
    figure, axes = pyplot.subplots(figsize=(10, 1 + 0.14 * len(results.rows) * (len(shown) + 1)))
    height = 1 / (len(shown) + 1)
    for number, contestant in enumerate(shown):
        ratios = [results.ratio(row, contestant) for row in results.rows]
        middle = [one.median for one in ratios]
        spread = [
            [one.median - one.low for one in ratios],
            [one.high - one.median for one in ratios],
        ]
        at = [place + number * height for place in range(len(results.rows))]
        colour = "#d62728" if contestant is OURS else f"{0.35 + 0.5 * number / len(shown):.2f}"
        axes.barh(at, middle, height, xerr=spread, label=contestant.title, color=colour)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_yticks([place + 0.4 for place in range(len(results.rows))])
    axes.set_yticklabels([row.title for row in results.rows])
    axes.invert_yaxis()
    axes.set_xlabel(f"times better than {BASELINE.title}, median of {results.rounds} rounds")
    axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)

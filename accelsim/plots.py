"""Figures of finished runs. The only file that imports matplotlib, and only when a figure is drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path


def bytes_against_bits(lines: Mapping[str, Sequence[tuple[int, float]]], path: Path) -> None:
    """Off-chip bytes an image (logarithmic) against bit width, one line per label; `.png` or `.svg`.

    lines: label -> (bits, bytes) points.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for label, points in lines.items():
        bits, amounts = zip(*sorted(points), strict=True)
        axes.plot(bits, amounts, marker="o", markersize=4, label=label)
    axes.set_yscale("log")
    axes.invert_xaxis()
    axes.set_xticks(sorted({bits for points in lines.values() for bits, _ in points}))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set(xlabel="bits of weights and activations", ylabel="off-chip bytes an image, steady state")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)

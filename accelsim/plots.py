"""Figures of finished runs and studies. The only file that imports matplotlib, and only when a figure is drawn."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from accelsim.errors import AccelsimError

SUFFIXES = (".png", ".svg", ".pdf")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8c6d31", "#7f7f7f", "#7b4173")
"""The first seven are told apart by colour-blind people too (Okabe and Ito 2008)."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
GREY = "#b5b5b5"
MOST_LABELS = 14
LOGARITHMIC_FROM = 20.0
"""Ratio of the largest to the smallest value from which an axis is logarithmic."""

_NAMES = {
    "energy_j": "energy of a batch",
    "latency_s": "latency of a batch",
    "offchip_bytes": "off-chip traffic of a batch",
    "weight_bytes": "weights",
    "psnr_db": "PSNR against the float32 generator",
    "per_image_steady.energy_j": "energy an image in steady state",
    "per_image_steady.offchip_bytes": "off-chip traffic an image in steady state",
    "resources.used.dsp": "DSP slices",
    "resources.used.bram36": "RAMB36 blocks",
    "resources.used.lut": "LUTs",
    "resources.used.crossbars": "crossbars",
}
_PREFIXES = {1e-12: "p", 1e-9: "n", 1e-6: "µ", 1e-3: "m", 1.0: "", 1e3: "k", 1e6: "M", 1e9: "G"}
_STYLE: Any = {
    "font.size": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "accelsim",
}

_PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6}
"""Behind words, so that points under them do not hinder reading."""


def bytes_against_bits(lines: Mapping[str, Sequence[tuple[int, float]]], path: Path) -> None:
    """Off-chip bytes an image (logarithmic) against bit width, one line per label; `.png`, `.svg` or `.pdf`.

    lines: label -> (bits, bytes) points.
    """
    from matplotlib.ticker import FuncFormatter

    with _axes(path, (7, 4)) as axes:
        _lines(axes, lines)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.set(xlabel="bits of weights and activations", ylabel="off-chip bytes an image, steady state")


def quality_against_bits(lines: Mapping[str, Sequence[tuple[int, float]]], key: str, path: Path) -> None:
    """A quality figure against bit width, one line per label, the value at each point.

    lines: label -> (bits, value) points.
    """
    with _axes(path, (7, 4)) as axes:
        _lines(axes, lines)
        for points in list(lines.values())[:1]:
            for bits, value in points:
                axes.annotate(f"{value:.3g}", (bits, value), (0, 7), textcoords="offset points", ha="center", size=9)
        axes.margins(y=0.12)
        axes.set(xlabel="bits of weights", ylabel=axis_label(key, [])[0])


def stacked_bars(
    rows: Mapping[str, Mapping[str, float]],
    key: str,
    path: Path,
    marks: Mapping[str, float] | None = None,
    meaning: str = "",
    shares: bool = False,
) -> None:
    """One horizontal bar a row, made of parts, its total behind it; the first row on top.

    rows: label -> part -> amount in the unit of `key`; parts in the same order and colour in every row, the smallest of
    many drawn as one. marks: label -> another amount, a stroke across the bar; `meaning` says what it is. shares: every
    bar as long as the others, for rows of very different totals.
    """
    parts = _largest(rows, len(COLOURS) - 1)
    totals = {label: sum(row.values()) for label, row in rows.items()}
    name, scale = axis_label(key, list(totals.values()))
    sizes = {label: total / 100 if shares and total else scale for label, total in totals.items()}
    with _axes(path, (7.5, 1.5 + 0.34 * len(rows))) as axes:
        left = np.zeros(len(rows))
        for part, colour in zip(parts, COLOURS, strict=False):
            widths = np.array([_amount(row, part, parts) / sizes[label] for label, row in rows.items()])
            axes.barh(list(rows), widths, left=left, height=0.72, color=colour, ec="white", lw=0.4, label=part)
            left = left + widths
        if marks:
            strokes = [marks[label] / sizes[label] for label in rows]
            axes.plot(strokes, list(rows), "|", color="black", markersize=15, markeredgewidth=2.2, label=meaning)
        for place, total in enumerate(totals.values()):
            unit, one = unit_of(key, [total] if shares else list(totals.values()))
            at = {"xytext": (4, 0), "textcoords": "offset points", "va": "center", "size": 9}
            axes.annotate(f"{total / one:,.3g} {unit}", (left[place], place), **at)
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.12, y=0.02)
        axes.set(xlabel=f"share of the {name.rpartition(' (')[0]} (%)" if shares else name)
        _legend_of_parts(axes, meaning)


def _largest(rows: Mapping[str, Mapping[str, float]], most: int) -> list[str]:
    """The parts with the largest share of any row, in their order; `other` stands for the rest."""
    parts = list(dict.fromkeys(part for row in rows.values() for part in row))
    if len(parts) <= most:
        return parts
    share = {part: max(row.get(part, 0) / (sum(row.values()) or 1) for row in rows.values()) for part in parts}
    kept = set(sorted(parts, key=lambda part: -share[part])[: most - 1])
    return [*(part for part in parts if part in kept), "other"]


def _amount(row: Mapping[str, float], part: str, parts: Sequence[str]) -> float:
    return sum(value for name, value in row.items() if name not in parts) if part == "other" else row.get(part, 0.0)


def _legend_of_parts(axes: Any, last: str) -> None:
    handles, words = axes.get_legend_handles_labels()
    order = sorted(range(len(words)), key=lambda i: words[i] == last)
    named = [words[i].replace("_", " ") for i in order]
    axes.figure.legend([handles[i] for i in order], named, loc="outside upper center", ncols=min(len(words), 5))


def pareto_figure(table: Any, x: str, y: str, maximise: tuple[bool, bool], labels: Sequence[str], path: Path) -> None:
    """A front at a glance: its points in colour, joined by the limit of what can be had; beaten points grey.

    table: columns x, y, their `_low` and `_high` where there are any, `standing` (front, open, dominated), `labels`.
    maximise: which way is better, in x and in y. The first label that is text gives colour and marker.
    """
    group, rest = _grouping(table, labels)
    names, scales = zip(*(axis_label(key, table[key]) for key in (x, y)), strict=True)
    shown = table.assign(_x=table[x] / scales[0], _y=table[y] / scales[1], _group=table[group] if group else "")
    with _axes(path, (7.5, 5)) as axes:
        for axis, key, name, up in zip((axes.xaxis, axes.yaxis), ("_x", "_y"), names, maximise, strict=True):
            axis.set_label_text(f"{name}, {'more' if up else 'less'} is better")
            _scale(axes, axis, shown[key])
        _front_line(axes, shown[shown.standing == "front"], maximise)
        groups, standings = _marks(axes, shown, x, y, scales)
        axes.margins(0.08)
        if groups:
            axes.figure.legend(handles=groups, loc="outside upper center", ncols=5, handletextpad=0.1)
        if standings:
            axes.figure.legend(handles=standings, loc="outside lower center", ncols=3, handletextpad=0.1, fontsize=9.5)
        _label_front(axes, shown[shown.standing == "front"], rest)


def axis_label(key: str, values: Any) -> tuple[str, float]:
    """What an axis says of a figure by its report key, and by how much the values are divided for its unit."""
    unit, scale = unit_of(key, values)
    name = _NAMES.get(key, (key.rpartition("_")[0] if unit else key).replace("_", " ").replace(".", ", "))
    return f"{name} ({unit})" if unit else name, scale


def unit_of(key: str, values: Any) -> tuple[str, float]:
    """The unit that suits the values of a figure, empty if it has none, and by how much they are divided for it."""
    unit = {"_j": "J", "_s": "s", "_bytes": "B", "_db": "dB"}.get("_" + key.rpartition("_")[2] if "_" in key else "")
    sizes = np.abs(np.asarray(values, float))
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    if unit is None or unit == "dB" or not len(sizes) or key.endswith("per_s"):
        return "" if unit is None or key.endswith("per_s") else unit, 1.0
    scale = max((s for s in _PREFIXES if s <= np.median(sizes)), default=1e-12)
    return f"{_PREFIXES[scale]}{unit}", scale


@contextmanager
def _axes(path: Path, size: tuple[float, float]) -> Iterator[Any]:
    """Axes to draw on; the figure is written on leaving.

    Raises:
        AccelsimError: a suffix that is no figure's, or a file that cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise AccelsimError(f"{path}: expected a name that ends in {', '.join(SUFFIXES)}")
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.grid(visible=True)
        yield axes
        try:
            figure.savefig(path, dpi=160, metadata={"Date": None} if path.suffix == ".svg" else None)
        except OSError as error:
            raise AccelsimError(f"{path}: cannot be written: {error.strerror}") from None


def _lines(axes: Any, lines: Mapping[str, Sequence[tuple[int, float]]]) -> None:
    """One line a label over bit widths, wide on the left."""
    styles = zip(COLOURS * len(lines), MARKERS * len(lines), strict=True)
    for (label, points), (colour, marker) in zip(lines.items(), styles, strict=False):
        bits, amounts = zip(*sorted(points), strict=True)
        axes.plot(bits, amounts, marker=marker, markersize=5, color=colour, label=label)
    axes.invert_xaxis()
    axes.set_xticks(sorted({bits for points in lines.values() for bits, _ in points}))
    if len(lines) > 1:
        axes.legend()


def _grouping(table: Any, labels: Sequence[str]) -> tuple[str | None, list[str]]:
    """The label that gives the colour, the machine if there are several, and the labels left for words."""
    text = [key for key in labels if table[key].map(lambda value: isinstance(value, str)).all()]
    few = [key for key in text if table[key].nunique() <= len(COLOURS)]
    group = "on" if "on" in few else next(iter(few), None)
    if group is not None and len(labels) == 1 and group != "on":
        group = None  # a colour for each point says no more than its label
    return group, [key for key in labels if key != group]


def _scale(axes: Any, axis: Any, values: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    if values.min() > 0 and values.max() / values.min() >= LOGARITHMIC_FROM:
        (axes.set_xscale if axis is axes.xaxis else axes.set_yscale)("log")
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if values.max() / values.min() < 3000 else (1,)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def _front_line(axes: Any, front: Any, maximise: tuple[bool, bool]) -> None:
    """The staircase of what can be had: y over x as good as any point at least as good in x offers."""
    line = front.sort_values("_x")
    axes.plot(
        line["_x"], line["_y"], drawstyle=f"steps-{'pre' if maximise[0] else 'post'}", color="#555555", lw=1.2, zorder=2
    )


def _marks(axes: Any, shown: Any, x: str, y: str, scales: tuple[float, ...]) -> tuple[list[Any], list[Any]]:
    """All points with their intervals; returns the entries of the legends of groups and of standings."""
    from matplotlib.lines import Line2D

    handles = []
    groups = sorted(shown["_group"].unique())
    for place, group in enumerate(groups):
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
        looks = {
            "dominated": {"color": GREY, "zorder": 1, "markersize": 5},
            "open": {"color": colour, "markerfacecolor": "white", "zorder": 3, "markersize": 6},
            "front": {"color": colour, "zorder": 4, "markersize": 7.5},
        }
        for standing, look in looks.items():
            rows = shown[(shown["_group"] == group) & (shown.standing == standing)]
            if len(rows):
                axes.plot(rows["_x"], rows["_y"], marker, **look)
                if standing != "dominated":
                    _bars(axes, rows, (x, y), scales, colour)
        if group:
            seen = GREY if set(shown[shown["_group"] == group].standing) == {"dominated"} else colour
            handles.append(Line2D([], [], marker=marker, color=seen, linestyle="", label=Path(group).stem))
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "front": ("on the front", {"color": "#555555"}),
        "open": ("beaten, but intervals overlap", {"color": "#555555", "markerfacecolor": "white"}),
        "dominated": ("beaten", {"color": GREY}),
    }
    present = [kinds[standing] for standing in kinds if standing in set(shown.standing)]
    return handles, [axes.plot([], [], "o", label=words, **look)[0] for words, look in present]


def _bars(axes: Any, rows: Any, keys: tuple[str, str], scales: tuple[float, ...], colour: str) -> None:
    errors: dict[str, Any] = {}
    for axis, key, scale in zip("xy", keys, scales, strict=True):
        if f"{key}_low" in rows and f"{key}_high" in rows:
            ends = rows[key] - rows[f"{key}_low"], rows[f"{key}_high"] - rows[key]
            errors[f"{axis}err"] = np.stack([end.to_numpy(float) / scale for end in ends])
    if errors:
        axes.errorbar(rows["_x"], rows["_y"], **errors, fmt="none", ecolor=colour, elinewidth=0.9, alpha=0.35, zorder=2)


def _label_front(axes: Any, front: Any, keys: Sequence[str]) -> None:
    """Words beside the points of the front, as many as find room without covering a word or a point."""
    if not keys:
        return
    figure = axes.figure
    figure.draw_without_rendering()  # the layout must stand before boxes can be compared
    renderer = figure.canvas.get_renderer()
    points = axes.transData.transform(front[["_x", "_y"]].to_numpy(float))
    taken: list[Any] = []
    rows = list(front.iterrows())
    order = dict.fromkeys([0, len(rows) - 1, *range(len(rows))])  # the ends first
    for place in list(order)[:MOST_LABELS]:
        row = rows[place][1]
        words = ", ".join(_words(key, row[key]) for key in keys)
        for dx, dy in ((7, -11), (7, 6), (-7, 6), (-7, -11), (0, 10), (0, -16)):
            side = "left" if dx > 0 else "right" if dx < 0 else "center"
            text = axes.annotate(
                words, (row["_x"], row["_y"]), (dx, dy), textcoords="offset points", ha=side, size=9.5, bbox=_PAPER
            )
            box = text.get_window_extent(renderer)
            free = not any(box.overlaps(other) for other in taken) and not any(box.contains(*p) for p in points)
            if free and axes.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 and axes.bbox.y0 <= box.y0:
                taken.append(box)
                break
            text.remove()


def _words(key: str, value: Any) -> str:
    if key in ("workload", "on"):
        return Path(str(value)).stem
    value = f"{value:.4g}" if isinstance(value, float) else value
    return str(value) if key == "precision" else f"{key.rpartition('.')[2]} {value}"

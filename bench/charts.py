"""How plots look: small panels in a grid, without a background, for light pages and dark ones.

The same figures give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

GREY, BLUE, ORANGE, PURPLE = "#787878", "#2f81f7", "#d9730d", "#a06cd5"
"""Of all, the contrast is 3 at least, with white and with black."""
COLOURS = (BLUE, ORANGE, PURPLE)
"""Those of lines, in this order."""

_INK = ["text.color", "axes.labelcolor", "axes.edgecolor", "grid.color", "xtick.color"]
mpl.rcParams.update(
    {
        **dict.fromkeys([*_INK, "ytick.color"], GREY),
        "axes.grid": True,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 10,
        "figure.constrained_layout.h_pad": 0.1,
        "figure.constrained_layout.use": True,
        "figure.constrained_layout.w_pad": 0.1,
        "font.size": 9,
        "grid.alpha": 0.25,
        "lines.marker": "o",
        "lines.markersize": 4,
        "xtick.labelsize": 8,
        "svg.fonttype": "none",
        "svg.hashsalt": "file-uploader",
    }
)

_LABEL_HEIGHT = 11.0
"""Points from one label to the next."""


def grid(
    count: int, columns: int, width: float, height: float, *, shared: bool = False
) -> tuple[Figure, list[Axes]]:
    """So many panels of this size in inches, in rows; if they are shared, the axes too."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(columns * width, rows * height))
    panels = figure.subplots(rows, columns, squeeze=False, sharex=shared, sharey=shared)
    for unused in panels.flat[count:]:
        unused.remove()
    return figure, list(panels.flat[:count])


def label_lines(figure: Figure, axes: Axes, ends: Mapping[str, tuple[float, float]]) -> None:
    """Write each label beside the end of its line, in its colour, and none over another.

    The lines are those of `COLOURS`, in this order.
    """
    figure.draw_without_rendering()  # Now it is known where on the paper a line ends.
    heights = axes.transData.transform(list(ends.values()))[:, 1] * 72 / figure.dpi
    free = float("-inf")
    for height, (label, end), colour in sorted(zip(heights, ends.items(), COLOURS, strict=False)):
        placed = max(height, free)
        free = placed + _LABEL_HEIGHT
        axes.annotate(
            label,
            end,
            xytext=(7, placed - height),
            textcoords="offset points",
            color=colour,
            verticalalignment="center",
            annotation_clip=False,
        )


def spread(axes: Axes, row: str, values: Sequence[float], label: str, colour: str) -> None:
    """Draw the range of the values in a row, and write a label beside it."""
    axes.plot([min(values), max(values)], [row, row], color=colour, marker="|")
    axes.annotate(
        label,
        (max(values), row),
        xytext=(5, 0),
        textcoords="offset points",
        verticalalignment="center",
        annotation_clip=False,
    )


def scale_y(axes: Axes, values: Sequence[float], *, log: bool) -> None:
    """Show these values, on a logarithmic scale of whole decades or else from 0 on."""
    if log:
        axes.set_yscale("log")
        lowest, highest = math.log10(min(values)), math.log10(max(values))
        axes.set_ylim(10 ** math.floor(lowest), 10 ** math.ceil(highest))
    else:
        axes.set_ylim(0, 1.1 * max(values))
    plain(axes.yaxis)


def plain(axis: Axis) -> None:
    """Label an axis with short numbers, and not between its ticks."""
    axis.set_major_formatter(lambda value, _: short(value))
    axis.set_minor_formatter(lambda *_: "")


def short(value: float) -> str:
    """A number for an axis: 10k, 1M."""
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


def bytes_of(mib: float) -> str:
    """A number of MiB for an axis: 16M, 1G."""
    return f"{mib / 1024:g}G" if mib >= 1024 else f"{mib:g}M"


def save(figure: Figure, path: Path) -> None:
    """Write it as SVG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", transparent=True, metadata={"Date": None, "Creator": None})

"""Plots of what was measured, for the docs: ``python -m bench.plots``.

Those of growth go into the page with their tables; those of the comparison are drawn alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from tests.support.service import ROOT

from .charts import (
    BLUE,
    COLOURS,
    GREY,
    ORANGE,
    bytes_of,
    grid,
    label_lines,
    plain,
    save,
    scale_y,
    short,
    spread,
)
from .growth import Row
from .tables import inserted, table

PAGE = ROOT / "docs" / "benchmarks.md"
IMAGES = ROOT / "docs" / "images" / "benchmarks"
OURS = "file-uploader"


@dataclass(frozen=True)
class Panel:
    """One small plot: ``lines`` are figures by the label of their line, all in one unit."""

    title: str
    unit: str
    lines: Mapping[str, str]
    log: bool = False


@dataclass(frozen=True)
class Plot:
    """The plot of a part of `bench.growth`; ``growing`` says what its first figure is."""

    growing: str
    panels: Sequence[Panel]
    columns: int = 3
    log: bool = True
    ticks: Callable[[float], str] = short


def verbs(figure: str, *names: str) -> dict[str, str]:
    """The lines of a figure that each of these requests has."""
    return {name: f"{name} {figure}" for name in names}


MEMORY = Panel("Memory at most", "MiB", {"server": "peak MiB"})
REQUESTS = Panel("Small requests", "1/s", verbs("1/s", "PUT", "GET"))
PLOTS = {
    "container": Plot(
        "files in the container",
        [
            REQUESTS,
            Panel("Median latency", "ms", verbs("p50 ms", "PUT", "GET", "DELETE"), log=True),
            Panel("99th percentile", "ms", verbs("p99 ms", "PUT", "GET", "DELETE"), log=True),
            Panel(
                "Lists",
                "ms",
                {"first byte": "first byte ms", "page": "page ms", "count": "count ms"},
                log=True,
            ),
            Panel("List of all", "names/s", {"names": "names/s"}),
            Panel(
                "Index and memory", "MiB", {"index": "index MiB", "memory": "peak MiB"}, log=True
            ),
        ],
    ),
    "connections": Plot(
        "connections",
        [
            REQUESTS,
            Panel("Median latency", "ms", verbs("p50 ms", "PUT", "GET"), log=True),
            Panel("99th percentile", "ms", verbs("p99 ms", "PUT", "GET"), log=True),
            MEMORY,
        ],
        columns=2,
    ),
    "size": Plot(
        "bytes of the file (M: MiB, G: GiB)",
        [
            Panel("Rate", "MiB/s", verbs("MiB/s", "PUT", "GET")),
            Panel("CPU", "s/GiB", verbs("CPU s/GiB", "PUT", "GET")),
            MEMORY,
        ],
        ticks=bytes_of,
    ),
    "workers": Plot(
        "workers",
        [REQUESTS, Panel("Large files at once", "MiB/s", {"PUT": "4 PUT at once MiB/s"}), MEMORY],
        log=False,
    ),
}


def main() -> None:
    """Draw what there are figures of."""
    options = argparse.ArgumentParser(prog="python -m bench.plots", description=__doc__)
    options.add_argument("--growth", type=Path, default=Path("build/bench/growth.json"))
    options.add_argument("--comparison", type=Path, help="what python -m bench --json has written")
    chosen = options.parse_args()
    if not chosen.growth.exists() and chosen.comparison is None:
        options.error(f"there is no {chosen.growth}: make bench-growth")
    if chosen.growth.exists():
        publish_growth(json.loads(chosen.growth.read_text()))
    if chosen.comparison is not None:
        draw_comparison(json.loads(chosen.comparison.read_text()))


def publish_growth(figures: Mapping[str, Sequence[Row]]) -> None:
    """Draw each part that was measured, and put image and table into the page."""
    page = PAGE.read_text()
    for part, rows in figures.items():
        plot = PLOTS[part]
        image = IMAGES / f"growth-{part}.svg"
        save(growth(plot, rows), image)
        titles = ", ".join(panel.title.lower() for panel in plot.panels)
        link = f"![By {plot.growing}: {titles}]({image.relative_to(PAGE.parent)})"
        page = inserted(page, part, f"{link}\n\n{table(rows)}")
    PAGE.write_text(page)


def growth(plot: Plot, rows: Sequence[Row]) -> Figure:
    """The panels of a plot, all over what grows."""
    growing = next(iter(rows[0]))
    values = [row[growing] for row in rows]
    figure, panels = grid(len(plot.panels), plot.columns, width=3.2, height=2.4)
    for axes, panel in zip(panels, plot.panels, strict=True):
        axes.set(title=panel.title, xlabel=plot.growing, ylabel=panel.unit)
        for name, colour in zip(panel.lines.values(), COLOURS, strict=False):
            axes.plot(values, [row[name] for row in rows], color=colour)
        if plot.log:
            axes.set_xscale("log")
        axes.set_xticks(values, map(plot.ticks, values))
        axes.set_xticks([], minor=True)
        scale_y(axes, [row[name] for name in panel.lines.values() for row in rows], log=panel.log)
    for axes, panel in zip(panels, plot.panels, strict=True):
        ends = {label: (values[-1], rows[-1][name]) for label, name in panel.lines.items()}
        label_lines(figure, axes, ends)
    return figure


Rates = dict[str, dict[str, list[float]]]
"""By load and peer, one for each round."""


def draw_comparison(figures: Mapping[str, Mapping[str, Any]]) -> None:
    """Draw the rates of each load, and ours as a multiple of each peer's.

    ``figures`` has by "load | peer" the results of each round; only those of small requests have
    percentiles.
    """
    transfers: Rates = {}
    requests: Rates = {}
    for name, found in figures.items():
        load, peer = name.split(" | ")
        loads = transfers if found["results"][0]["p50"] is None else requests
        loads.setdefault(load, {})[peer] = [result["rate"] for result in found["results"]]
    for kind, loads, unit in (
        ("transfers", transfers, "MiB/s"),
        ("requests", requests, "requests/s"),
    ):
        if loads:
            save(bars(loads, unit), IMAGES / f"comparison-{kind}.svg")
            save(ratios(loads), IMAGES / f"comparison-{kind}-ratios.svg")


def bars(loads: Rates, unit: str) -> Figure:
    """A panel for each load, a bar for each peer: the median of its rounds, and their range."""
    most = max(map(len, loads.values()))
    figure, panels = grid(len(loads), 3, width=3.6, height=0.9 + 0.24 * most)
    for axes, (load, peers) in zip(panels, loads.items(), strict=True):
        axes.set(title=load, xlabel=unit)
        colours = [BLUE if peer.startswith(OURS) else GREY for peer in peers]
        medians = [statistics.median(rates) for rates in peers.values()]
        axes.barh(list(peers), medians, color=colours, alpha=0.6)
        for peer, rates, median in zip(peers, peers.values(), medians, strict=True):
            spread(axes, peer, rates, f"{median:,.0f}", GREY)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        plain(axes.xaxis)
    return figure


def ratios(loads: Rates) -> Figure:
    """A panel for each peer: how many times its rate ours is, by load; the range of the rounds."""
    others = dict.fromkeys(peer for peers in loads.values() for peer in peers if peer != OURS)
    height = 0.9 + 0.24 * len(loads)
    figure, panels = grid(len(others), 4, width=2.6, height=height, shared=True)
    for axes, other in zip(panels, others, strict=True):
        axes.set(title=f"{OURS} : {other}", xscale="log", xlabel="ratio of rates")
        axes.axvline(1, color=GREY, marker="")
        for load, peers in loads.items():
            axes.plot([1], [load], marker="")  # The same loads in the same order in all panels.
            if other not in peers or OURS not in peers:
                continue
            found = [our / its for our, its in zip(peers[OURS], peers[other], strict=True)]
            median = statistics.median(found)
            colour = BLUE if median >= 1 else ORANGE
            spread(axes, load, found, f"{median:.2f}", colour)
            axes.plot([median], [load], color=colour)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        plain(axes.xaxis)
        axes.set_ylim(len(loads) - 0.5, -0.5)
        axes.tick_params(labelbottom=True)
    return figure


if __name__ == "__main__":
    main()

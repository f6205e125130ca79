"""Plots of what was measured, for the docs: ``python -m bench.plots``."""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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
from .figures import Figures, Run
from .growth import Row
from .loads import BYTES, NAMES, REQUESTS, memory
from .page import inserted
from .tables import table

PAGE = ROOT / "docs" / "benchmarks.md"
IMAGES = ROOT / "docs" / "images" / "benchmarks"
OURS = "file-uploader"
KINDS = {BYTES.rate: "transfers", REQUESTS.rate: "requests", NAMES.rate: "lists"}
"""What the plots of a comparison are of, by the unit of their rates."""


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
SMALL = Panel("Small requests", "1/s", verbs("1/s", "PUT", "GET"))
PLOTS = {
    "container": Plot(
        "files in the container",
        [
            SMALL,
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
            SMALL,
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
        [SMALL, Panel("Large files at once", "MiB/s", {"PUT": "4 PUT at once MiB/s"}), MEMORY],
        log=False,
    ),
}


def main() -> None:
    """Draw what there are figures of."""
    options = argparse.ArgumentParser(prog="python -m bench.plots", description=__doc__)
    options.add_argument("--growth", type=Path, default=Path("build/bench/growth.json"))
    options.add_argument("--comparison", type=Path, default=Path("build/bench/figures.json"))
    chosen = options.parse_args()
    if not chosen.growth.exists() and not chosen.comparison.exists():
        options.error("there are no figures: make bench, make bench-growth")
    if chosen.growth.exists():
        publish_growth(json.loads(chosen.growth.read_text()))
    if chosen.comparison.exists():
        publish_comparison(Run.load(chosen.comparison))


def publish_growth(figures: Mapping[str, Sequence[Row]]) -> None:
    """Draw each part that was measured, and put image and table into the page."""
    page = PAGE.read_text()
    for part, rows in figures.items():
        plot = PLOTS[part]
        image = IMAGES / f"growth-{part}.svg"
        save(growth(plot, rows), image)
        titles = ", ".join(panel.title.lower() for panel in plot.panels)
        link = f"![By {plot.growing}: {titles}]({image.relative_to(PAGE.parent)})"
        page = inserted(page, f"growth-{part}", f"{link}\n\n{table(rows)}")
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


Rates = dict[str, dict[str, list[float | None]]]
"""By load and peer, one for each round; None for one that failed."""


def publish_comparison(run: Run) -> None:
    """Draw the rates of each load, and ours as multiples of each peer's; put them into the page."""
    links = []

    def publish(figure: Figure, suite: str, what: str) -> None:
        image = IMAGES / f"comparison-{suite}-{what}.svg".lower().replace(" ", "-")
        save(figure, image)
        links.append(f"![{suite}: {what}]({image.relative_to(PAGE.parent)})")

    for suite, found in itertools.groupby(run.figures, lambda one: one.suite):
        figures = [one for one in found if one.group != memory.GROUP and any(one.rounds)]
        for unit, what in KINDS.items():
            if loads := rates(one for one in figures if one.unit == unit):
                publish(bars(loads, unit), suite, what)
        publish(ratios(rates(figures)), suite, "ratios")
    PAGE.write_text(inserted(PAGE.read_text(), "comparison", "\n\n".join(links)))


def rates(figures: Iterable[Figures]) -> Rates:
    """Their rates, in the order of the figures."""
    loads: Rates = {}
    for one in figures:
        values = [values["rate"] if values else None for values in one.rounds]
        loads.setdefault(one.step, {})[one.peer] = values
    return loads


def bars(loads: Rates, unit: str) -> Figure:
    """A panel for each load, a bar for each peer: the median of its rounds, and their range."""
    most = max(map(len, loads.values()))
    figure, panels = grid(len(loads), 3, width=3.6, height=0.9 + 0.24 * most)
    for axes, (load, peers) in zip(panels, loads.items(), strict=True):
        axes.set(title=load, xlabel=unit)
        colours = [BLUE if peer.startswith(OURS) else GREY for peer in peers]
        measured = {peer: [rate for rate in rounds if rate] for peer, rounds in peers.items()}
        medians = [statistics.median(found) for found in measured.values()]
        axes.barh(list(peers), medians, color=colours, alpha=0.6)
        for (peer, found), median in zip(measured.items(), medians, strict=True):
            spread(axes, peer, found, f"{median:,.0f}", GREY)
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
        axes.set(title=f"we : {other}", xscale="log", xlabel="ratio of rates")
        axes.axvline(1, color=GREY, marker="")
        for load, peers in loads.items():
            axes.plot([1], [load], marker="")  # The same loads in the same order in all panels.
            if other not in peers or OURS not in peers:
                continue
            pairs = zip(peers[OURS], peers[other], strict=True)
            found = [our / its for our, its in pairs if our and its]
            if not found:
                continue
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

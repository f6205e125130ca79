"""Run every load on every peer in turns, several rounds, and tell medians and ratios.

The order of the peers moves on by one in each round, so that none is always first or last.
Machines drift: quote the ratios, which are taken within a round.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from . import loads, measure, peers
from .loads import Result
from .peers import CONTENDERS, Contender, Peer

MIB = 2**20
US = CONTENDERS[0].name


@dataclass(frozen=True)
class Load:
    """``run`` makes one measurement; ``unit`` is that of its rate."""

    name: str
    unit: str
    run: Callable[[Peer], Result]
    tus: bool = False


@dataclass
class Figures:
    """What was measured of one load on one peer, a figure for each round."""

    results: list[Result] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)


def all_loads(source: Path, *, quick: bool) -> list[Load]:
    """Every load, in the order in which they are run."""
    seconds = 3.0 if quick else 8.0
    found = [
        Load("PUT large", "MiB/s", partial(loads.put_large, source=source)),
        Load("GET large", "MiB/s", partial(loads.get_large, source=source)),
        Load("tus large", "MiB/s", partial(loads.tus, source=source, piece=8 * MIB), tus=True),
    ]
    sizes = {"4 KiB": 4096} if quick else {"4 KiB": 4096, "64 KiB": 65536, "1 MiB": MIB}
    for title, size in sizes.items():
        for connections in (32,) if quick else (1, 32, 256):
            for verb, run in (("PUT", loads.put_small), ("GET", loads.get_small)):
                name = f"{verb} {title}, {connections} connections"
                how = partial(run, size=size, connections=connections, seconds=seconds)
                found.append(Load(name, "1/s", how))
    return found


def main() -> None:
    """Measure, print a table and write the figures."""
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument("--quick", action="store_true", help="less of everything: 3 minutes")
    options.add_argument("--only", default="", help="loads and peers whose names hold this")
    options.add_argument("--peers", default="", help="peers by name, separated by commas; else all")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--disk", type=Path, default=Path.cwd(), help="where the servers store")
    options.add_argument("--json", type=Path, help="where the figures go")
    chosen = options.parse_args()
    wanted = set(filter(None, chosen.peers.split(",")))
    contenders = [one for one in CONTENDERS if not wanted or one.name in wanted]
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm") as memory,
        tempfile.TemporaryDirectory(prefix="bench-", dir=chosen.disk) as disk,
    ):
        Path(disk).chmod(0o755)
        source = Path(memory) / "source.bin"
        with source.open("wb") as file:
            for _ in range((256 if chosen.quick else 1024) // 16):
                file.write(os.urandom(16 * MIB))
        todo = [load for load in all_loads(source, quick=chosen.quick) if chosen.only in load.name]
        figures = measured(contenders, todo, Path(disk), source, chosen.rounds)
    introduce([one for one in contenders if any(name == one.name for _, name in figures)])
    tell(todo, figures)
    if chosen.json is not None:
        plain = {f"{a} | {b}": asdict(found) for (a, b), found in figures.items()}
        chosen.json.write_text(json.dumps(plain, indent=1))


Table = dict[tuple[str, str], Figures]


def measured(
    contenders: list[Contender], todo: list[Load], disk: Path, source: Path, rounds: int
) -> Table:
    """Figures by load and peer."""
    found: Table = {}
    with contextlib.ExitStack() as stack:
        started: list[Peer] = []
        for contender in contenders:
            directory = disk / contender.name.replace("/", "_").replace(" ", "_")
            directory.mkdir()
            try:
                started.append(stack.enter_context(contender.start(directory)))
            except peers.UnavailableError as error:
                print(f"left out: {contender.name}: {error}", file=sys.stderr)
        for load in todo:
            taking = [peer for peer in started if not load.tus or peer.tus is not None]
            if not load.tus:
                taking = [peer for peer in taking if peer.name != "@tus/server"]
            for number in range(rounds):
                if load.name == "PUT large":
                    raw = found.setdefault((load.name, "raw disk"), Figures())
                    raw.results.append(loads.raw_disk(disk, source))
                turn = number % len(taking)
                for peer in taking[turn:] + taking[:turn]:
                    with measure.watched(peer.pid) as cost:
                        result = load.run(peer)
                    figures = found.setdefault((load.name, peer.name), Figures())
                    figures.results.append(result)
                    figures.cpu.append(cost.cpu)
                    figures.peak.append(cost.peak)
                    print(f"{load.name} | {peer.name}: {result.rate:.0f} {load.unit}", flush=True)
    return found


def introduce(contenders: list[Contender]) -> None:
    """Print what each promises: it costs time, and so belongs beside the figures."""
    print("\n| | version | on disk before it answers | SHA-256 | clients kept apart |")
    print("| --- | --- | --- | --- | --- |")
    for one in contenders:
        promises = (one.durable, one.digest, one.private)
        told = " | ".join("yes" if promise else "no" for promise in promises)
        print(f"| {one.name} | {one.version()} | {told} |")


def tell(todo: list[Load], table: Table) -> None:
    """Print a table in Markdown for each load."""
    for load in todo:
        mine = table.get((load.name, US))
        print(f"\n### {load.name} ({load.unit})\n")
        print("| | median | spread | we : it | p50 ms | p99 ms | CPU s | peak MiB | errors |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        for (name, peer), figures in table.items():
            if name == load.name:
                print(row(peer, figures, mine))


def row(peer: str, figures: Figures, mine: Figures | None) -> str:
    """One line of a table."""
    rates = [result.rate for result in figures.results]
    ratio = ""
    if mine is not None and peer != US:
        pairs = zip(mine.results, figures.results, strict=True)
        ratio = f"{statistics.median(our.rate / its.rate for our, its in pairs):.2f}"
    cells = [
        peer,
        f"{statistics.median(rates):,.0f}",
        f"{min(rates):,.0f} to {max(rates):,.0f}",
        ratio,
        middle([result.p50 for result in figures.results]),
        middle([result.p99 for result in figures.results]),
        middle(figures.cpu),
        f"{max(figures.peak) / MIB:.0f}" if figures.peak else "",
        str(sum(result.errors for result in figures.results)),
    ]
    return f"| {' | '.join(cells)} |"


def middle(values: list[float] | list[float | None]) -> str:
    """The median of what is there."""
    there = [value for value in values if value is not None]
    return f"{statistics.median(there):.2f}" if there else ""


if __name__ == "__main__":
    main()

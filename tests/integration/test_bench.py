"""The parts of the benchmarks on which figures depend without showing it."""

from __future__ import annotations

from pathlib import Path

from bench.figures import Figures, Run, Values
from bench.fill import fill
from bench.report import markdown
from tests.support import stored
from tests.support.service import LocalBackend, service

TOKEN = "11111111-2222-4333-8444-555555555555"


def test_a_filled_container_is_like_any_other(tmp_path: Path) -> None:
    fill(tmp_path / "data", TOKEN, 1000, 16)
    with service(LocalBackend(tmp_path / "data"), tmp_path / "log") as running:
        running.token = TOKEN
        stored.put(running, {"00000500-new": (stored.TEXT, b"new")})
        names = [f"{number:08}" for number in range(1000)]
        assert stored.listed(running) == sorted([*names, "00000500-new"])
        assert stored.read(running, "00000999") == bytes(16)
        assert stored.read(running, "00000500-new") == b"new"


def test_ratios_are_taken_within_a_round(tmp_path: Path) -> None:
    def figures(peer: str, *rates: float | None) -> Figures:
        rounds: list[Values | None] = [
            None
            if rate is None
            else {"rate": rate, "errors": 0, "cpu": 1 / rate, "idle": 2**20, "peak": 2**21}
            for rate in rates
        ]
        return Figures("Disk", "Large files", "PUT", peer, "MiB/s", "GiB", rounds)

    run = Run({}, figures=[figures("file-uploader", 100, 10, 40), figures("other", 50, None, 80)])
    run.save(tmp_path / "figures.json")
    ours, its = [
        [cell.strip() for cell in line.split("|")[2:5]]
        for line in markdown(Run.load(tmp_path / "figures.json")).splitlines()
        if "MiB" not in line and ("file-uploader" in line or "other" in line)
    ]
    assert ours == ["file-uploader", "40 (10 to 100)", ""]
    assert its == ["other", "65 (50 to 80)", "1.25 (0.50 to 2.00)"]

"""What the benchmarks make past the service is what the service would have made."""

from __future__ import annotations

from pathlib import Path

from bench.fill import fill
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

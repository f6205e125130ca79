"""curl: whole files, a process for each that are under way at once."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_PATIENCE = 600.0


def put(source: Path, urls: Sequence[str], headers: Mapping[str, str], parallel: int) -> float:
    """Store a file under each URL, and return the seconds."""
    return _run([["--upload-file", str(source), url] for url in urls], headers, parallel)


def get(urls: Sequence[str], headers: Mapping[str, str], parallel: int) -> float:
    """Read each URL, and return the seconds."""
    return _run([["--output", "/dev/null", url] for url in urls], headers, parallel)


def _run(transfers: Sequence[list[str]], headers: Mapping[str, str], parallel: int) -> float:
    """Seconds until the last process is done, without the time that it takes to start."""
    shares = [transfers[number::parallel] for number in range(parallel)]
    with ThreadPoolExecutor(parallel) as pool:
        return max(pool.map(lambda share: _process(share, headers), shares))


def _process(transfers: Iterable[list[str]], headers: Mapping[str, str]) -> float:
    fields = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    done = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--fail", "-H", "Expect:", *fields),
            *("--write-out", "%{stderr}%{time_total}\n"),
            *(word for transfer in transfers for word in transfer),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=_PATIENCE,
    )
    if done.returncode:
        raise RuntimeError(f"curl: {done.stderr.strip()}")
    return sum(map(float, done.stderr.split()))

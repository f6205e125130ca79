"""The machine that a run was made on, as far as it matters to its figures."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path


def described(disk: Path) -> dict[str, str]:
    """What to know, by name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = subprocess.run(
        ["df", "--output=fstype", str(disk)], capture_output=True, text=True, check=True
    )
    cores = len(os.sched_getaffinity(0))
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "processor": f"{_processor()}, {cores} cores, for servers and clients",
        "memory": f"{memory / 2**30:.0f} GiB",
        "file system": found.stdout.split()[-1],
        "system": f"{platform.system()} {platform.release()}",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()

"""wrk: small requests on many connections, said by the scripts in ``bench/lua``."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.clients import Result
from bench.programs import needed

_SCRIPTS = Path(__file__).parents[1] / "lua"
_PATIENCE = 60.0


def threads(connections: int) -> int:
    """So many does wrk use: as many as there are cores on a small machine."""
    return min(2, connections)


def run(
    script: str,
    base: str,
    headers: Mapping[str, str],
    connections: int,
    seconds: float,
    *arguments: object,
) -> Result:
    """Requests to ``base`` for so many whole seconds."""
    needed("wrk", "apt-get install wrk")
    fields = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    done = subprocess.run(
        [
            *("wrk", "-t", str(threads(connections)), "-c", str(connections)),
            *("-d", f"{seconds:.0f}s", "--timeout", "30s", "-s", str(_SCRIPTS / f"{script}.lua")),
            *(*fields, base, "--", *map(str, arguments)),
        ],
        env={"PATH": os.environ["PATH"], "LUA_PATH": f"{_SCRIPTS}/?.lua"},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + _PATIENCE,
    )
    if done.returncode:
        raise RuntimeError(f"wrk: {done.stdout}{done.stderr}")
    return Result(**json.loads(done.stdout.splitlines()[-1]))

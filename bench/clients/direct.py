"""Clients that go to the store themselves: a process each, which is measured like a server.

Such a process reads a call a line from its standard input, and answers it with a `Result`, both as
JSON: ``bench.direct.driver`` is its side.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.clients import Result
from bench.programs import stopped
from tests.support.service import ROOT


@dataclass(frozen=True)
class Direct:
    """The client that a process is."""

    process: subprocess.Popen[bytes]

    def put_large(self, source: Path, count: int, parallel: int) -> Result:
        """Store a file so many times, ``parallel`` at once."""
        return self._call("put_large", str(source), count, parallel)

    def get_large(self, size: int, count: int, parallel: int) -> Result:
        """Read what `put_large` has stored."""
        return self._call("get_large", size, count, parallel)

    def keep(self, size: int) -> None:
        """Store the files that `get_small` reads."""
        self._call("keep", size)

    def put_small(self, size: int, connections: int, seconds: float) -> Result:
        """Store new files."""
        return self._call("put_small", size, connections, seconds)

    def get_small(self, size: int, connections: int, seconds: float) -> Result:
        """Read the files of `keep`."""
        return self._call("get_small", size, connections, seconds)

    def _call(self, method: str, *arguments: object) -> Result:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([method, *arguments]).encode() + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("the client has ended")
        return Result(**json.loads(answer))


@contextlib.contextmanager
def started(module: str, target: str, environment: Mapping[str, str]) -> Iterator[Direct]:
    """Run ``bench.direct.MODULE`` for a bucket or directory."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"bench.direct.{module}", target],
        env={"PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process, stopped(process):
        yield Direct(process)

"""Uploads by tus 1.0.0: large ones in pieces, small ones whole in the request that creates them."""

from __future__ import annotations

import http.client
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bench.clients import MIB, Result, large, wrk

PIECE = 8 * MIB
_PATIENCE = 120.0


@dataclass(frozen=True)
class Tus:
    """``endpoint`` is where uploads are begun; ``headers`` go with every request."""

    endpoint: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def put_large(self, source: Path) -> Result:
        """Upload a file in pieces, on one connection."""
        parts = urlsplit(self.endpoint)
        size = source.stat().st_size
        connection = http.client.HTTPConnection(parts.netloc, timeout=_PATIENCE)
        common = {**self.headers, "Tus-Resumable": "1.0.0"}
        name = b64encode(large(0).encode()).decode()
        said = {"Upload-Length": str(size), "Upload-Metadata": f"filename {name}"}

        def ask(method: str, path: str, body: bytes, fields: Mapping[str, str]) -> str | None:
            """Where the upload is, if the answer tells."""
            connection.request(method, path, body, {**common, **fields})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status not in (201, 204):
                raise RuntimeError(f"{method} was answered {answer.status}: {text[:200]!r}")
            return answer.headers["Location"]

        began = time.perf_counter()
        place = urlsplit(ask("POST", parts.path, b"", said) or "").path
        with source.open("rb") as file:
            for offset in range(0, size, PIECE):
                said = {
                    "Upload-Offset": str(offset),
                    "Content-Type": "application/offset+octet-stream",
                }
                ask("PATCH", place, file.read(PIECE), said)
        seconds = time.perf_counter() - began
        connection.close()
        return Result(size / MIB, seconds)

    def put_small(self, size: int, connections: int, seconds: float) -> Result:
        """Upload new files, each in one request, one after the other on each connection."""
        run = time.time_ns() // 1_000_000 % 1_000_000
        return wrk.run("tus", self.endpoint, self.headers, connections, seconds, run, size)

"""Upload a file with aiotus: ``with_aiotus.py URL TOKEN NAME PATH PIECE [parallel]``."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
from pathlib import Path

import aiotus

RETRY = aiotus.RetryConfiguration(retry_attempts=600, max_retry_period_seconds=0.1)


def main(url: str, token: str, name: str, path: str, piece: str, parallel: str = "") -> bool:
    """Upload in pieces of ``piece`` bytes; with ``parallel``, as three that are put together."""
    endpoint, size = f"{url}/api/uploads", int(piece)
    metadata, headers = {"filename": name.encode()}, {"X-Auth-Token": token}
    with Path(path).open("rb") as file:
        if parallel:
            upload = aiotus.upload_multiple(
                endpoint, thirds(file.read()), metadata, None, RETRY, headers, size
            )
        else:
            upload = aiotus.upload(endpoint, file, metadata, None, RETRY, headers, size)
        return asyncio.run(upload) is not None


def thirds(data: bytes) -> list[io.BytesIO]:
    """The data as three files."""
    edges = [len(data) * part // 3 for part in range(4)]
    return [io.BytesIO(data[edges[part] : edges[part + 1]]) for part in range(3)]


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    sys.exit(not main(*sys.argv[1:]))

"""Files of any size, made and checked on the fly."""

from __future__ import annotations

import hashlib
import http.client
import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.service import Service

BLOCK = 2**20


def blocks(size: int, seed: int = 0) -> Iterator[bytes]:
    """Pseudo-random bytes, a MiB at a time; no two blocks are alike, and making them is cheap."""
    block = random.Random(seed).randbytes(BLOCK)
    for number in range(-(-size // BLOCK)):
        start = number * BLOCK
        yield (number.to_bytes(8) + block[8:])[: size - start]


def sha256_of(size: int, seed: int = 0) -> str:
    """What the file that `blocks` makes hashes to."""
    digest = hashlib.sha256()
    for block in blocks(size, seed):
        digest.update(block)
    return digest.hexdigest()


@dataclass(frozen=True)
class Answer:
    """A status and what came with it."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


def put(running: Service, name: str, size: int, *, seed: int = 0, chunked: bool = False) -> Answer:
    """Upload the file that `blocks` makes, streaming."""
    headers = {"X-Auth-Token": running.token}
    if not chunked:
        headers["Content-Length"] = str(size)
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=600)
    try:
        connection.request(
            "PUT",
            f"/api/files/{name}",
            body=blocks(size, seed),
            headers=headers,
            encode_chunked=chunked,
        )
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def get_sha256(running: Service, name: str) -> str:
    """Download a file, streaming, and hash it."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=600)
    try:
        connection.request("GET", f"/api/files/{name}", headers={"X-Auth-Token": running.token})
        response = connection.getresponse()
        assert response.status == 200
        digest = hashlib.sha256()
        while block := response.read(BLOCK):
            digest.update(block)
        return digest.hexdigest()
    finally:
        connection.close()


def is_what_was_put(running: Service, name: str, size: int, *, seed: int = 0) -> bool:
    """Whether a file is what `blocks` makes, which is quicker to tell than what it hashes to."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=600)
    try:
        connection.request("GET", f"/api/files/{name}", headers={"X-Auth-Token": running.token})
        response = connection.getresponse()
        assert response.status == 200
        same = all(response.read(len(block)) == block for block in blocks(size, seed))
        return same and response.read(1) == b""
    finally:
        connection.close()


def delete(running: Service, name: str) -> int:
    """Delete a file and return the status."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=600)
    try:
        connection.request("DELETE", f"/api/files/{name}", headers={"X-Auth-Token": running.token})
        return connection.getresponse().status
    finally:
        connection.close()

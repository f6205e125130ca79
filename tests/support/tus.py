"""A client that speaks tus 1.0.0, and says no more than a test does."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from tests.support.asgi import Answer, Client, Exchange

VERSION = ("Tus-Resumable", "1.0.0")
BYTES = ("Content-Type", "application/offset+octet-stream")

Headers = Iterable[tuple[str, str]]


def metadata(**values: str | bytes) -> tuple[str, str]:
    """The header ``Upload-Metadata``."""
    pairs = []
    for key, value in values.items():
        raw = value.encode() if isinstance(value, str) else value
        pairs.append(f"{key} {base64.b64encode(raw).decode()}")
    return "Upload-Metadata", ",".join(pairs)


class Tus:
    """Somebody who uploads to the application."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def exchange(self, method: str, target: str, headers: Headers = (), **rest: Any) -> Exchange:
        """Prepare one request."""
        return self.client.exchange(method, target, [VERSION, *headers], **rest)

    async def __call__(
        self,
        method: str,
        target: str,
        headers: Headers = (),
        body: bytes | Sequence[bytes] | None = None,
        **options: Any,
    ) -> Answer:
        """Send one request."""
        return await self.client(method, target, [VERSION, *headers], body, **options)

    async def post(
        self,
        size: int | None,
        /,
        headers: Headers = (),
        body: bytes | Sequence[bytes] | None = None,
        *,
        name: str | None = "a",
        **options: Any,
    ) -> Answer:
        """Ask for a new upload of ``size`` bytes."""
        said = [] if size is None else [("Upload-Length", str(size))]
        said += [] if name is None else [metadata(filename=name)]
        said += [] if body is None else [BYTES]
        return await self("POST", "/api/uploads", [*said, *headers], body, **options)

    async def begin(self, size: int | None, headers: Headers = (), **options: Any) -> str:
        """Make a new upload and return where it is, as a path."""
        answer = await self.post(size, headers, **options)
        assert answer.status == 201, answer
        return urlsplit(answer["location"]).path

    async def patch(
        self,
        location: str,
        offset: int,
        body: bytes | Sequence[bytes],
        headers: Headers = (),
        **options: Any,
    ) -> Answer:
        """Append."""
        said = [BYTES, ("Upload-Offset", str(offset)), *headers]
        return await self("PATCH", location, said, body, **options)

    async def head(self, location: str) -> Answer:
        """Ask for the offset and everything else."""
        return await self("HEAD", location)

    async def offset(self, location: str) -> int:
        """The offset of an upload that is there."""
        answer = await self.head(location)
        assert answer.status == 200, answer
        return int(answer["upload-offset"])

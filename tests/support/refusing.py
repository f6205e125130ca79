"""An object store that refuses some requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from file_uploader.storage.s3.client.client import Client

Refuses = Callable[[str, Mapping[str, Any]], bool]
"""Whether a request is refused: by botocore's name of it, and its parameters."""


def refuse(monkeypatch: pytest.MonkeyPatch, refuses: Refuses, code: str = "AccessDenied") -> None:
    """Have S3 answer 403 to those requests of every client in this process."""
    request = Client._request

    async def asked(
        client: Client, operation: str, parameters: dict[str, Any], **how: Any
    ) -> dict[str, Any]:
        if refuses(operation, parameters):
            answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise ClientError(answer, operation)
        return await request(client, operation, parameters, **how)

    monkeypatch.setattr(Client, "_request", asked)

"""The contract of this API as machines read it: OpenAPI 3.1, written in YAML and sent as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path

import yaml
from starlette.datastructures import Headers
from starlette.responses import Response

from file_uploader.http import caching, context

from .asset import Asset

WRITTEN = Path(__file__).parent / "openapi.yaml"
"""The one place where it is written down."""


async def endpoint(headers: Headers) -> Response:
    """Send it, with the place of this server as the client has it. Raises `InvalidHeader`."""
    here = context.current()
    return await _below("" if here is None else here.prefix).endpoint(headers)


@cache
def _read() -> Mapping[str, object]:
    # The parser in C: the one in Python takes seconds.
    contract: Mapping[str, object] = yaml.load(
        WRITTEN.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader
    )
    return contract


@lru_cache(8)
def _below(prefix: str) -> Asset:
    def make() -> tuple[bytes, Mapping[str, str]]:
        contract = {**_read(), "servers": [{"url": prefix or "/"}]}
        return json.dumps(contract, separators=(",", ":")).encode(), caching.PREFIXED

    return Asset("application/json", make)

"""``/metrics``: what the service counts, for whoever has the bearer token, or at its own address.

Elsewhere there is nothing: figures tell how much is used, by how many, and when.
"""

from __future__ import annotations

import asyncio
import hmac

from starlette.datastructures import Headers
from starlette.responses import Response

from file_uploader import metrics
from file_uploader.http import caching, problems
from file_uploader.http.routing import OpenEndpoint
from file_uploader.storage.base import Storage


def endpoint(storage: Storage, token: str | None) -> OpenEndpoint:
    """What answers with the figures; without ``token``, to everybody."""

    async def answer(headers: Headers) -> Response:
        if token is not None and not _admits(headers, token):
            return problems.response(
                problems.NO_METRICS_TOKEN,
                "Send `Authorization: Bearer ` with METRICS_TOKEN.",
                {"WWW-Authenticate": "Bearer", **caching.AUTHORIZED},
            )
        text = await asyncio.to_thread(metrics.exposition, await storage.vitals())
        kept = caching.STATE if token is None else caching.AUTHORIZED
        return Response(text, headers={"content-type": metrics.CONTENT_TYPE, **kept})

    return answer


def _admits(headers: Headers, token: str) -> bool:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(
        given.strip().encode(), token.encode()
    )

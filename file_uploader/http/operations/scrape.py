"""``/metrics``: what the service counts, for whoever has the bearer token, or at its own address.

Elsewhere there is nothing: figures tell how much is used, by how many, and when.
"""

from __future__ import annotations

import asyncio
import hmac

from starlette.datastructures import Headers
from starlette.responses import Response

from file_uploader import metrics
from file_uploader.http import problems
from file_uploader.http.problems import NOSNIFF
from file_uploader.http.routing import OpenEndpoint
from file_uploader.storage.base import Storage

_VARY = {"vary": "Authorization"}


def endpoint(storage: Storage, token: str | None) -> OpenEndpoint:
    """What answers with the figures; without ``token``, to everybody."""

    async def answer(headers: Headers) -> Response:
        if token is not None and not _admits(headers, token):
            return problems.response(
                problems.NO_METRICS_TOKEN,
                "Send `Authorization: Bearer ` with METRICS_TOKEN.",
                {"WWW-Authenticate": "Bearer", "cache-control": "no-store", **_VARY},
            )
        text = await asyncio.to_thread(metrics.exposition, await storage.vitals())
        about = {"cache-control": "no-store", "content-type": metrics.CONTENT_TYPE, **NOSNIFF}
        if token is not None:
            about.update(_VARY)
        return Response(text, headers=about)

    return answer


def _admits(headers: Headers, token: str) -> bool:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(
        given.strip().encode(), token.encode()
    )

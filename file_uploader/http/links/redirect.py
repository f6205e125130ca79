"""Downloads that the store itself serves, so that their bytes do not pass through here.

The store cannot send the headers that keep a stored page from running at its origin. So what is
sent from there is always to be saved, and what a browser would show comes from here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from starlette.responses import Response

from file_uploader.http import caching
from file_uploader.http.fields import conditions, metadata
from file_uploader.http.files.content import download_wanted
from file_uploader.http.routing import Call
from file_uploader.links import Link
from file_uploader.model.files import FileInfo
from file_uploader.storage.base import Storage

LIFETIME = timedelta(minutes=1)
"""For how long a download can be begun at the store; one that has begun may take longer."""

_SHOWN = re.compile(
    r"(image|audio|video|text|model|font)/|[^;]*[/+](json|xml|javascript|pdf)\s*(;|$)",
    re.IGNORECASE,
)
"""Media types that browsers show, or hand to a viewer of their own."""


async def redirected(storage: Storage, call: Call, link: Link) -> Response | None:
    """The `307` for a GET of this link; None where the answer has to come from here.

    Raises what a GET raises: `NoSuchFile` and `PreconditionFailed` among it. Ranges are the
    store's to answer: the ETag that they may depend on is the same one there.
    """
    wanted = download_wanted(call)
    info = await storage.head(link.container, link.name)
    disposition = _disposition(info, wanted=wanted)
    if disposition is None or conditions.not_modified(call.headers, info):
        return None
    url = await storage.direct_url(
        link.container,
        link.name,
        lifetime=min(LIFETIME, max(link.expires - datetime.now(UTC), timedelta(seconds=1))),
        disposition=disposition,
    )
    if url is None:
        return None
    headers = {**caching.NOT_KEPT, "location": url, "referrer-policy": "no-referrer"}
    return Response(status_code=307, headers=headers)


def _disposition(info: FileInfo, *, wanted: bool) -> str | None:
    """The Content-Disposition with which the file is saved; None if it is to be shown."""
    stored = info.metadata.content_disposition
    if stored is not None and re.match(r"attachment\s*(;|$)", stored, re.IGNORECASE) and not wanted:
        return stored
    if wanted or not _SHOWN.match(info.metadata.content_type):
        return metadata.attachment(info.name)
    return None

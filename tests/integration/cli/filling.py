"""A store with files of all kinds in it."""

from __future__ import annotations

import hashlib

from file_uploader.model.files import Metadata
from file_uploader.model.names import Container, FileName
from file_uploader.model.uploads import UploadPlan
from file_uploader.storage.base import Storage
from file_uploader.uploads.rules import Uploads
from tests.contract.stores import Place
from tests.contract.uploading import EXPIRY, begun, piece
from tests.support.bodies import KIB, MIB, body_of, content
from tests.support.files import new_container, put

FILES = {
    "a/empty": 0,
    "b": 1,
    "c d": 3 * KIB,
    "é/\U0001f600": 16 * KIB + 1,
    "f": 300 * KIB,
    "large\u009b": 9 * MIB,
}
"""Their names, and their sizes around what stores keep in different ways."""

METADATA = Metadata(
    content_type="text/plain; charset=utf-8",
    content_encoding="identity",
    content_language="de",
    content_disposition="attachment",
    cache_control="no-cache",
    custom={"colour": "blue_1", "a_b-c": "~"},
)


async def filled(place: Place) -> list[Container]:
    """Two containers with `FILES`, and an upload that is not finished."""
    store = await place.open()
    owners = sorted((new_container() for _ in range(2)), key=lambda owner: owner.name)
    for owner in owners:
        for name in FILES:
            await fill(store, owner, name)
    uploads = Uploads(store, expiry=EXPIRY)
    upload_id = await begun(uploads, owners[0], MIB, UploadPlan(FileName("unfinished")))
    await uploads.append(owners[0], upload_id, piece(content(300 * KIB)), offset=0)
    await uploads.aclose()
    return owners


async def fill(store: Storage, owner: Container, name: str, version: int = 0) -> bytes:
    """Store one of `FILES`, with its digest announced."""
    data = content(FILES[name], (owner.name, name, version))
    expected = {"sha256": hashlib.sha256(data).digest()}
    await put(store, owner, name, body_of(data, expected=expected), metadata=METADATA)
    return data

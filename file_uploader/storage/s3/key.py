"""The key of links, in an object of its own, which all nodes agree on."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from functools import partial

from file_uploader.errors import NoSuchFile, PreconditionFailed, StorageFailed, StorageUnavailable
from file_uploader.storage.s3.client.errors import Conflict, Unsettled
from file_uploader.storage.s3.client.retry import READ_BACK, retry
from file_uploader.storage.s3.write.context import Context

KEY_SIZE = 32
"""Bytes of the key."""

SETTLING = 1.0
"""Seconds after which a key is read back that a provider may have let another node write over."""


async def kept_key(context: Context, new: bytes | None = None) -> bytes:
    """The key, made where it is missing: only what is read back counts. Raises `StorageError`.

    It is ``new`` then, or a random one.
    """
    finding = partial(_found_or_made, context, new or secrets.token_bytes(KEY_SIZE))
    try:
        key = await retry(finding, on=NoSuchFile, pauses=READ_BACK)
    except NoSuchFile:
        raise StorageUnavailable("The key of links cannot be made right now; try again.") from None
    if len(key) != KEY_SIZE:
        raise StorageFailed("The key of links that the store keeps is damaged.")
    return key


async def _found_or_made(context: Context, key: bytes) -> bytes:
    """Read the key; raise `NoSuchFile` after writing this one, or somebody else's who is faster."""
    address = context.keys.link_key
    try:
        found: bytes = (await context.client.fetch(**address))["Body"]
    except NoSuchFile:
        condition = (await context.probe.conditions()).put.create_only()
        with suppress(PreconditionFailed, Conflict, Unsettled):
            await context.client.call("put_object", **address, Body=key, **(condition or {}))
            if condition is None:
                # Others that saw none may be writing theirs: the last one stays, for all to read.
                await asyncio.sleep(SETTLING)
        raise
    return found

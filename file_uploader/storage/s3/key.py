"""The key of links, in an object of its own, which all nodes agree on."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping

from file_uploader.errors import NoSuchFile, PreconditionFailed, StorageFailed, StorageUnavailable
from file_uploader.storage.s3.client.client import Client
from file_uploader.storage.s3.client.errors import Conflict, Unsettled
from file_uploader.storage.s3.write.conditions import Probe

KEY_SIZE = 32
"""Bytes of the key."""

_ROUNDS = 5

SETTLING = 1.0
"""Seconds after which a key is read back that a provider may have let another node write over."""


async def kept_key(
    client: Client, probe: Probe, address: Mapping[str, str], new: bytes | None = None
) -> bytes:
    """The key, made where it is missing: only what is read back counts. Raises `StorageError`.

    It is ``new`` then, or a random one.
    """
    for _ in range(_ROUNDS):
        try:
            _, key = await client.fetch(**address)
        except NoSuchFile:
            await _make(client, probe, address, new or secrets.token_bytes(KEY_SIZE))
            continue
        if len(key) != KEY_SIZE:
            raise StorageFailed("The key of links that the store keeps is damaged.")
        return key
    raise StorageUnavailable("The key of links cannot be made right now; try again.")


async def _make(client: Client, probe: Probe, address: Mapping[str, str], key: bytes) -> None:
    """Write a key if there is none; somebody else may be faster."""
    condition = (await probe.conditions()).put.create_only()
    try:
        await client.call("put_object", **address, Body=key, **(condition or {}))
    except (PreconditionFailed, Conflict, Unsettled):
        return
    if condition is None:
        # Others that saw none may be writing theirs: the last one stays, for all to read.
        await asyncio.sleep(SETTLING)

"""Buckets of the containers' own: made when first needed, found again for the sweep."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from file_uploader.errors import NoSuchFile, StorageError, StorageFailed
from file_uploader.model.names import Container, is_container_name
from file_uploader.storage.s3.buffers.part import Part
from file_uploader.storage.s3.client.client import Client
from file_uploader.storage.s3.client.errors import BucketTaken, NoSuchBucket
from file_uploader.storage.s3.client.retry import APPEARING, retry

from .keys import FILES, UPLOADS, Keys
from .listing import marked_pages, pages


class Buckets:
    """The buckets of one store."""

    def __init__(self, client: Client, keys: Keys, *, aws: bool) -> None:
        self._client = client
        self._keys = keys
        self._aws = aws

    async def call(
        self, operation: str, part: Part | None = None, /, **request: Any
    ) -> dict[str, Any]:
        """`Client.call`; if it finds no bucket and the container should have one, make that.

        Raises `StorageFull` where the provider allows no more buckets.
        """
        call = partial(self._client.call, operation, part, **request)
        # HEAD says no more than 404.
        missing = (NoSuchBucket, NoSuchFile) if operation == "head_bucket" else NoSuchBucket
        try:
            return await call()
        except missing:
            if not self._keys.own_buckets:
                raise
        await self._make(request["Bucket"])
        try:
            return await retry(call, on=missing, pauses=APPEARING)
        except missing:
            raise StorageFailed("The object store made a bucket and does not find it.") from None

    async def claim(self, bucket: str) -> None:
        """Make the container's own bucket where it is missing.

        Who knows a name that is free could make such a bucket, and let us write to it. Raises
        `StorageError`, also where it is a stranger's already.
        """
        if self._keys.own_buckets:
            await self.call("head_bucket", Bucket=bucket)

    async def all(self) -> tuple[list[str], StorageError | None]:
        """Every bucket that holds files, and what has kept others from being found, if anything."""
        if not self._keys.own_buckets:
            return [self._keys.bucket], None
        owners, broken = await _until_broken(self._owners())
        own = [self._keys.files(Container(owner)).bucket for owner in owners]
        return [self._keys.bucket, *own], broken

    async def containers(self) -> tuple[set[str], StorageError | None]:
        """The names of the containers that have files or uploads, or a bucket for them.

        And what has kept others from being found, if anything.
        """
        uploading, broken = await _until_broken(self._below(UPLOADS))
        own = self._keys.own_buckets
        holding, also_broken = await _until_broken(self._owners() if own else self._below(FILES))
        return {*uploading, *holding}, broken or also_broken

    async def _below(self, prefix: str) -> AsyncIterator[str]:
        """The containers that the keys with this prefix name next, in the one bucket."""
        async for answer in pages(self._client, self._keys.bucket, prefix, Delimiter="/"):
            for each in answer.get("CommonPrefixes", ()):
                name = each["Prefix"].removeprefix(prefix).removesuffix("/")
                if is_container_name(name):
                    yield name

    async def _owners(self) -> AsyncIterator[str]:
        """The containers that have a bucket of their own."""
        async for answer in marked_pages(self._client, "list_buckets"):
            for bucket in answer.get("Buckets", ()):
                owner = self._keys.container_of_bucket(bucket["Name"])
                if owner is not None:
                    yield owner

    async def _make(self, bucket: str) -> None:
        parameters: dict[str, Any] = {"Bucket": bucket}
        # AWS wants the region named, except for its oldest one; others refuse names that they do
        # not know, and have no other region than the endpoint's.
        if self._aws and self._client.region not in (None, "us-east-1", "aws-global"):
            location = {"LocationConstraint": self._client.region}
            parameters["CreateBucketConfiguration"] = location
        try:
            await self._client.call("create_bucket", **parameters)
        except BucketTaken:
            # Ours already, or a stranger's: the request that comes next finds out, since a
            # stranger's bucket denies it. Its name cannot be guessed without the container's, which
            # nobody else gets to know before the bucket is there (`claim`).
            return


async def _until_broken(names: AsyncIterator[str]) -> tuple[list[str], StorageError | None]:
    """All that a list yields, and the error with which it ended, if with one."""
    found: list[str] = []
    try:
        async for name in names:
            found.append(name)  # noqa: PERF401 - what was found is kept
    except StorageError as error:
        return found, error
    return found, None

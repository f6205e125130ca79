"""Buckets of the containers' own: made when first needed, found again for the sweep."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

from file_uploader.errors import NoSuchFile, StorageError, StorageFailed
from file_uploader.model.names import is_container_name
from file_uploader.storage.s3.client.client import Client
from file_uploader.storage.s3.client.errors import BucketTaken, NoSuchBucket
from file_uploader.storage.s3.client.retry import APPEARING, retry

from .keys import FILES, PAST, UPLOADS, Keys, Place

T = TypeVar("T")


class Buckets:
    """The buckets of one store."""

    def __init__(self, client: Client, keys: Keys, *, aws: bool) -> None:
        self._client = client
        self._keys = keys
        self._aws = aws

    async def with_bucket(self, place: Place, request: Callable[[], Awaitable[T]]) -> T:
        """Make a request; if it finds no bucket and the container should have one, make that.

        Raises `StorageFull` where the provider allows no more buckets.
        """
        try:
            return await request()
        except NoSuchBucket:
            if not self._keys.own_buckets:
                raise
        await self._make(place.bucket)
        try:
            return await retry(request, on=NoSuchBucket, pauses=APPEARING)
        except NoSuchBucket:
            raise StorageFailed("The object store made a bucket and does not find it.") from None

    async def claim(self, place: Place) -> None:
        """Make the container's own bucket where it is missing.

        Who knows a name that is free could make such a bucket, and let us write to it. Raises
        `StorageError`, also where it is a stranger's already.
        """
        if not self._keys.own_buckets:
            return
        try:
            await self._client.call("head_bucket", Bucket=place.bucket)
        except (NoSuchBucket, NoSuchFile):  # HEAD says no more than 404
            await self._make(place.bucket)
            await self._client.call("head_bucket", Bucket=place.bucket)

    @contextlib.contextmanager
    def missing_is_empty(self) -> Iterator[None]:
        """Leave the block when a container's own bucket is not there: nothing is in it yet."""
        try:
            yield
        except NoSuchBucket:
            if not self._keys.own_buckets:
                raise

    async def all(self) -> tuple[list[str], StorageError | None]:
        """Every bucket that holds files, and what has kept others from being found, if anything."""
        if not self._keys.own_buckets:
            return [self._keys.bucket], None
        own, broken = await _until_broken(self._own())
        return [self._keys.bucket, *own], broken

    async def containers(self) -> tuple[set[str], StorageError | None]:
        """The names of the containers that have files or uploads, or a bucket for them.

        And what has kept others from being found, if anything.
        """
        uploading, broken = await _until_broken(self._below(UPLOADS))
        if self._keys.own_buckets:
            buckets, also_broken = await _until_broken(self._own())
            owners = map(self._keys.container_of_bucket, buckets)
            holding = [owner for owner in owners if owner is not None]
        else:
            holding, also_broken = await _until_broken(self._below(FILES))
        return {*uploading, *holding}, broken or also_broken

    async def _below(self, prefix: str) -> AsyncIterator[str]:
        """The containers that the keys with this prefix name next, in the one bucket."""
        more: dict[str, str] = {}
        while True:
            answer = await self._client.call(
                "list_objects_v2",
                Bucket=self._keys.bucket,
                Prefix=prefix,
                Delimiter="/",
                **more,
            )
            keys = [each["Prefix"] for each in answer.get("CommonPrefixes", ())]
            for name in (key.removeprefix(prefix).removesuffix("/") for key in keys):
                if is_container_name(name):
                    yield name
            ends = [key + PAST for key in keys]
            ends += [item["Key"] for item in answer.get("Contents", ())]  # others'
            if not answer.get("IsTruncated") or not ends:
                return
            more = {"StartAfter": max(ends)}

    async def _own(self) -> AsyncIterator[str]:
        """The buckets that are a container's own."""
        more: dict[str, Any] = {}
        while True:
            answer = await self._client.call("list_buckets", **more)
            for name in (bucket["Name"] for bucket in answer.get("Buckets", ())):
                if self._keys.container_of_bucket(name) is not None:
                    yield name
            if not (token := answer.get("ContinuationToken")):
                return
            more = {"ContinuationToken": token}

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

"""What is in the buckets, found by listing: records of uploads, multipart uploads, keys of others.

A list that breaks off hides what comes behind it, of every client. So where one does, each
container's is read by itself: then no more is hidden than that of those whose own lists break off.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias, TypeVar

from file_uploader.errors import FileUploaderError
from file_uploader.model.names import Container, is_container_name, is_file_name
from file_uploader.model.uploads import is_upload_id
from file_uploader.storage.passes import Pass
from file_uploader.storage.s3.client.client import Client
from file_uploader.storage.s3.client.errors import NoSuchBucket
from file_uploader.storage.s3.keys import FILES, PROBES, RECORD, UPLOADS, date_of, modified
from file_uploader.storage.s3.listing import marked_pages, pages
from file_uploader.storage.s3.write.context import Context
from file_uploader.storage.upkeep import Flaw

T = TypeVar("T")

Tell = Callable[[Flaw], None]
"""Takes what is found to be wrong."""

Listing: TypeAlias = Callable[[Client, str, str], AsyncIterator[tuple[str, T]]]
"""Lists what is in a bucket below a prefix, each with its key, in their order."""

_DEPTH = 4
"""Parts of the key of what an upload keeps: ``uploads/<container>/<id>/<name>``."""


@dataclass
class FoundUpload:
    """What is there of an upload in several requests: objects of ``size`` bytes in all.

    ``newest`` and ``now`` by S3's clock.
    """

    container: Container
    upload_id: str
    newest: datetime
    now: datetime
    size: int = 0
    has_record: bool = False

    def __str__(self) -> str:
        return f"{self.container.name} the upload {self.upload_id}"


@dataclass(frozen=True, slots=True)
class FoundMultipart:
    """A multipart upload by its bucket, key and id, and the store's time when it was listed."""

    address: Mapping[str, str]
    initiated: datetime
    now: datetime


@dataclass
class Hidden:
    """The containers not all of whose uploads could be looked at; with ``any``, perhaps others."""

    containers: set[str] = field(default_factory=set)
    any: bool = False


class Inventory:
    """The buckets of one store, one list after the other."""

    def __init__(self, context: Context, items: Pass) -> None:
        self._client = context.client
        self._buckets = context.buckets
        self._keys = context.keys
        self._pass = items

    async def uploads(self, tell: Tell, hidden: Hidden) -> AsyncIterator[FoundUpload]:
        """What uploads in several requests keep, in the order of containers and ids."""
        async for found in self._below(_uploads, self._keys.bucket, UPLOADS, tell, hidden):
            yield found

    async def multiparts(self, tell: Tell) -> AsyncIterator[FoundMultipart]:
        """The multipart uploads that make files, or contents of uploads."""
        buckets, broken = await self._buckets.all()
        if broken is not None:
            why = await self._pass.judge(broken)
            tell(Flaw(f"the buckets of containers cannot all be listed: {why}"))
        for bucket, prefix in [*((each, FILES) for each in buckets), (self._keys.bucket, UPLOADS)]:
            async for found in self._below(_multiparts, bucket, prefix, tell, Hidden()):
                yield found

    async def foreign_keys(self, tell: Tell) -> AsyncIterator[Flaw]:
        """The keys where files and uploads are that are neither's; they do no harm."""
        buckets = [self._keys.bucket]
        if self._keys.own_buckets:
            found, _ = await self._buckets.all()
            buckets = [each for each in found if each != self._keys.bucket]
        for bucket, prefix in [(self._keys.bucket, UPLOADS), *((each, FILES) for each in buckets)]:
            async for key in self._below(_objects, bucket, prefix, tell, Hidden()):
                found_at = self.flaw("no file and no upload has this key", bucket, key)
                nobodys = found_at.name is None and found_at.upload_id is None
                if nobodys and not key.startswith(PROBES):
                    yield replace(found_at, harmless=True)

    def flaw(self, what: str, bucket: str, key: str) -> Flaw:
        """A flaw of what has this key: a file's or an upload's, or else the key's."""
        kind, _, rest = key.partition("/")
        owner = self._keys.container_of_bucket(bucket)
        if owner is None:
            owner, _, rest = rest.partition("/")
        if not is_container_name(owner):
            return Flaw(what, key=key)
        container = Container(owner)
        if f"{kind}/" == FILES and is_file_name(rest):
            return Flaw(what, container, name=rest)
        upload_id, _, _ = rest.partition("/")
        if f"{kind}/" == UPLOADS and rest.count("/") == 1 and is_upload_id(upload_id):
            return Flaw(what, container, upload_id=upload_id)
        return Flaw(what, container, key=key)

    async def _below(
        self, listing: Listing[T], bucket: str, prefix: str, tell: Tell, hidden: Hidden
    ) -> AsyncIterator[T]:
        """What a listing finds below a prefix, or else below it of each container."""
        last = ""
        try:
            async for key, found in listing(self._client, bucket, prefix):
                last = key
                yield found
        except NoSuchBucket:
            if bucket == self._keys.bucket:
                raise
            return  # removed meanwhile
        except FileUploaderError as error:
            why = await self._pass.judge(error, prefix)
        else:
            return
        owner = self._keys.container_of_bucket(bucket)
        tell(_broken_off(why, prefix, owner))
        if owner is None:
            async for key, found in self._below_each(listing, bucket, prefix, tell, hidden):
                if key > last:
                    yield found

    async def _below_each(
        self, listing: Listing[T], bucket: str, prefix: str, tell: Tell, hidden: Hidden
    ) -> AsyncIterator[tuple[str, T]]:
        containers, broken = await self._buckets.containers()
        hidden.any = hidden.any or broken is not None
        for container in sorted(containers):
            below = f"{prefix}{container}/"
            try:
                async for each in listing(self._client, bucket, below):
                    yield each
            except FileUploaderError as error:
                hidden.containers.add(container)
                tell(_broken_off(await self._pass.judge(error, below), below, container))


def _broken_off(why: str, prefix: str, owner: str | None) -> Flaw:
    what = f"what is below this cannot all be listed: {why}"
    return Flaw(what, None if owner is None else Container(owner), key=prefix)


async def _objects(client: Client, bucket: str, prefix: str) -> AsyncIterator[tuple[str, str]]:
    async for answer in pages(client, bucket, prefix):
        for item in answer.get("Contents", ()):
            yield item["Key"], item["Key"]


async def _uploads(
    client: Client, bucket: str, prefix: str
) -> AsyncIterator[tuple[str, FoundUpload]]:
    last, found = "", None
    async for answer in pages(client, bucket, prefix):
        now = date_of(answer)
        for item in answer.get("Contents", ()):
            place = item["Key"].split("/")
            if len(place) != _DEPTH or not (is_container_name(place[1]) and is_upload_id(place[2])):
                continue
            key, written = "/".join(place[:3]), modified(item)
            if key != last:
                if found is not None:
                    yield last, found
                last, found = key, FoundUpload(Container(place[1]), place[2], written, now)
            assert found is not None  # noqa: S101 - by its key
            found.size += item["Size"]
            found.newest, found.now = max(found.newest, written), now
            found.has_record = found.has_record or place[3] == RECORD
    if found is not None:
        yield last, found


async def _multiparts(
    client: Client, bucket: str, prefix: str
) -> AsyncIterator[tuple[str, FoundMultipart]]:
    operation = "list_multipart_uploads"
    async for answer in marked_pages(client, operation, Bucket=bucket, Prefix=prefix):
        now = date_of(answer)
        for each in answer.get("Uploads", ()):
            key = each["Key"]
            if key.startswith(prefix):
                address = {"Bucket": bucket, "Key": key, "UploadId": each["UploadId"]}
                yield key, FoundMultipart(address, each["Initiated"], now)

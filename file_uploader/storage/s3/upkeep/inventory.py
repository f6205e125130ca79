"""What is in the buckets, found by listing: records of uploads, multipart uploads, keys of others.

A list that breaks off hides what comes behind it, of every client. So where one does, each
container's is read by itself: then no more is hidden than that of those whose own lists break off.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar

from file_uploader.errors import FileUploaderError, StorageFailed
from file_uploader.model.names import Container, is_container_name, is_file_name
from file_uploader.model.uploads import is_upload_id
from file_uploader.storage.passes import Pass
from file_uploader.storage.s3.buckets import Buckets
from file_uploader.storage.s3.client.client import Client
from file_uploader.storage.s3.client.errors import NoSuchBucket
from file_uploader.storage.s3.keys import FILES, PROBES, RECORD, UPLOADS, Keys, date_of
from file_uploader.storage.s3.uploads.records import pages
from file_uploader.storage.upkeep import Flaw

T = TypeVar("T")

Tell = Callable[[Flaw], None]
"""Takes what is found to be wrong."""

Listing: TypeAlias = Callable[[str], AsyncIterator[tuple[str, T]]]
"""Lists what is below a prefix, each with its key, in their order."""

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
    """A multipart upload, and the store's time when it was listed."""

    bucket: str
    key: str
    upload_id: str
    initiated: datetime
    now: datetime

    @property
    def address(self) -> dict[str, str]:
        """The parameters that name it to botocore."""
        return {"Bucket": self.bucket, "Key": self.key, "UploadId": self.upload_id}


@dataclass
class Hidden:
    """The containers not all of whose uploads could be looked at; with ``any``, perhaps others."""

    containers: set[str] = field(default_factory=set)
    any: bool = False


class Inventory:
    """The buckets of one store, one list after the other."""

    def __init__(self, client: Client, buckets: Buckets, keys: Keys, items: Pass) -> None:
        self._client = client
        self._buckets = buckets
        self._keys = keys
        self._pass = items

    async def ledgers(self, tell: Tell, hidden: Hidden) -> AsyncIterator[FoundUpload]:
        """What uploads in several requests keep, in the order of containers and ids."""
        bucket = self._keys.bucket

        async def below(prefix: str) -> AsyncIterator[tuple[str, FoundUpload]]:
            async for found in _ledgers(self._client, bucket, prefix):
                yield self._keys.ledger(found.container, found.upload_id).prefix, found

        async for found in self._below(bucket, UPLOADS, below, tell, hidden):
            yield found

    async def multiparts(self, tell: Tell) -> AsyncIterator[FoundMultipart]:
        """The multipart uploads that make files, or contents of uploads."""
        buckets, broken = await self._buckets.all()
        if broken is not None:
            why = await self._pass.judge(broken)
            tell(Flaw(f"the buckets of containers cannot all be listed: {why}"))
        for bucket, prefix in [
            *((each, FILES) for each in buckets),
            (self._keys.bucket, UPLOADS),
        ]:

            async def below(
                prefix: str, bucket: str = bucket
            ) -> AsyncIterator[tuple[str, FoundMultipart]]:
                async for found in _multiparts(self._client, bucket, prefix):
                    yield found.key, found

            async for found in self._below(bucket, prefix, below, tell, Hidden()):
                yield found

    async def foreign_keys(self, tell: Tell) -> AsyncIterator[Flaw]:
        """The keys where files and uploads are that are neither's; they do no harm."""
        places = [(self._keys.bucket, UPLOADS)]
        if self._keys.own_buckets:
            buckets, _ = await self._buckets.all()
            places += [(each, FILES) for each in buckets if each != self._keys.bucket]
        else:
            places += [(self._keys.bucket, FILES)]
        for bucket, prefix in places:

            async def below(prefix: str, bucket: str = bucket) -> AsyncIterator[tuple[str, str]]:
                async for answer in pages(self._client, bucket, prefix):
                    for item in answer.get("Contents", ()):
                        yield item["Key"], item["Key"]

            async for key in self._below(bucket, prefix, below, tell, Hidden()):
                found = self.flaw("no file and no upload has this key", bucket, key, harmless=True)
                if found.name is None and found.upload_id is None and not key.startswith(PROBES):
                    yield found

    def flaw(self, what: str, bucket: str, key: str, *, harmless: bool = False) -> Flaw:
        """A flaw of what has this key: a file's or an upload's, or else the key's."""
        kind, _, rest = key.partition("/")
        owner = self._keys.container_of_bucket(bucket)
        if owner is None:
            owner, _, rest = rest.partition("/")
        if not is_container_name(owner):
            return Flaw(what, key=key, harmless=harmless)
        container = Container(owner)
        if f"{kind}/" == FILES and is_file_name(rest):
            return Flaw(what, container, name=rest, harmless=harmless)
        upload_id, _, _ = rest.partition("/")
        if f"{kind}/" == UPLOADS and rest.count("/") == 1 and is_upload_id(upload_id):
            return Flaw(what, container, upload_id=upload_id, harmless=harmless)
        return Flaw(what, container, key=key, harmless=harmless)

    async def _below(
        self, bucket: str, prefix: str, listing: Listing[T], tell: Tell, hidden: Hidden
    ) -> AsyncIterator[T]:
        """What a listing finds below a prefix, or else below it of each container."""
        last = ""
        try:
            async for key, found in listing(prefix):
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
            async for key, found in self._below_each(prefix, listing, tell, hidden):
                if key > last:
                    yield found

    async def _below_each(
        self, prefix: str, listing: Listing[T], tell: Tell, hidden: Hidden
    ) -> AsyncIterator[tuple[str, T]]:
        containers, broken = await self._buckets.containers()
        hidden.any = hidden.any or broken is not None
        for container in sorted(containers):
            below = f"{prefix}{container}/"
            try:
                async for each in listing(below):
                    yield each
            except FileUploaderError as error:
                hidden.containers.add(container)
                tell(_broken_off(await self._pass.judge(error, below), below, container))


def _broken_off(why: str, prefix: str, owner: str | None) -> Flaw:
    what = f"what is below this cannot all be listed: {why}"
    return Flaw(what, None if owner is None else Container(owner), key=prefix)


async def _ledgers(client: Client, bucket: str, prefix: str) -> AsyncIterator[FoundUpload]:
    found: FoundUpload | None = None
    async for answer in pages(client, bucket, prefix):
        now = date_of(answer)
        for item in answer.get("Contents", ()):
            place = item["Key"].split("/")
            if len(place) != _DEPTH or not (is_container_name(place[1]) and is_upload_id(place[2])):
                continue
            modified = item["LastModified"].astimezone(UTC)
            if found is None or [found.container.name, found.upload_id] != place[1:3]:
                if found is not None:
                    yield found
                found = FoundUpload(Container(place[1]), place[2], modified, now)
            found.size += item["Size"]
            found.newest, found.now = max(found.newest, modified), now
            found.has_record = found.has_record or place[3] == RECORD
    if found is not None:
        yield found


async def _multiparts(client: Client, bucket: str, prefix: str) -> AsyncIterator[FoundMultipart]:
    more: dict[str, Any] = {}
    while True:
        answer = await client.call("list_multipart_uploads", Bucket=bucket, Prefix=prefix, **more)
        now = date_of(answer)
        for each in answer.get("Uploads", ()):
            if each["Key"].startswith(prefix):
                yield FoundMultipart(bucket, each["Key"], each["UploadId"], each["Initiated"], now)
        if not answer.get("IsTruncated") or not answer.get("NextKeyMarker"):
            return
        following = {
            "KeyMarker": answer["NextKeyMarker"],
            "UploadIdMarker": answer.get("NextUploadIdMarker", ""),
        }
        if following == more:
            raise StorageFailed("The object store's list does not go on.")
        more = following

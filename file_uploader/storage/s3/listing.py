"""A container's entries, page by page.

Providers differ in what a start inside a rolled-up prefix means, and in how their continuation
tokens go on after one. So each page is asked for by ``StartAfter`` alone, computed here, and what a
page holds besides is filtered: every entry comes once, in strict order.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from file_uploader.errors import StorageFailed
from file_uploader.model.files import Usage
from file_uploader.model.listing import ListedFile, ListedPrefix, ListEntry, ListQuery
from file_uploader.model.names import MAX_NAME_BYTES, is_file_name
from file_uploader.storage.s3.client.client import Client

from .keys import PAST, Prefix, etag_of, modified

MAX_COUNTED = 10_000
"""Files that `usage` counts; a container with more costs more requests than the answer is worth."""

_FIRST_PAGE = 100
"""A list of everything begins with a short page: a provider takes ten times as long for a full
one, and the client sees nothing until then."""

_PAGE = 1000
_NOT_IN_NAMES = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


_NEXT = {
    "list_buckets": {"ContinuationToken": "ContinuationToken"},
    "list_parts": {"PartNumberMarker": "NextPartNumberMarker"},
    "list_multipart_uploads": {
        "KeyMarker": "NextKeyMarker",
        "UploadIdMarker": "NextUploadIdMarker",
    },
}
"""What asks for the next page of a list, and what the page before calls it."""


async def pages(
    client: Client, bucket: str, prefix: str, **more: str
) -> AsyncIterator[dict[str, Any]]:
    """Every object below a prefix, in the order of their keys, as S3 answers: page by page."""
    start: dict[str, str] = {}
    while True:
        answer = await client.call("list_objects_v2", Bucket=bucket, Prefix=prefix, **more, **start)
        yield answer
        ends = [item["Key"] for item in answer.get("Contents", ())][-1:]
        ends += [each["Prefix"] + PAST for each in answer.get("CommonPrefixes", ())]
        if not answer.get("IsTruncated") or not ends:
            return
        start = _following(start, {"StartAfter": max(ends)})


async def marked_pages(
    client: Client, operation: str, **parameters: Any
) -> AsyncIterator[dict[str, Any]]:
    """The pages of a list that says itself how it goes on."""
    start: dict[str, Any] = {}
    while True:
        answer = await client.call(operation, **parameters, **start)
        yield answer
        following = {name: answer.get(said, "") for name, said in _NEXT[operation].items()}
        more = answer.get("IsTruncated", operation == "list_buckets")
        if not more or not next(iter(following.values())):
            return
        start = _following(start, following)


def _following(before: dict[str, Any], start: dict[str, Any]) -> dict[str, Any]:
    if start == before:
        raise StorageFailed("The object store's list does not go on.")
    return start


async def entries(
    client: Client, place: Prefix, query: ListQuery
) -> AsyncIterator[Sequence[ListEntry]]:
    """What `Storage.list` yields, for a bucket that exists."""
    if _NOT_IN_NAMES.search(query.prefix) or len(query.prefix.encode()) > MAX_NAME_BYTES:
        return
    parameters: dict[str, Any] = {"Bucket": place.bucket, "Prefix": place.prefix + query.prefix}
    if query.delimiter and not _NOT_IN_NAMES.search(query.delimiter):
        parameters["Delimiter"] = query.delimiter
    position = _Position(query, place)
    left = query.limit
    page_size = _PAGE if left is not None else _FIRST_PAGE
    while left is None or left > 0:
        # A few more than wanted, for those that are passed already.
        size = page_size if left is None else min(page_size, left + 16)
        answer = await client.call(
            "list_objects_v2", **parameters, **position.start(), MaxKeys=size
        )
        new = position.go_past(_entries(answer, place, query))
        page = [entry for entry in new if _can_be_seen(entry)][:left]
        if page:
            yield page
        if not answer.get("IsTruncated"):
            return
        if not new:
            raise StorageFailed("The object store's list does not go on.")
        left = None if left is None else left - len(page)
        page_size = _PAGE


async def usage(pages: AsyncIterator[Sequence[ListEntry]]) -> Usage | None:
    """What `Storage.usage` returns, from a list of everything."""
    files = size = 0
    async for page in pages:
        files += len(page)
        size += sum(entry.size for entry in page if isinstance(entry, ListedFile))
        if files > MAX_COUNTED:
            return None
    return Usage(files, size)


class _Position:
    """How far a list has come: names up to here are not shown any more."""

    def __init__(self, query: ListQuery, place: Prefix) -> None:
        self._prefix = place.prefix
        self._last = query.marker
        self._inside = query.passed_prefix

    def start(self) -> dict[str, str]:
        """The parameter that makes the next page start here, or a little before."""
        last = _sendable(self._last) if self._inside is None else self._inside + PAST
        return {"StartAfter": self._prefix + last} if last else {}

    def go_past(self, entries: Iterable[ListEntry]) -> Sequence[ListEntry]:
        """Those entries that lie ahead, in order; the position is after them then."""
        ahead = []
        for entry in sorted(entries, key=lambda entry: entry.name):
            inside = self._inside is not None and entry.name.startswith(self._inside)
            if entry.name > self._last and not inside:
                self._last = entry.name
                self._inside = entry.name if isinstance(entry, ListedPrefix) else None
                ahead.append(entry)
        return ahead


def _entries(answer: dict[str, Any], place: Prefix, query: ListQuery) -> set[ListEntry]:
    found: set[ListEntry] = set()
    for item in answer.get("Contents", ()):
        name = item["Key"].removeprefix(place.prefix)
        if (rolled_up := query.rolled_up(name)) is not None:
            found.add(ListedPrefix(rolled_up))
        else:
            written = modified(item).replace(microsecond=0)
            found.add(ListedFile(name, item["Size"], etag_of(item), written))
    for item in answer.get("CommonPrefixes", ()):
        found.add(ListedPrefix(item["Prefix"].removeprefix(place.prefix)))
    return found


def _can_be_seen(entry: ListEntry) -> bool:
    """Whether the entry is, or may hold, a file of ours: others may write to the bucket too."""
    if isinstance(entry, ListedFile):
        return is_file_name(entry.name)
    return is_file_name(entry.name) or is_file_name(entry.name + "x")


def _sendable(marker: str) -> str:
    """The marker, or a string below it where a key cannot hold it; the filter does the rest.

    No name lies in between, but for a DEL or what is too long: few enough for one page.
    """
    if (bad := _NOT_IN_NAMES.search(marker)) is not None:
        below = "~" + PAST if bad.group() == "\x7f" else ""
        marker = marker[: bad.start()] + below
    return marker.encode()[:MAX_NAME_BYTES].decode(errors="ignore")

"""Conditional requests: RFC 9110, section 13."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache

from starlette.datastructures import Headers

from file_uploader.errors import InvalidHeader
from file_uploader.model.conditions import UNCONDITIONAL, EntityTags, Precondition
from file_uploader.model.files import FileInfo

from .headers import combined, single

_OF_WRITE = frozenset({"if-match", "if-none-match", "if-unmodified-since"})
_OF_READ = _OF_WRITE | {"if-modified-since", "if-range", "range"}

# Empty elements of a list are to be ignored (5.6.1.2).
_TAG = re.compile(r'[\s,]*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*(?:,[\s,]*|$)')


def http_date(moment: datetime) -> str:
    """Render an IMF-fixdate (RFC 9110, 5.6.7): whole seconds, the fraction dropped."""
    return _fixdate(moment.replace(microsecond=0))


@lru_cache(maxsize=4096)
def _fixdate(second: datetime) -> str:
    return format_datetime(second.astimezone(UTC), usegmt=True)


def of_read(headers: Headers) -> bool:
    """Whether a read can be answered only once the file's version is known."""
    return not _OF_READ.isdisjoint(headers)


def write_precondition(headers: Headers) -> Precondition:
    """The state that a PUT or DELETE demands. Raises `InvalidHeader`."""
    if _OF_WRITE.isdisjoint(headers):
        return UNCONDITIONAL
    return Precondition(
        if_match=_entity_tags(headers, "If-Match", weak=False),
        if_none_match=_entity_tags(headers, "If-None-Match", weak=True),
        if_unmodified_since=_date(headers, "If-Unmodified-Since"),
    )


def not_modified(headers: Headers, info: FileInfo) -> bool:
    """Decide a GET or HEAD in the order of 13.2.2: True means `304`.

    Raises `PreconditionFailed` where the answer is `412`, and `InvalidHeader`.
    """
    Precondition(
        if_match=_entity_tags(headers, "If-Match", weak=False),
        if_unmodified_since=_date(headers, "If-Unmodified-Since"),
    ).check(info)
    if_none_match = _entity_tags(headers, "If-None-Match", weak=True)
    if if_none_match is not None:
        return if_none_match.match(info)
    since = _date(headers, "If-Modified-Since")
    return since is not None and info.modified.replace(microsecond=0) <= since


def tag_not_modified(headers: Headers, etag: str) -> bool:
    """Decide a GET or HEAD of what has a tag and no other validator: True means `304`.

    Raises `InvalidHeader`.
    """
    if_none_match = _entity_tags(headers, "If-None-Match", weak=True)
    return if_none_match is not None and if_none_match.names(etag)


def range_applies(headers: Headers, info: FileInfo) -> bool:
    """Whether ``If-Range`` lets the Range count (13.1.5): only the strong tag of this version.

    A date never does: of two versions within one second it cannot tell which, so it is no strong
    validator (8.8.2.2), and every file has a strong tag.
    """
    value = single(headers, "If-Range")
    return value is None or value == f'"{info.etag}"'


def _entity_tags(headers: Headers, name: str, *, weak: bool) -> EntityTags | None:
    """Parse a list of entity tags; of weak ones only where the comparison is weak (8.8.3.2)."""
    value = combined(headers, name)
    if value is None:
        return None
    if value.strip() == "*":
        return EntityTags(any=True)
    tags, position = set(), 0
    while position < len(value):
        match = _TAG.match(value, position)
        if match is None:
            raise InvalidHeader(f'{name} has to be * or a list of entity tags: "…", "…".')
        if weak or not match[1]:
            tags.add(match[2])
        position = match.end()
    return EntityTags(frozenset(tags))


def _date(headers: Headers, name: str) -> datetime | None:
    """Parse a date; one that is none is ignored, as 13.1.3 and 13.1.4 demand."""
    value = single(headers, name)
    if value is None:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

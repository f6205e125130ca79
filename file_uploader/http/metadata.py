"""The headers that are kept with a file and given back with it."""

from __future__ import annotations

import re
from urllib.parse import quote

from starlette.datastructures import Headers

from file_uploader.errors import InvalidHeader
from file_uploader.model import FileName, Metadata

from .headers import single

CUSTOM = "x-object-meta-"
MAX_CUSTOM = 1536
"""Bytes of the custom metadata, names without their prefix and values: S3 allows 2 KiB in all."""
MAX_STANDARD = 1536
"""Bytes of the values of all other kept headers, for the same reason."""

_VISIBLE = re.compile(r"[\x20-\x7e\t]*")
_KEPT = {
    "Content-Encoding": "content_encoding",
    "Content-Language": "content_language",
    "Content-Disposition": "content_disposition",
    "Cache-Control": "cache_control",
}


def read(headers: Headers, content_type: str | None = None) -> Metadata:
    """What a request says of its file. Raises `InvalidHeader`.

    ``content_type`` is the file's where the request's Content-Type is not.
    """
    kept = {
        field: value
        for name, field in _KEPT.items()
        if name in headers and (value := _visible(headers, name))
    }
    if content_type is None:
        content_type = _visible(headers, "Content-Type") or Metadata().content_type
    if len(content_type) + sum(map(len, kept.values())) > MAX_STANDARD:
        raise InvalidHeader(
            f"Content-Type and the other kept headers may have {MAX_STANDARD} bytes in all."
        )
    custom: dict[str, str] = {}
    for name in headers:
        if name.startswith(CUSTOM) and name not in custom:
            custom[name] = _visible(headers, name) or ""
    custom = {name.removeprefix(CUSTOM): value for name, value in custom.items()}
    if "" in custom:
        raise InvalidHeader("X-Object-Meta- has to be followed by a name.")
    if sum(len(name) + len(value) for name, value in custom.items()) > MAX_CUSTOM:
        raise InvalidHeader(
            f"X-Object-Meta-* may have {MAX_CUSTOM} bytes in all, names and values."
        )
    return Metadata(content_type=content_type, custom=custom, **kept)


def render(metadata: Metadata) -> dict[str, str]:
    """The headers of a GET or HEAD. A stored Cache-Control is not among them.

    Behind a token every answer is private; that one is for public links.
    """
    found = {"content-type": metadata.content_type}
    if metadata.content_encoding is not None:
        found["content-encoding"] = metadata.content_encoding
    if metadata.content_language is not None:
        found["content-language"] = metadata.content_language
    if metadata.content_disposition is not None:
        found["content-disposition"] = metadata.content_disposition
    for name, value in metadata.custom.items():
        found[CUSTOM + name] = value
    return found


def attachment(name: FileName) -> str:
    """The Content-Disposition that makes a browser save the file (RFC 6266 and RFC 8187)."""
    last = name.value.rpartition("/")[2]
    plain = re.sub(r'[^\x20-\x7e]|["\\%]', "_", last)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(last, safe='')}"


def _visible(headers: Headers, name: str) -> str | None:
    value = single(headers, name)
    return None if value is None else visible(name, value)


def visible(name: str, value: str) -> str:
    """The value, if it can be kept and given back as a header. Raises `InvalidHeader`."""
    if not _VISIBLE.fullmatch(value):
        raise InvalidHeader(f"{name} may hold visible ASCII only; encode what is not.")
    return value

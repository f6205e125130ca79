"""The headers that are kept with a file and given back with it."""

from __future__ import annotations

import re
from urllib.parse import quote

from starlette.datastructures import Headers

from file_uploader.model.files import Metadata
from file_uploader.model.names import FileName

from .headers import single

CUSTOM = "x-object-meta-"
_KEPT = {
    "Content-Encoding": "content_encoding",
    "Content-Language": "content_language",
    "Content-Disposition": "content_disposition",
    "Cache-Control": "cache_control",
}


def read(headers: Headers, content_type: str | None = None) -> Metadata:
    """What a request says of its file; whether it may be stored is the store's to say.

    ``content_type`` is the file's where the request's Content-Type is not. Raises `InvalidHeader`
    for a header that is given twice.
    """
    kept = {
        field: value
        for name, field in _KEPT.items()
        if name in headers and (value := single(headers, name))
    }
    custom = {
        name.removeprefix(CUSTOM): single(headers, name) or ""
        for name in headers
        if name.startswith(CUSTOM)
    }
    if content_type is None:
        content_type = single(headers, "Content-Type") or Metadata().content_type
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

"""The headers that are kept with a file and given back with it."""

from __future__ import annotations

import re
from urllib.parse import quote

from starlette.datastructures import Headers

from file_uploader.model.files import CUSTOM, STANDARD, Metadata
from file_uploader.model.names import FileName

from .headers import single

_KEPT = {name.lower(): name for name in STANDARD if name != "Content-Type"}
_CUSTOM = CUSTOM.lower()


def read(headers: Headers, content_type: str | None = None) -> Metadata:
    """What a request says of its file; whether it may be stored is the store's to say.

    ``content_type`` is the file's where the request's Content-Type is not. Raises `InvalidHeader`
    for a header that is given twice.
    """
    kept, custom = {}, {}
    for found in headers:
        if name := _KEPT.get(found):
            if value := single(headers, name):
                kept[STANDARD[name]] = value
        elif found.startswith(_CUSTOM):
            custom[found.removeprefix(_CUSTOM)] = single(headers, found) or ""
    if content_type is None:
        content_type = single(headers, "Content-Type") or Metadata().content_type
    return Metadata(content_type=content_type, custom=custom, **kept)


def render(metadata: Metadata) -> dict[str, str]:
    """The headers of a GET or HEAD. A stored Cache-Control is not among them.

    Behind a token every answer is private; that one is for public links.
    """
    found = {name.lower(): value for name, value in metadata.standard.items()}
    found.pop("cache-control", None)
    for name, value in metadata.custom.items():
        found[_CUSTOM + name] = value
    return found


def attachment(name: FileName) -> str:
    """The Content-Disposition that makes a browser save the file (RFC 6266 and RFC 8187)."""
    last = name.value.rpartition("/")[2]
    plain = re.sub(r'[^\x20-\x7e]|["\\%]', "_", last)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(last, safe='')}"

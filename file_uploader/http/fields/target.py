"""The request target, byte for byte: percent-decoded exactly once, strictly as UTF-8."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote_to_bytes

from file_uploader.errors import (
    FileUploaderError,
    InvalidLink,
    InvalidName,
    InvalidParameter,
    NoSuchUpload,
)
from file_uploader.model.names import FileName
from file_uploader.model.uploads import is_upload_id

METHODS = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS")
"""All that some resource here knows."""

SERVER = b"*"
"""The target of an OPTIONS that asks about the server as a whole (RFC 9112, 3.2.4)."""

FILES = b"/api/files"
UPLOADS = b"/api/uploads"
LINKS = b"/api/links"

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# A version and fields have 48 letters. Whoever has the rest can undo how it was written.
_SLASH, _WORD = "(?:/|%2F)", "".join(f"(?:{letter}|%{ord(letter):X})" for letter in "links")
_LINK_MAC = re.compile(rf"({_SLASH}{_WORD}{_SLASH}[^/?#]{{48}})[^/?#]+", re.IGNORECASE)
_ABSOLUTE_FORM = re.compile(rb"(https?)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)


def split(sent: bytes) -> tuple[tuple[str, str] | None, bytes]:
    """The path of a target as it was sent, without its query; and what comes before it.

    That is a scheme and an authority in absolute form (RFC 9112, 3.2.2), else nothing.
    """
    match = _ABSOLUTE_FORM.fullmatch(sent)
    if match is None:
        return None, sent
    scheme, authority, path = (each.decode("latin-1") for each in match.groups())
    return (scheme.lower(), authority), path.encode("latin-1") or b"/"


def file_name(path: bytes) -> FileName:
    """The name in a raw path below ``/api/files/``. Raises `InvalidName`."""
    return FileName(_decode(path.removeprefix(FILES + b"/"), InvalidName, "A file name"))


def upload_id(path: bytes) -> str:
    """The id in a raw path below ``/api/uploads/``. Raises `NoSuchUpload` for what is none."""
    text = path.removeprefix(UPLOADS + b"/").decode("latin-1")
    if not is_upload_id(text):
        raise NoSuchUpload("There is no such upload.")
    return text


def upload_path(upload_id: str) -> str:
    """Where an upload is."""
    return f"{UPLOADS.decode()}/{upload_id}"


def link_of(path: bytes) -> tuple[str, FileName]:
    """A link's text and its file's name, from a raw path below ``/api/links/``.

    Raises `InvalidLink` for what cannot be one.
    """
    text, _, name = path.removeprefix(LINKS + b"/").partition(b"/")
    try:
        return text.decode("latin-1"), FileName(_decode(name, InvalidName, "A file name"))
    except InvalidName:
        raise InvalidLink("This is not a whole link: its file's name is not one.") from None


def link_path(text: str, name: FileName) -> str:
    """Where a link leads, percent-encoded."""
    return f"{LINKS.decode()}/{text}/{quote(name.value)}"


def of_upload(path: bytes) -> bool:
    """Whether a raw path is that of the uploads, or of one."""
    return path == UPLOADS or path.startswith(UPLOADS + b"/")


def without_secrets(text: str) -> str:
    """A request target as a log may show it: what makes a link valid is left out.

    Also of a link that was encoded or cut on its way, and so is none any more.
    """
    return _LINK_MAC.sub(r"\1.***", text) if "links" in text or "%" in text else text


def parameters(query: bytes, known: Iterable[str]) -> dict[str, str]:
    """The query's parameters; ``+`` is a space, as forms encode it.

    Raises `InvalidParameter` for one that is not known here, given twice, or not UTF-8.
    """
    found: dict[str, str] = {}
    if not query:
        return found
    allowed = list(known)
    for pair in query.split(b"&"):
        if not pair:
            continue
        raw_key, _, raw_value = pair.partition(b"=")
        key = _decode(raw_key.replace(b"+", b" "), InvalidParameter, "A parameter's name")
        if key not in allowed:
            expected = ", ".join(allowed) if allowed else "none"
            raise InvalidParameter(f"Unknown parameter {key!r}; known here: {expected}.")
        if key in found:
            raise InvalidParameter(f"The parameter {key!r} is given twice.")
        found[key] = _decode(raw_value.replace(b"+", b" "), InvalidParameter, f"{key!r}")
    return found


def _decode(raw: bytes, error: type[FileUploaderError], what: str) -> str:
    if raw.isalnum():
        return raw.decode("ascii")
    if _BAD_ESCAPE.search(raw):
        raise error(f"{what} has a '%' that two hex digits do not follow; write it as %25.")
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise error(f"{what} has to be percent-encoded UTF-8.") from None

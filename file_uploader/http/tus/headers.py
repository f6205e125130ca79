"""The request headers of tus 1.0.0, read strictly: pure parsing.

Sections named here are those of the protocol's text.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from starlette.datastructures import Headers

from file_uploader.errors import DigestUnsupported, FileTooLarge, InvalidHeader
from file_uploader.http.fields import digests, target
from file_uploader.http.fields.headers import bytes_number, combined, single

VERSION = "1.0.0"

ALGORITHMS = {"sha1": ("sha1", 20), "sha256": ("sha256", 32)}
"""The checksum algorithms: name in `hashlib`, and length in bytes."""

MOST_BYTES = 2**63 - 1
"""What no file system and no object store goes beyond."""

_PAIR = re.compile(r"([\x21-\x2b\x2d-\x7e\x80-\xff]+)(?: ([A-Za-z0-9+/=]*))?")


@dataclass(frozen=True, slots=True)
class Concat:
    """An ``Upload-Concat`` ("Concatenation"): ``sources`` are ids, and none for a partial upload.

    ``given`` is the header word for word.
    """

    given: str
    sources: tuple[str, ...] = ()


def metadata(headers: Headers) -> tuple[str | None, Mapping[str, bytes]]:
    """``Upload-Metadata`` ("Creation"), word for word and decoded. Raises `InvalidHeader`."""
    given = combined(headers, "Upload-Metadata")
    if not given:
        return None, {}
    found: dict[str, bytes] = {}
    for pair in given.split(","):
        match = _PAIR.fullmatch(pair.strip(" \t"))
        if match is None:
            raise InvalidHeader(
                "Upload-Metadata has to look like: key <base64>,key <base64>; a key has neither"
                " spaces nor commas and is not empty."
            )
        key, value = match[1], match[2] or ""
        if key in found:
            raise InvalidHeader(f"Upload-Metadata holds the key {key!r} twice; keys are unique.")
        try:
            found[key] = binascii.a2b_base64(value, strict_mode=True)
        except binascii.Error:
            raise InvalidHeader(
                f"The value of {key!r} in Upload-Metadata has to be base64, with its padding."
            ) from None
    return given, found


def concat(headers: Headers, path: bytes) -> Concat | None:
    """``Upload-Concat`` ("Concatenation"); None without it. ``path`` is that of the request.

    Raises `InvalidHeader`, and `NoSuchUpload` for URLs below ours that are of no upload.
    """
    given = single(headers, "Upload-Concat")
    if given is None:
        return None
    if given == "partial":
        return Concat(given)
    kind, _, rest = given.partition(";")
    urls = [url for url in rest.split(" ") if url]
    if kind != "final" or not urls:
        raise InvalidHeader(
            "Upload-Concat has to be 'partial', or 'final;' and the URLs of the partial uploads,"
            " separated by spaces."
        )
    return Concat(given, tuple(_upload_id(url, path.decode("latin-1")) for url in urls))


def length(headers: Headers) -> int | None:
    """``Upload-Length``; None without it. Raises `InvalidHeader` and `FileTooLarge`."""
    found = bytes_number(headers, "Upload-Length")
    if found is not None and found > MOST_BYTES:
        raise FileTooLarge("No file can have so many bytes.")
    return found


def length_or_deferred(headers: Headers) -> int | None:
    """``Upload-Length``; None where ``Upload-Defer-Length`` says that it comes later.

    Raises `InvalidHeader` where not exactly one of the two is there ("Creation", POST).
    """
    found, deferred = length(headers), single(headers, "Upload-Defer-Length")
    if deferred not in (None, "1"):
        raise InvalidHeader("Upload-Defer-Length can only be 1.")
    if (found is None) == (deferred is None):
        raise InvalidHeader("Send either Upload-Length or Upload-Defer-Length: 1.")
    return found


def digests_of(headers: Headers, *, goes_on: bool = False) -> dict[str, bytes]:
    """The digests that a request's body must have, by `hashlib` name.

    Those of ``Upload-Checksum``, and those that every request may have; ``goes_on``: as one that
    goes on with an upload. Raises `DigestUnsupported` and `InvalidHeader`.
    """
    read = digests.of_piece if goes_on else digests.of_content
    found = read(headers, own="upload-checksum")
    for algorithm, digest in checksum(headers).items():
        if found.setdefault(algorithm, digest) != digest:
            raise InvalidHeader("Upload-Checksum and Content-Digest contradict each other.")
    return found


def checksum(headers: Headers) -> dict[str, bytes]:
    """``Upload-Checksum`` ("Checksum") by `hashlib` name; empty without it.

    Raises `DigestUnsupported` and `InvalidHeader`.
    """
    given = single(headers, "Upload-Checksum")
    if given is None:
        return {}
    name, _, value = given.partition(" ")
    if name not in ALGORITHMS:
        raise DigestUnsupported(
            "Upload-Checksum has to look like: sha1 <base64>; the algorithms are"
            f" {' and '.join(ALGORITHMS)}."
        )
    algorithm, size = ALGORITHMS[name]
    return {algorithm: digests.decode("Upload-Checksum", value, size)}


def _upload_id(url: str, base: str) -> str:
    """The id in the URL of an upload, absolute or relative to ``base``.

    It may have been told through another proxy than the one that it comes back through. So neither
    its host nor what it has before our path counts: the id is a client's own, and nobody else's.
    """
    try:
        split = urlsplit(urljoin(base, url))
    except ValueError:
        split = urlsplit("")
    _, found, text = split.path.rpartition(f"{target.UPLOADS.decode()}/")
    if split.query or split.fragment or not found:
        raise InvalidHeader(
            "Upload-Concat has to name uploads of this server: /api/uploads/{id}, as Location said."
        )
    return target.upload_id(target.upload_path(text).encode())

"""Text made to keep a parser busy: time grows with its length, not with a power of it.

Every pattern that the service compiles is found by itself and tried, and so is each parser of what
a client sends, with prefixes, repetitions and ends put together from all their grammars.
"""

from __future__ import annotations

import importlib
import itertools
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from starlette.datastructures import Headers

import file_uploader
from file_uploader.errors import FileUploaderError
from file_uploader.http.fields import (
    conditions,
    digests,
    metadata,
    negotiation,
    ranges,
    sandbox,
    structured,
    target,
)
from file_uploader.http.fields.base_url import BaseURLs, TrustedProxies
from file_uploader.http.links import redirect
from file_uploader.http.resumable import versions
from file_uploader.http.routing import authenticate
from file_uploader.http.tus import headers
from file_uploader.links import LinkKeys
from file_uploader.model.files import FileInfo, Metadata
from file_uploader.model.names import FileName
from tests.support.rounds import LONG

SIZES = (125, 1000, 8000 if LONG else 4000)
"""Characters; a header has 8,190 at most. What grows too fast ends before the longest."""

PATIENCE = 0.03
"""Seconds of CPU for one call: ten times what any takes, and half of what the square takes."""

PREFIXES = ["", "a", "a=", "a =", "bytes", "bytes=", "?1", "1;", '"', 'W/"', "text/", "sha-256=:"]
PREFIXES += ["filename ", "final;", "/api/links/1.", "/api/files/", "http://", "attachment"]
PREFIXES += ["a=(", ":"]
PUMPS = [" ", "\t", " \t", ",", ", ", ";", "; ", "; a", ";a=1", "=", ":", '"', '"",', '"a", ', "W/"]
PUMPS += ["a", "a,", "a=", "a=1,", "a=:", "0", "00,", "-", "0-", "/", "/.", ".", "%", "%2", "%41"]
PUMPS += [
    "+xml ",
    "(",
    "1 ",
    "%e2%82%ac",
    "\\",
    '\\"',
    "\xa0",
    "\x85 ",
    "*",
    "A",
    "A=",
    "?",
    "@",
    "&",
    "a&",
    "a=b&",
    "[",
    "Z",
]
SUFFIXES = ["", "!", ":", '"', ","] + (["=", "x", "\x7f", " x", ";", "%"] if LONG else [])


def _texts(size: int) -> Iterator[str]:
    for prefix, pump, suffix in itertools.product(PREFIXES, PUMPS, SUFFIXES):
        yield prefix + pump * (size // len(pump)) + suffix


def _slowest(call: Callable[[str], object]) -> float:
    """Seconds of CPU that the slowest of all texts took. Fails as soon as one takes too long."""
    slowest = 0.0
    for size in SIZES:
        for text in _texts(size):
            began = time.process_time()
            with suppress(FileUploaderError):
                call(text)
            took = time.process_time() - began
            assert took < PATIENCE, f"{took:.3f} s for {size} of {text[:60]!r}…{text[-3:]!r}"
            slowest = max(slowest, took)
    return slowest


def _patterns() -> dict[str, re.Pattern[str] | re.Pattern[bytes]]:
    """Every pattern that a module of the service keeps."""
    found = {}
    for info in pkgutil.walk_packages(file_uploader.__path__, "file_uploader."):
        if info.name in ("file_uploader.asgi", "file_uploader.server.configuration"):
            continue  # These start the service.
        for name, value in vars(importlib.import_module(info.name)).items():
            if isinstance(value, re.Pattern):
                found[f"{info.name.removeprefix('file_uploader.')}:{name}"] = value
    return found


PATTERNS = _patterns()


def test_the_patterns_are_found() -> None:
    assert {
        "http.fields.structured:_MEMBER",
        "http.fields.target:_BAD_ESCAPE",
        "links:_TEXT",
    } <= PATTERNS.keys()


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern(name: str) -> None:
    pattern = PATTERNS[name]

    def both(text: str) -> None:
        if isinstance(pattern.pattern, bytes):
            raw = text.encode("latin-1")
            pattern.match(raw)
            pattern.fullmatch(raw)
        else:
            pattern.match(text)
            pattern.fullmatch(text)

    _slowest(both)


INFO = FileInfo(FileName("a"), 1, "tag", datetime(2026, 1, 1, tzinfo=UTC), Metadata(), None)
KEYS = LinkKeys([b"k" * 32])


def _raw(parse: Callable[[bytes], object]) -> Callable[[str], object]:
    return lambda text: parse(text.encode("latin-1"))


def _field(name: str, parse: Callable[[Headers], object]) -> Callable[[str], object]:
    return lambda text: parse(Headers({name: text}))


def _located(name: bytes) -> Callable[[str], object]:
    base_urls = BaseURLs("/a", TrustedProxies(("*",)))
    scope = {"raw_path": b"/", "scheme": "http", "http_version": "1.0"}
    return lambda text: base_urls.located({**scope, "headers": [(name, text.encode("latin-1"))]})


def _shown(content_type: str) -> object:
    info = FileInfo(FileName("a"), 1, "t", INFO.modified, Metadata(content_type), None)
    return redirect._disposition(info, wanted=False)


def _disposed(disposition: str) -> object:
    said = Metadata(content_disposition=disposition)
    info = FileInfo(FileName("a"), 1, "t", INFO.modified, said, None)
    return redirect._disposition(info, wanted=False)


PARSERS: dict[str, Callable[[str], object]] = {
    "Content-Digest": _field("Content-Digest", digests.announced),
    "Repr-Digest": _field("Repr-Digest", digests.announced),
    "Content-MD5": _field("Content-MD5", digests.announced),
    "Want-Repr-Digest": _field("Want-Repr-Digest", digests.wanted),
    **{
        name: _field(name, conditions.write_precondition)
        for name in ("If-Match", "If-None-Match", "If-Unmodified-Since")
    },
    "If-Modified-Since": _field("If-Modified-Since", lambda it: conditions.not_modified(it, INFO)),
    "If-Range": _field("If-Range", lambda it: conditions.range_applies(it, INFO)),
    "Range": lambda text: ranges.requested(text, 1000),
    "Accept": lambda text: negotiation.choose(text, ("a/b", "c/d")),
    "Accept-Encoding": lambda text: negotiation.admits(text, "gzip"),
    "Content-Type of a request": lambda text: negotiation.require_type(text, "a/b"),
    "Content-Type": _field("Content-Type", metadata.read),
    "Content-Disposition": _field("Content-Disposition", metadata.read),
    "X-Object-Meta": _field("X-Object-Meta-A", metadata.read),
    "Upload-Metadata": _field("Upload-Metadata", headers.metadata),
    "Upload-Concat": _field("Upload-Concat", lambda it: headers.concat(it, b"/api/uploads/")),
    "Host": _located(b"host"),
    "Forwarded": _located(b"forwarded"),
    "X-Forwarded-Host": _located(b"x-forwarded-host"),
    "X-Forwarded-Prefix": _located(b"x-forwarded-prefix"),
    "Upload-Checksum": _field("Upload-Checksum", headers.checksum),
    "Upload-Length": _field("Upload-Length", headers.length),
    "Upload-Complete": _field("Upload-Complete", versions.NEWEST.complete),
    "Upload-Offset": _field("Upload-Offset", lambda it: structured.integer(it, "Upload-Offset")),
    "Upload-Draft-Interop-Version": _field(versions.HEADER, versions.version_of),
    "an item": structured.item,
    "a dictionary": structured.dictionary,
    "X-Auth-Token": _field("X-Auth-Token", authenticate),
    "a target": _raw(target.split),
    "a name": _raw(lambda raw: target.file_name(b"/api/files/" + raw)),
    "an upload": _raw(lambda raw: target.upload_id(b"/api/uploads/" + raw)),
    "a link": _raw(lambda raw: target.link_of(b"/api/links/" + raw)),
    "a link's text": lambda text: KEYS.verify(text, INFO.name, INFO.modified),
    "a query": _raw(lambda raw: target.parameters(raw, ("a", "aa"))),
    "a line of the log": target.without_secrets,
    "a name to save as": lambda text: metadata.attachment(FileName(text[:900])),
    "a type that is shown": lambda text: sandbox.described(text[:1536], lambda _: "", b"/a"),
    "a place in a policy": lambda text: sandbox.described(
        "video/mp4", lambda path: path, text.encode("latin-1")
    ),
    "a type of a direct download": lambda text: _shown(text[:1536]),
    "a disposition of a direct download": lambda text: _disposed(text[:1536]),
}


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser(name: str) -> None:
    print(f"{_slowest(PARSERS[name]) * 1000:.2f} ms")

"""Every error answer: one table from errors to statuses and problem types (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import Response

from file_uploader import errors

from .negotiation import NothingAcceptable
from .ranges import RangeNotSatisfiable

MEDIA_TYPE = "application/problem+json"
PRIVATE = {"cache-control": "private, no-cache", "vary": "X-Auth-Token"}
"""On every answer that depends on the token: all clients share the same URLs."""
RETRY_AFTER = "5"
"""Seconds after which a request that met a full or an absent store may be tried again."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of error: ``slug`` names its section in ``docs/api.md``."""

    slug: str
    status: int
    title: str
    retry: bool = False

    @property
    def type(self) -> str:
        """The problem type: a URI reference into the documentation."""
        return f"/docs/api.md#{self.slug}"


INTERNAL = Problem("internal", 500, "Internal error")
NOT_FOUND = Problem("not-found", 404, "No such resource")
METHOD_NOT_ALLOWED = Problem("method-not-allowed", 405, "Method not allowed")

# What the server refuses before a request exists.
BAD_REQUEST = Problem("bad-request", 400, "Not a valid HTTP request")
HEAD_TIMEOUT = Problem("request-head-timeout", 408, "The request did not arrive")
URI_TOO_LONG = Problem("uri-too-long", 414, "URI too long")
HEADERS_TOO_LARGE = Problem("headers-too-large", 431, "Headers too large")
NOT_IMPLEMENTED = Problem("not-implemented", 501, "Not implemented")

BY_ERROR: Mapping[type[Exception], Problem] = {
    errors.InvalidName: Problem("invalid-name", 400, "Bad file name"),
    errors.InvalidParameter: Problem("invalid-parameter", 400, "Bad parameter"),
    errors.InvalidHeader: Problem("invalid-header", 400, "Bad header"),
    errors.DigestUnsupported: Problem(
        "digest-unsupported-algorithms", 400, "Unsupported digest algorithms"
    ),
    errors.DigestMismatch: Problem("digest-mismatched-values", 400, "Digest does not match"),
    errors.BodyLengthMismatch: Problem("incomplete-body", 400, "Body of another length"),
    errors.ClientDisconnected: Problem("incomplete-body", 400, "Body cut short"),
    errors.Unauthenticated: Problem("unauthenticated", 401, "Token missing or not usable"),
    errors.NoSuchFile: Problem("no-such-file", 404, "No such file"),
    NothingAcceptable: Problem("not-acceptable", 406, "Nothing acceptable"),
    errors.BodyTimeout: Problem("body-timeout", 408, "Body stopped or too slow"),
    errors.PreconditionFailed: Problem("precondition-failed", 412, "Precondition failed"),
    errors.FileTooLarge: Problem("file-too-large", 413, "File too large"),
    RangeNotSatisfiable: Problem("range-not-satisfiable", 416, "Range not satisfiable"),
    errors.StorageFailed: Problem("storage-failed", 502, "Object store failed"),
    errors.StorageUnavailable: Problem(
        "storage-unavailable", 503, "Object store unavailable", retry=True
    ),
    errors.Overloaded: Problem("overloaded", 503, "Too many uploads at once", retry=True),
    errors.StorageTimeout: Problem("storage-timeout", 504, "Object store timed out"),
    errors.StorageFull: Problem("storage-full", 507, "Storage full"),
}

BY_STATUS: Mapping[int, Problem] = {
    problem.status: problem
    for problem in (BAD_REQUEST, HEAD_TIMEOUT, URI_TOO_LONG, HEADERS_TOO_LARGE, NOT_IMPLEMENTED)
}

ALL = (
    *BY_ERROR.values(),
    *BY_STATUS.values(),
    INTERNAL,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
)


def of_error(error: Exception) -> Problem:
    """The problem that an error is answered with, found by its own classes."""
    for kind in type(error).__mro__:
        if problem := BY_ERROR.get(kind):
            return problem
    return INTERNAL


def of_status(status: int) -> Problem:
    """The problem for a request that the server itself refuses with this status."""
    return BY_STATUS.get(status, BAD_REQUEST if 400 <= status < 500 else INTERNAL)


def body(problem: Problem, detail: str) -> bytes:
    """The answer's JSON."""
    return json.dumps(
        {
            "type": problem.type,
            "title": problem.title,
            "status": problem.status,
            "detail": detail,
        }
    ).encode()


def response(problem: Problem, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """The whole answer. ``detail`` says what was wrong and what would be right."""
    answer = Response(
        body(problem, detail),
        problem.status,
        media_type=MEDIA_TYPE,
        headers={**PRIVATE, **(headers or {})},
    )
    if problem.retry:
        answer.headers["Retry-After"] = RETRY_AFTER
    if problem.status == HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = "X-Auth-Token"
    return answer

"""Every error answer: one table from errors to statuses and problem types (RFC 9457)."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import Response

from file_uploader import errors

from . import caching, context, refusals

_log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = "5"
"""Seconds after which a request that met a full or an absent store may be tried again."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of error: ``slug`` names its section in the manual, and in `problem_types`."""

    slug: str
    status: int
    title: str
    retry: bool = False
    registered: bool = False
    """Whether the slug is one of IANA's registry of problem types (RFC 9457, 4.2)."""

    @property
    def type(self) -> str:
        """The problem type: a URI into that registry, or an absolute path of this service."""
        return f"{_REGISTRY if self.registered else DOCUMENTATION}#{self.slug}"


_REGISTRY = "https://iana.org/assignments/http-problem-types"
DOCUMENTATION = "/docs/api.md"
"""Where `problem_types` explains each: the manual's path in the source, and it does not change."""


INTERNAL = Problem("internal", 500, "Internal error")
NOT_FOUND = Problem("not-found", 404, "No such resource")
NO_METRICS_TOKEN = Problem("metrics-token", 401, "Metrics token missing or wrong")
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
    errors.InconsistentLength: Problem(
        "inconsistent-upload-length", 400, "Inconsistent upload length values", registered=True
    ),
    errors.NotConcatenable: Problem("not-concatenable", 400, "Uploads cannot be put together"),
    errors.Unauthenticated: Problem("unauthenticated", 401, "Token missing or not usable"),
    errors.NoSuchFile: Problem("no-such-file", 404, "No such file"),
    errors.InvalidLink: Problem("invalid-link", 403, "Link not valid"),
    errors.NotAppendable: Problem("not-appendable", 403, "Upload takes no bytes"),
    errors.NoSuchUpload: Problem("no-such-upload", 404, "No such upload"),
    refusals.NothingAcceptable: Problem("not-acceptable", 406, "Nothing acceptable"),
    errors.BodyTimeout: Problem("body-timeout", 408, "Body stopped or too slow"),
    errors.OffsetMismatch: Problem(
        "mismatching-upload-offset", 409, "Mismatching upload offset", registered=True
    ),
    errors.Superseded: Problem("upload-taken-over", 409, "Upload taken over"),
    errors.BodyInterrupted: Problem("upload-taken-over", 409, "Upload taken over"),
    errors.PreconditionFailed: Problem("precondition-failed", 412, "Precondition failed"),
    refusals.UnsupportedTusVersion: Problem(
        "unsupported-tus-version", 412, "Version of tus not known"
    ),
    errors.FileTooLarge: Problem("file-too-large", 413, "File too large"),
    refusals.DocumentTooLarge: Problem("document-too-large", 413, "Request document too large"),
    refusals.UnsupportedMediaType: Problem("unsupported-media-type", 415, "Unsupported media type"),
    refusals.RangeNotSatisfiable: Problem("range-not-satisfiable", 416, "Range not satisfiable"),
    refusals.ChecksumMismatch: Problem("checksum-mismatch", 460, "Checksum mismatch"),
    errors.ResumableUnsupported: Problem(
        "resumable-unsupported", 501, "Resumable uploads not possible"
    ),
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
    NO_METRICS_TOKEN,
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


def body(problem: Problem, detail: str, members: Mapping[str, object] | None = None) -> bytes:
    """The answer's JSON; ``members`` are extension members (RFC 9457, 3.2).

    One more is ``request-id``, under which the log tells of the request.
    """
    here = context.current()
    prefix = "" if here is None or problem.registered else here.prefix
    return json.dumps(
        {
            "type": f"{prefix}{problem.type}",
            "title": problem.title,
            "status": problem.status,
            "detail": detail,
            **(members or {}),
            **({} if here is None else {"request-id": here.id}),
        }
    ).encode()


def response(
    problem: Problem,
    detail: str,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, object] | None = None,
) -> Response:
    """The whole answer. ``detail`` says what was wrong and what would be right."""
    answer = Response(
        body(problem, detail, members),
        problem.status,
        media_type=MEDIA_TYPE,
        headers={**caching.PRIVATE, **caching.NOSNIFF, **(headers or {})},
    )
    if problem.retry:
        answer.headers["Retry-After"] = RETRY_AFTER
    if problem.status == HTTPStatus.UNAUTHORIZED:
        answer.headers.setdefault("WWW-Authenticate", "X-Auth-Token")
    return answer


def answer(error: Exception) -> Response:
    """The answer to an error; raises it again if it is not meant for a client."""
    problem = of_error(error)
    if problem is INTERNAL:
        raise error  # and so neither is its message
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.warning("%s: %s", problem.slug, error.__cause__ or error)
    if isinstance(error, refusals.RefusedWithHeaders):
        return response(problem, str(error), error.headers)
    if isinstance(error, errors.OffsetMismatch):
        members = {"expected-offset": error.expected, "provided-offset": error.provided}
        return response(problem, str(error), members=members)
    return response(problem, str(error))

"""The one translator of errors: what S3 and the way to it say, in this project's words.

Messages are for the client and name no key, bucket or endpoint; the log gets the operation, the
code and the request id. The classes here are for decisions inside this package: outside, they are
what they derive from.
"""

from __future__ import annotations

import logging
from typing import Any

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    HTTPClientError,
    ReadTimeoutError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from file_uploader.errors import (
    FileTooLarge,
    FileUploaderError,
    InvalidHeader,
    InvalidName,
    NoSuchFile,
    PreconditionFailed,
    StorageFailed,
    StorageFull,
    StorageRefused,
    StorageTimeout,
    StorageUnavailable,
)

logger = logging.getLogger(__name__)


class NoSuchBucket(StorageFailed):
    """There is no such bucket: for a bucket per container, there is nothing in it yet."""


class NoSuchMultipart(StorageFailed):
    """The multipart upload has been completed or aborted."""


class InvalidPart(StorageFailed):
    """A part is not there, is another one than was listed, or (Ceph 16) was not listed."""


class BucketTaken(StorageFailed):
    """The bucket's name belongs to somebody else, or to us already: the providers differ."""


class Conflict(StorageUnavailable):
    """Another write to the same key is under way (409)."""


class Unsettled(StorageUnavailable):
    """It failed, but had been sent before, and may have been done then."""


class NotAsked(ConnectionError):
    """No request was made: the store has been silent for too long, to everybody."""


class Unsupported(StorageFailed):
    """The provider does not know this operation or condition."""


_ABSENT = "There is no such file."
_CHANGED = "The file is not, or no longer, in the state that was made a condition."
_LATER = "The object store is busy or cannot be reached; try again later."
_FAILED = "The object store failed."
_FULL = "The object store has no room left, or a quota is used up."
_LARGE = "The file is larger than the object store takes."
_TIMEOUT = "The object store did not answer in time."
_DENIED = "The object store does not allow it."
_NAME = "The object store takes no file of this name; a shorter or simpler one may do."

_BY_CODE: dict[str, tuple[type[FileUploaderError], str]] = {
    **dict.fromkeys(["NoSuchKey", "NotFound", "404"], (NoSuchFile, _ABSENT)),
    "NoSuchBucket": (NoSuchBucket, _FAILED),
    "NoSuchUpload": (NoSuchMultipart, _FAILED),
    "InvalidPart": (InvalidPart, _FAILED),
    **dict.fromkeys(["PreconditionFailed", "412"], (PreconditionFailed, _CHANGED)),
    # The range was taken from a version that is not there any more.
    **dict.fromkeys(["InvalidRange", "416"], (PreconditionFailed, _CHANGED)),
    **dict.fromkeys(
        ["ConditionalRequestConflict", "OperationAborted", "ConcurrentModification"],
        (Conflict, _LATER),
    ),
    **dict.fromkeys(["BucketAlreadyExists", "BucketAlreadyOwnedByYou"], (BucketTaken, _FAILED)),
    **dict.fromkeys(["EntityTooLarge", "MaxMessageLengthExceeded"], (FileTooLarge, _LARGE)),
    **dict.fromkeys(
        [
            *("QuotaExceeded", "TooManyBuckets", "InsufficientCapacity", "XMinioStorageFull"),
            *("XMinioAdminBucketQuotaExceeded", "InsufficientStorage", "ServiceQuotaExceeded"),
        ],
        (StorageFull, _FULL),
    ),
    **dict.fromkeys(
        [
            *("SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "429", "503"),
            *("RequestLimitExceeded", "BandwidthLimitExceeded", "TooManyRequests", "Busy"),
            "TooManyRequestsException",
        ],
        (StorageUnavailable, _LATER),
    ),
    "RequestTimeout": (StorageTimeout, _TIMEOUT),
    "MetadataTooLarge": (InvalidHeader, "The file's metadata is larger than the store takes."),
    **dict.fromkeys(["AccessDenied", "AllAccessDisabled"], (StorageRefused, _DENIED)),
    **dict.fromkeys(
        ["KeyTooLongError", "InvalidURI", "XMinioInvalidObjectName", "InvalidObjectName"],
        (InvalidName, _NAME),
    ),
    **dict.fromkeys(
        ["NotImplemented", "InvalidArgument", "InvalidRequest", "MethodNotAllowed"],
        (Unsupported, _FAILED),
    ),
}

_BY_STATUS: dict[int, tuple[type[FileUploaderError], str]] = {
    **dict.fromkeys([401, 403], (StorageRefused, _DENIED)),
    404: (NoSuchFile, _ABSENT),
    409: (Conflict, _LATER),
    412: (PreconditionFailed, _CHANGED),
    413: (FileTooLarge, _LARGE),
    416: (PreconditionFailed, _CHANGED),
    429: (StorageUnavailable, _LATER),
    501: (Unsupported, _FAILED),
    503: (StorageUnavailable, _LATER),
    504: (StorageTimeout, _TIMEOUT),
    507: (StorageFull, _FULL),
}

_COMMITS = ("put_object", "complete_multipart_upload")
_REFUSALS = (NoSuchFile, PreconditionFailed, NoSuchMultipart)
"""What a commit may be answered that is made a second time, if the first one was done; Ceph 16
answers InternalError, too."""

_EVERYDAY = (NoSuchFile, PreconditionFailed, NoSuchBucket, NoSuchMultipart, Unsupported)
"""Answers that belong to normal work and are not worth a line in the log."""

RETRYABLE_CODES = frozenset({"BadDigest", "IncompleteBody", "InternalError", "RequestTimeout"})
RETRYABLE_STATUSES = frozenset({429, 500, 502, 503, 504})

TRANSPORT_ERRORS = (HTTPClientError, BotoConnectionError, aiohttp.ClientError, OSError)
"""What the way to S3 raises; `TimeoutError` is an OSError."""

TIMEOUTS = (ReadTimeoutError, ConnectTimeoutError, TimeoutError)
"""Those of them that are over only after a wait."""

ANY_ERROR = (ClientError, BotoCoreError, *TRANSPORT_ERRORS)
"""Everything that `translated` translates."""


def error_code(error: ClientError) -> str:
    """S3's own code of the error, such as ``NoSuchKey``; the status where there is no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def error_status(error: ClientError) -> int:
    """The HTTP status of the answer."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def retryable(error: Exception) -> bool:
    """Whether the same request may succeed a little later."""
    if isinstance(error, ClientError):
        return error_code(error) in RETRYABLE_CODES or error_status(error) in RETRYABLE_STATUSES
    return isinstance(error, TRANSPORT_ERRORS) and not isinstance(error, NotAsked)


def says_nothing(error: Exception) -> bool:
    """Whether the request may have been done: no answer came, or none of S3's own."""
    if isinstance(error, ClientError):
        return error_status(error) >= 500 and not error_code(error).isalpha()
    return not isinstance(error, NotAsked)


def translated(operation: str, error: Exception, *, doubtful: bool = False) -> FileUploaderError:
    """The error to raise for what botocore, aiohttp or the socket raised; logs what matters.

    ``doubtful``: the request was sent more than once, and what became of one is not known.
    """
    if isinstance(error, ClientError):
        kind, message = _answer(error)
        if doubtful and operation in _COMMITS and (kind is StorageFailed or kind in _REFUSALS):
            kind, message = Unsettled, _LATER
        if not issubclass(kind, _EVERYDAY):
            request = _metadata(error).get("RequestId", "-")
            code, status = error_code(error), error_status(error)
            logger.warning("S3 %s failed: %s (%s), request %s", operation, code, status, request)
        failure = kind(message)
        failure.add_note(_said(error))
        return failure
    if not isinstance(error, NotAsked):
        logger.warning("S3 %s failed: %s", operation, type(error).__name__)
    if isinstance(error, ConnectTimeoutError):
        return StorageUnavailable(_LATER)
    if isinstance(error, (ReadTimeoutError, TimeoutError)):
        return StorageTimeout(_TIMEOUT)
    if isinstance(error, TRANSPORT_ERRORS):
        return StorageUnavailable(_LATER)
    return StorageFailed(_FAILED)


def _said(error: ClientError) -> str:
    """What the store answered, for who looks after it."""
    code, status = error_code(error), error_status(error)
    return f"It said {code} ({status})." if code.isalpha() else f"It answered with {status}."


def _answer(error: ClientError) -> tuple[type[FileUploaderError], str]:
    known = _BY_CODE.get(error_code(error)) or _BY_STATUS.get(error_status(error))
    return known or (StorageFailed, _FAILED)


def _metadata(error: ClientError) -> dict[str, Any]:
    metadata: dict[str, Any] = error.response.get("ResponseMetadata", {})
    return metadata

"""The one translator of errors: what S3 and the way to it say, in this project's words.

Messages are for the client and name no key, bucket or endpoint; the log gets the operation, the
code and the request id. The classes here are for decisions inside this package: outside, they are
what they derive from.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

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


_LATER = "The object store is busy or cannot be reached; try again later."
_FAILED = "The object store failed."
_CHANGED = "The file is not, or no longer, in the state that was made a condition."
_TIMEOUT = "The object store did not answer in time."

_MEANINGS: Mapping[tuple[type[FileUploaderError], str], str] = {
    (NoSuchFile, "There is no such file."): "NoSuchKey NotFound 404",
    (NoSuchBucket, _FAILED): "NoSuchBucket",
    (NoSuchMultipart, _FAILED): "NoSuchUpload",
    (InvalidPart, _FAILED): "InvalidPart",
    # The range was taken from a version that is not there any more.
    (PreconditionFailed, _CHANGED): "PreconditionFailed 412 InvalidRange 416",
    (Conflict, _LATER): "ConditionalRequestConflict OperationAborted ConcurrentModification 409",
    (BucketTaken, _FAILED): "BucketAlreadyExists BucketAlreadyOwnedByYou",
    (FileTooLarge, "The file is larger than the object store takes."): (
        "EntityTooLarge MaxMessageLengthExceeded 413"
    ),
    (StorageFull, "The object store has no room left, or a quota is used up."): (
        "QuotaExceeded TooManyBuckets InsufficientCapacity XMinioStorageFull"
        " XMinioAdminBucketQuotaExceeded InsufficientStorage ServiceQuotaExceeded 507"
    ),
    (StorageUnavailable, _LATER): (
        "SlowDown ServiceUnavailable Throttling ThrottlingException 429 503 RequestLimitExceeded"
        " BandwidthLimitExceeded TooManyRequests Busy TooManyRequestsException"
    ),
    (StorageTimeout, _TIMEOUT): "RequestTimeout 504",
    (InvalidHeader, "The file's metadata is larger than the store takes."): "MetadataTooLarge",
    (StorageRefused, "The object store does not allow it."): (
        "AccessDenied AllAccessDisabled 401 403"
    ),
    (
        InvalidName,
        "The object store takes no file of this name; a shorter or simpler one may do.",
    ): ("KeyTooLongError InvalidURI XMinioInvalidObjectName InvalidObjectName"),
    (Unsupported, _FAILED): "NotImplemented InvalidArgument InvalidRequest MethodNotAllowed 501",
}
"""What S3's codes mean, and the statuses where it says no code that is known."""

_BY_CODE = {code: meaning for meaning, codes in _MEANINGS.items() for code in codes.split()}

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
        code, status = error_code(error), error_status(error)
        known = _BY_CODE.get(code) or _BY_CODE.get(str(status))
        kind, message = known or (StorageFailed, _FAILED)
        if doubtful and operation in _COMMITS and (kind is StorageFailed or kind in _REFUSALS):
            kind, message = Unsettled, _LATER
        if not issubclass(kind, _EVERYDAY):
            request = error.response.get("ResponseMetadata", {}).get("RequestId", "-")
            logger.warning("S3 %s failed: %s (%s), request %s", operation, code, status, request)
        failure = kind(message)
        # What the store answered, for who looks after it.
        said = f"It said {code} ({status})." if code.isalpha() else f"It answered with {status}."
        failure.add_note(said)
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

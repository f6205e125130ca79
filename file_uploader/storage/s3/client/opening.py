"""Whether a bucket can be used at all, and if not, which setting is wrong."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    EndpointProviderError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    SSLError,
)

from file_uploader.errors import ConfigurationError, StorageUnavailable

from .errors import ANY_ERROR, TIMEOUTS, error_code, error_status, retryable
from .retry import GARBLED, retry

PATIENCE = 5.0
"""Seconds in which a store has to answer; else the service starts without having seen it."""

MOST_SKEW = timedelta(minutes=5)
"""What clocks may differ by. AWS takes a quarter of an hour, others less."""

_NO_URL = "AWS_ENDPOINT_URL_S3: not a URL."
_ENDPOINT = "AWS_ENDPOINT_URL_S3: what answers there does not speak S3."
_ELSEWHERE = "AWS_ENDPOINT_URL_S3: what answers there sends us elsewhere; is it https:// ?"
_DENIED = "BUCKET: the credentials have no access to it."
_REGION = "AWS_REGION: BUCKET is in another region."
_SECRET = "AWS_SECRET_ACCESS_KEY: it is not that of AWS_ACCESS_KEY_ID."  # noqa: S105
_SESSION = "AWS_SESSION_TOKEN: it has expired, or is not that of AWS_ACCESS_KEY_ID."

_BY_CODE = {
    "AccessDenied": _DENIED,
    "AllAccessDisabled": _DENIED,
    "InvalidAccessKeyId": "AWS_ACCESS_KEY_ID: the object store does not know it.",
    "SignatureDoesNotMatch": _SECRET,
    **dict.fromkeys(["ExpiredToken", "InvalidToken", "TokenRefreshRequired"], _SESSION),
    "NoSuchKey": "AWS_ENDPOINT_URL_S3: its path is wrong; the bucket is named by BUCKET alone.",
    "NoSuchBucket": "BUCKET: there is no such bucket.",
    "InvalidBucketName": "BUCKET: no bucket can have this name.",
    **dict.fromkeys(
        [
            *("AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect"),
            *("IllegalLocationConstraintException", "InvalidRegion"),
        ],
        _REGION,
    ),
}

_BAD_REGION = "AWS_REGION: missing, or not a region's name."
_BY_ERROR: Mapping[type[Exception], str] = {
    ProfileNotFound: "AWS_PROFILE: there is no such profile.",
    NoRegionError: _BAD_REGION,
    InvalidRegionError: _BAD_REGION,
    PartialCredentialsError: "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: set both or neither.",
    ConfigNotFound: "AWS_CONFIG_FILE: not found.",
    EndpointProviderError: _NO_URL,
    ParamValidationError: _BY_CODE["InvalidBucketName"],
    NoCredentialsError: (
        "AWS_ACCESS_KEY_ID: not set, and there are no other credentials for BUCKET."
    ),
    ValueError: _NO_URL,
    OverflowError: _NO_URL,
}
"""What no client can be made from, or no request."""

_BY_STATUS = {301: _REGION, 307: _REGION, 401: _DENIED, 403: _DENIED}


class _NotS3(Exception):
    """What came is no answer of S3's; as text: what it means for a setting."""


async def check(first_list: Callable[[], Awaitable[dict[str, Any]]]) -> None:
    """Ask for a first list of the bucket; it says more than HEAD, which has no body.

    Raises `ConfigurationError` for what is wrong with the settings or this machine's clock, and
    `StorageUnavailable` where that cannot be found out now.
    """
    try:
        await retry(partial(_check, first_list), on=_NotS3, pauses=GARBLED)
    except _NotS3 as what:
        raise ConfigurationError(str(what)) from None


async def _check(first_list: Callable[[], Awaitable[dict[str, Any]]]) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            answer = await first_list()
    except ClientError as error:
        raise _refused(error) from None
    except ANY_ERROR as error:
        raise _not_asked(error) from None
    if "IsTruncated" not in answer:
        raise _NotS3(_ENDPOINT)


def unusable(error: object) -> ConfigurationError | None:
    """Which setting is wrong, by what botocore raises before it asks anybody."""
    problems = (problem for kind, problem in _BY_ERROR.items() if isinstance(error, kind))
    problem = next(problems, None)
    return None if problem is None else ConfigurationError(problem)


def _not_asked(error: Exception) -> Exception:
    """What it means that there was no answer."""
    cause = error.kwargs.get("error") if isinstance(error, BotoCoreError) else error
    if isinstance(error, SSLError):
        return ConfigurationError(_about_tls(cause))
    found = unusable(error) or unusable(cause)
    return found or StorageUnavailable(_about_the_way(error, cause))


def _refused(error: ClientError) -> Exception:
    code, status = error_code(error), error_status(error)
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    if code == "RequestTimeTooSkewed" or status == 403:
        ahead = _ahead(headers.get("date"))
        if abs(ahead) > MOST_SKEW:
            return ConfigurationError(_about_clock(ahead))
    if problem := _BY_CODE.get(code):
        return ConfigurationError(problem)
    if "xml" not in headers.get("content-type", ""):
        # Also what a proxy says while there is no store behind it.
        if retryable(error) and status != 500:
            return StorageUnavailable(f"The object store fails right now ({code})")
        return _NotS3(_ELSEWHERE if 300 <= status < 400 else _ENDPOINT)
    if retryable(error):
        return StorageUnavailable(f"The object store fails right now ({code})")
    return ConfigurationError(
        _BY_STATUS.get(status, f"BUCKET: the object store refuses it ({code}, {status}).")
    )


def _ahead(date: str | None) -> timedelta:
    """By how much this machine's clock is ahead of the store's."""
    try:
        said = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return timedelta()
    return timedelta(seconds=time.time() - said)


def _about_clock(ahead: timedelta) -> str:
    minutes = round(abs(ahead) / timedelta(minutes=1))
    way = "ahead of" if ahead > timedelta() else "behind"
    return (
        f"The clock of this machine is {minutes} minutes {way} that of the object store, which"
        " therefore refuses every request: set it right."
    )


def _about_the_way(error: Exception, cause: object) -> str:
    if isinstance(cause, aiohttp.ClientConnectorDNSError):
        return "AWS_ENDPOINT_URL_S3: its host name cannot be found"
    if isinstance(error, TIMEOUTS):
        return f"The object store has not answered within {PATIENCE:g} s"
    if isinstance(cause, aiohttp.ClientConnectorError):
        why = os.strerror(cause.os_error.errno or 0)
        return f"AWS_ENDPOINT_URL_S3: no connection ({why})"
    return f"The object store does not answer ({type(error).__name__})"


def _about_tls(cause: object) -> str:
    inner = getattr(cause, "certificate_error", None) or getattr(cause, "os_error", None) or cause
    if isinstance(inner, ssl.SSLCertVerificationError):
        return (
            "AWS_ENDPOINT_URL_S3: the certificate there cannot be trusted"
            f" ({inner.verify_message}); AWS_CA_BUNDLE names a file with the authority's."
        )
    return "AWS_ENDPOINT_URL_S3: what answers there does not speak TLS; is it http:// ?"

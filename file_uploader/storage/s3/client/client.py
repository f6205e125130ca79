"""Calls to S3: one request, tried for a bounded time, its errors translated.

botocore's own retries are off: what is retried has to be known here, because a retried commit that
seems to fail may have succeeded the first time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager, nullcontext
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ClientError
from botocore.handlers import add_expect_header

from file_uploader import metrics, tracing
from file_uploader.storage.s3.buffers.part import Part, PartPayload
from file_uploader.storage.s3.config import S3Config

from . import opening, xml
from .breaker import Breaker
from .errors import ANY_ERROR, error_status, retryable, says_nothing, translated
from .retry import FAILING

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
"""Seconds without a byte, in either direction, until an attempt is given up."""

_LABOURS = ("UploadPart", "UploadPartCopy", "CompleteMultipartUpload", "ListObjectsV2")
LABOUR_TIMEOUT = 60.0
"""That of what the store itself has to work for before it can answer."""

PATIENCE = 30.0
"""Seconds after its first failure in which a request is tried again."""

SILENCE = 20.0
"""Seconds without an answer to anybody after which the store may be gone (`breaker`). Less than an
attempt takes that gets none, so that the first ones of these say so."""

LOOK = 5.0
"""Seconds for a look at whether the store answers."""

_SENDING = 32
"""Bodies that are being written to S3 at once. More is not faster, and each has up to 256 KiB in
buffers that no budget counts."""

_INLINE_BODY = 64 * 1024
"""A body below this waits for no turn: what counts for it is the number of requests in flight."""

_CONNECTIONS = 4096
"""No limit in practice: a download holds its connection for as long as its reader likes."""

_SAID = {
    **dict.fromkeys(["get_object", "head_object", "put_object", "upload_part"], "ETag"),
    "create_multipart_upload": "UploadId",
    "upload_part_copy": "CopyPartResult",
    "complete_multipart_upload": "ETag",
}
"""What an answer to these always says. Something on the way may answer "200 OK", too."""


class Client:
    """An S3 client that signs its requests for ``region``.

    Belongs to one event loop; `open` makes it, `aclose` ends it.
    """

    def __init__(self, client: Any, resources: AsyncExitStack, bucket: str) -> None:
        self.region: str | None = client.meta.region_name
        self._client = client
        self._resources = resources
        self._sending = asyncio.Semaphore(_SENDING)
        self._breaker = Breaker(
            lambda: client.head_bucket(Bucket=bucket), limit=LOOK, patience=SILENCE
        )

    @classmethod
    async def open(cls, config: S3Config) -> Client:
        """Raises `ConfigurationError` for settings that no client can be made from."""
        resources = AsyncExitStack()
        try:
            session = AioSession(profile=config.profile)
            client = await resources.enter_async_context(
                session.create_client(
                    "s3",
                    region_name=config.region,
                    endpoint_url=config.endpoint_url,
                    aws_access_key_id=config.access_key,
                    aws_secret_access_key=config.secret_key,
                    aws_session_token=config.session_token,
                    config=_botocore_config(config),
                )
            )
        except (BotoCoreError, ValueError) as error:
            if (problem := opening.unusable(error)) is None:
                raise
            raise problem from None
        # A provider that never answers "100 Continue" would hang every upload: aiohttp waits.
        client.meta.events.unregister("before-call.s3", add_expect_header)
        # With the star it comes before botocore's own handler, which makes an error of bad XML.
        client.meta.events.register_first("before-parse.*.*", xml.make_readable)
        client.meta.events.register("after-call.s3.ListMultipartUploads", xml.put_back)
        if config.endpoint_url:
            client.meta.events.register("before-call.s3", _stay_in_region)
        for operation in _LABOURS:
            client.meta.events.register(f"before-call.s3.{operation}", _wait_longer)
        return cls(client, resources, config.bucket)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._breaker.aclose()
        await self._resources.aclose()

    async def check_bucket(self, bucket: str) -> None:
        """`opening.check` this bucket."""
        await opening.check(partial(self._client.list_objects_v2, Bucket=bucket, MaxKeys=1))

    async def call(
        self, operation: str, part: Part | None = None, /, **parameters: Any
    ) -> dict[str, Any]:
        """Make one request, again and again for what may pass; return botocore's answer.

        ``operation`` is botocore's name of it (``put_object``). A ``part`` is its body, and goes
        with its MD5 beside it. Raises `StorageError` and, for answers that mean these,
        `NoSuchFile`, `PreconditionFailed` and `FileTooLarge`.
        """
        if part is not None:
            parameters["ContentMD5"] = await part.md5()
            if not part.size:
                parameters["Body"], part = b"", None
        return await self._try(FAILING, operation, parameters, part=part)

    async def call_once(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """`call` without another try or much waiting: what asks wants to know how it is now."""
        return await self._try((), operation, parameters, limit=LOOK)

    async def fetch(self, **address: str) -> dict[str, Any]:
        """GetObject of something small, with all of its bytes as the ``Body``.

        One that breaks is a reason to try again, too.
        """
        return await self._try(FAILING, "get_object", address, whole=True)

    async def presigned(self, operation: str, lifetime: timedelta, **parameters: Any) -> str:
        """A URL that makes this request for whoever has it. Raises `StorageError`."""
        try:
            url: str = await self._client.generate_presigned_url(
                operation, Params=parameters, ExpiresIn=int(lifetime.total_seconds())
            )
        except ANY_ERROR as error:
            raise translated(operation, error) from None
        return url

    async def _try(
        self, pauses: Iterable[float], operation: str, parameters: dict[str, Any], **how: Any
    ) -> dict[str, Any]:
        deadline: float | None = None
        doubtful = False
        for pause in chain(pauses, (None,)):
            try:
                with _counted(operation):
                    return await self._request(operation, parameters, **how)
            except ANY_ERROR as error:
                now = time.monotonic()
                deadline = deadline or now + PATIENCE
                doubtful = doubtful or says_nothing(error)
                if pause is None or now + pause > deadline or not retryable(error):
                    raise translated(operation, error, doubtful=doubtful) from None
            metrics.STORE_RETRIES.labels(operation).inc()
            await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    async def _request(
        self,
        operation: str,
        parameters: dict[str, Any],
        *,
        part: Part | None = None,
        limit: float | None = None,
        whole: bool = False,
    ) -> dict[str, Any]:
        """One attempt, which has ``limit`` seconds; raises what botocore and aiohttp do."""
        turn: AbstractAsyncContextManager[object] = nullcontext()
        if part is not None:
            parameters = {**parameters, "Body": PartPayload(part, write_timeout=READ_TIMEOUT)}
            turn = self._sending if part.size > _INLINE_BODY else turn
        async with turn, self._breaker.asking(), asyncio.timeout(limit):
            answer: dict[str, Any] = await getattr(self._client, operation)(**parameters)
        if _SAID.get(operation, "ResponseMetadata") not in answer:
            if "Body" in answer:
                answer["Body"].close()
            raise ConnectionError("an answer that is none of S3's")
        if whole:
            async with answer["Body"] as body:
                answer["Body"] = await body.read()
            if len(answer["Body"]) != answer["ContentLength"]:
                raise ConnectionError("an answer of the wrong length")
        return answer


@contextmanager
def _counted(operation: str) -> Iterator[None]:
    """Count and trace an attempt: its outcome is ``ok``, a status, or that there was no answer."""
    outcome = "ok"
    try:
        with tracing.span(f"s3.{operation}"):
            yield
    except ClientError as error:
        outcome = str(error_status(error))
        raise
    except BaseException:
        outcome = "none"
        raise
    finally:
        metrics.S3_REQUESTS.labels(operation, outcome).inc()


def _wait_longer(context: dict[str, Any], **_: object) -> None:
    context["read_timeout"] = LABOUR_TIMEOUT


def _stay_in_region(context: dict[str, Any], **_: object) -> None:
    """Have botocore look for no other region of the bucket: only AWS has such.

    Anybody else's redirection has it ask for the region, which is redirected, and so on.
    """
    context.setdefault("s3_redirect", {})["redirected"] = True


def _botocore_config(config: S3Config) -> AioConfig:
    return AioConfig(
        signature_version="s3v4",
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        max_pool_connections=_CONNECTIONS,
        retries={"mode": "standard", "total_max_attempts": 1},
        # Other providers do not know the checksums that newer SDKs add by default.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={
            # Not every provider has a host name for each bucket; AWS has, and prefers them.
            "addressing_style": "path" if config.endpoint_url else "auto",
            # Nothing is hashed on the event loop: a Content-MD5 covers the bodies instead.
            "payload_signing_enabled": False,
        },
    )

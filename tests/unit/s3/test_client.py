"""What the client of S3 takes for what, without a store."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from file_uploader import metrics
from file_uploader.errors import ConfigurationError
from file_uploader.storage.s3.buffers.budget import SLOT, Budget
from file_uploader.storage.s3.buffers.part import Part
from file_uploader.storage.s3.client.client import Client
from file_uploader.storage.s3.client.errors import NotAsked, retryable
from file_uploader.storage.s3.config import S3Config
from file_uploader.storage.s3.write.multipart import PartSender


def said(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "PutObject")


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (said("SlowDown", 503), True),
        (said("InternalError", 500), True),
        (ConnectionClosedError(endpoint_url="http://localhost"), True),
        (TimeoutError(), True),
        (said("AccessDenied", 403), False),
        (said("NoSuchKey", 404), False),
        (said("PreconditionFailed", 412), False),
        (NotAsked(), False),
        (ValueError("no error of the way there"), False),
    ],
    ids=str,
)
def test_only_what_may_pass_by_itself_is_tried_again(error: Exception, *, again: bool) -> None:
    assert retryable(error) == again


@pytest.mark.parametrize("half", ["access_key", "secret_key"])
async def test_half_of_the_credentials_is_no_setting(half: str) -> None:
    given: dict[str, Any] = {half: "x"}
    config = S3Config(bucket="b", endpoint_url="http://localhost", region="us-east-1", **given)
    with pytest.raises(ConfigurationError, match="set both or neither"):
        await Client.open(config)


class Endless:
    """A store that takes a request and never answers."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def call(self, *_request: object, **_more: object) -> None:
        self.asked.set()
        await asyncio.Event().wait()


async def test_parts_that_are_under_way_are_ended_and_their_room_is_free(tmp_path: Path) -> None:
    budget, store = Budget(memory=SLOT, spool=4 * SLOT, spool_dir=tmp_path), Endless()
    sender = PartSender(store)  # type: ignore[arg-type]
    with budget.admit(2 * SLOT) as share:
        part = Part(share)
        await part.add(bytes(2 * SLOT))
        assert metrics.SPOOL_USED._value.get() == SLOT
        await sender.start(1, part, "upload_part")
        await store.asked.wait()
        async with asyncio.timeout(5):
            await sender.stop()
        assert budget.held == 0
        assert metrics.SPOOL_USED._value.get() == 0
    budget.close()

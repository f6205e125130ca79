"""Request ids: the client's where it has one that can be shown, in the answer and in the log."""

from __future__ import annotations

import json
import logging
import re
import uuid

import pytest

from file_uploader.http.context import HEADER
from file_uploader.server.logs import ConsoleFormatter, JsonFormatter
from tests.support.asgi import Client
from tests.support.double import StorageDouble, raise_
from tests.unit.http.conftest import ALICE

NEW = re.compile(r"[0-9a-f]{32}")


@pytest.mark.parametrize(
    "given", ["a", str(uuid.UUID(int=7)), "Root=1-67891233-abcdef012345678912345678", "x" * 128]
)
async def test_the_clients_own_is_kept(client: Client, given: str) -> None:
    for target in ("/api/files", "/api/none", "/health", "/api/files/.."):
        answer = await client("GET", target, [(HEADER, given)])
        assert answer["x-request-id"] == given
        if answer.status >= 400:
            assert answer.json["request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\xe9", "a\x01", '"a"', "a,b", ALICE])
async def test_what_cannot_be_shown_is_replaced(client: Client, given: str) -> None:
    answers = [await client("GET", "/api/files", [(HEADER, given)]) for _ in range(2)]
    assert all(NEW.fullmatch(answer["x-request-id"]) for answer in answers)
    assert answers[0]["x-request-id"] != answers[1]["x-request-id"]


async def test_the_token_is_no_id_in_whatever_it_is_wrapped(client: Client) -> None:
    for given in (ALICE.upper(), f"x{ALICE}", f"{ALICE}/1"):
        answer = await client("GET", "/api/files", [(HEADER, given)])
        assert NEW.fullmatch(answer["x-request-id"])


async def test_two_ids_are_none(client: Client) -> None:
    answer = await client("GET", "/api/files", [(HEADER, "a"), (HEADER, "b")])
    assert NEW.fullmatch(answer["x-request-id"])


@pytest.mark.parametrize(
    "formatter", [ConsoleFormatter(), JsonFormatter()], ids=["console", "json"]
)
async def test_a_failure_that_nobody_foresaw_is_found_in_the_log_by_it(
    client: Client,
    double: StorageDouble,
    caplog: pytest.LogCaptureFixture,
    formatter: logging.Formatter,
) -> None:
    """The answer tells nothing else of it."""
    caplog.handler.setFormatter(formatter)
    double.before["head"] = raise_(RuntimeError("a secret of the house"))
    answer = await client.exchange("HEAD", "/api/files/a", [(HEADER, "found-by-this")]).run()
    assert answer.status == 500
    double.before["open"] = raise_(RuntimeError("a secret of the house"))
    answer = await client.exchange("GET", "/api/files/a", [(HEADER, "found-by-this")]).run()
    assert answer.json["request-id"] == "found-by-this"
    assert b"secret" not in answer.body
    assert b"Traceback" not in answer.body
    assert "found-by-this" in caplog.text
    assert "a secret of the house" in caplog.text
    if isinstance(formatter, JsonFormatter):
        line = json.loads(caplog.text.splitlines()[0])
        assert line["request_id"] == "found-by-this"
        assert "Traceback" in line["exception"]
        assert (line["level"], line["logger"]) == ("error", "file_uploader.http.middleware")

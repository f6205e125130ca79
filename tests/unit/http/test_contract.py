"""The contract as it is sent: to everybody, and the same as it is written down."""

from __future__ import annotations

import gzip
import json

import pytest
import yaml

from file_uploader.http.pages.contract import WRITTEN
from tests.support.asgi import Client

PATH = "/api/openapi.json"


async def test_who_has_no_token_gets_what_is_written_down(nobody: Client) -> None:
    answer = await nobody("GET", PATH)
    assert (answer.status, answer["content-type"]) == (200, "application/json")
    assert json.loads(answer.body) == yaml.safe_load(WRITTEN.read_text(encoding="utf-8"))
    assert answer["x-content-type-options"] == "nosniff"
    assert answer["cache-control"] == "no-cache"
    packed = await nobody("GET", PATH, [("Accept-Encoding", "gzip")])
    assert gzip.decompress(packed.body) == answer.body
    assert packed["etag"] != answer["etag"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_who_has_it_gets_no_copy(nobody: Client, method: str) -> None:
    tag = (await nobody(method, PATH))["etag"]
    answer = await nobody(method, PATH, [("If-None-Match", tag)])
    assert (answer.status, answer.body, answer["etag"]) == (304, b"", tag)


@pytest.mark.parametrize("path", [PATH, "/api/docs"])
async def test_it_takes_no_other_method(nobody: Client, path: str) -> None:
    for method in ("PUT", "POST", "PATCH", "DELETE", "PROPFIND"):
        answer = await nobody(method, path, body=b"x")
        assert (answer.status, answer.slug) == (405, "method-not-allowed")
        assert answer["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(
    "path", ["/api/openapi.yaml", "/api/openapi.json/x", "/api/openapi%2Ejson", "/api/docs//"]
)
async def test_it_is_nowhere_else(nobody: Client, client: Client, path: str) -> None:
    assert (await nobody("GET", path)).status == 401
    assert (await client("GET", path)).status == 404


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_where_its_page_was_not_built_one_line_tells_how(nobody: Client, method: str) -> None:
    answer = await nobody(method, "/api/docs")
    assert (answer.status, answer["content-type"]) == (404, "text/plain; charset=utf-8")
    if method == "GET":
        (line,) = answer.body.decode().splitlines()
        assert "`make page`" in line

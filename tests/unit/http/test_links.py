"""Making links: what may be asked for, and what is answered."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from file_uploader.errors import StorageUnavailable
from file_uploader.links import MAX_SIZE, Link, LinkKeys, LinkMethod
from file_uploader.model.names import FileName
from tests.support.asgi import Answer, Client
from tests.support.double import StorageDouble, raise_
from tests.support.names import COMPOSED, DECOMPOSED
from tests.unit.http.conftest import ALICE, Serve, container

JSON = ("Content-Type", "application/json")
KEY, OTHER_KEY = "a" * 32, "b" * 40


async def post(client: Client, document: Any, **options: Any) -> Answer:
    return await client("POST", "/api/links", [JSON], json.dumps(document).encode(), **options)


def read(double: StorageDouble, answer: Answer) -> Link:
    """What the link to ``a`` in an answer says, read with the key that the store keeps."""
    assert answer.status == 201, answer
    text, name = answer.json["url"].split("/")[-2:]
    return LinkKeys([double.key]).verify(text, FileName(name), datetime.now(UTC))


async def test_the_answer(client: Client) -> None:
    answer = await post(client, {"name": "dir/a b.txt"})
    assert (answer.status, answer["content-type"]) == (201, "application/json")
    assert set(answer.json) == {"url", "expires"}
    assert re.fullmatch(
        r"http://localhost/api/links/1\.[\w-]{46}\.[\w-]{43}/dir/a%20b\.txt", answer.json["url"]
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", answer.json["expires"])
    assert answer["cache-control"] == "no-store"
    assert answer["vary"] == "X-Auth-Token, Want-Repr-Digest"


async def test_what_is_not_said_has_a_default(client: Client, double: StorageDouble) -> None:
    answer = await post(client, {"name": "a"})
    link = read(double, answer)
    assert (link.container, link.method) == (container(client), LinkMethod.GET)
    assert (link.max_size, link.overwrite) == (None, False)
    left = link.expires - datetime.now(UTC)
    assert timedelta(seconds=3590) < left <= timedelta(seconds=3601)
    assert datetime.fromisoformat(answer.json["expires"]) == link.expires


@pytest.mark.parametrize(
    ("more", "method", "seconds", "max_size", "overwrite"),
    [
        ({"method": "GET", "expires_in": 100}, "GET", 100, None, False),
        ({"expires_in": 604800}, "GET", 604800, None, False),
        ({"method": "PUT"}, "PUT", 3600, None, False),
        ({"method": "PUT", "max_size": 1, "overwrite": True}, "PUT", 3600, 1, True),
        ({"method": "PUT", "max_size": MAX_SIZE, "overwrite": False}, "PUT", 3600, MAX_SIZE, False),
    ],
)
async def test_what_is_said_is_in_the_link(
    client: Client,
    double: StorageDouble,
    more: dict[str, Any],
    method: str,
    seconds: int,
    max_size: int | None,
    overwrite: bool,
) -> None:
    link = read(double, await post(client, {"name": "a", **more}))
    assert (link.method, link.max_size, link.overwrite) == (method, max_size, overwrite)
    left = (link.expires - datetime.now(UTC)).total_seconds()
    assert seconds - 10 < left <= seconds + 1


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *(("3600.0", 3600), ("3.6e3", 3600), ("3.6E+3", 3600), ("36000000e-4", 3600), ("1.0", 1)),
        *(("1e0", 1), ("6.048e5", 604800), ("1." + "0" * 3000, 1)),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_a_whole_number_may_be_written_in_any_way(
    client: Client, double: StorageDouble, written: str, meant: int
) -> None:
    """JSON Schema, 6.1.1: any number with a zero fractional part is an integer."""
    body = f'{{"name": "a", "method": "PUT", "expires_in": {written}, "max_size": {written}}}'
    before = datetime.now(UTC)
    link = read(double, await client("POST", "/api/links", [JSON], body.encode()))
    assert link.max_size == meant
    assert abs(link.expires - before - timedelta(seconds=meant)) < timedelta(seconds=30)


async def test_a_large_number_keeps_its_last_digit(client: Client, double: StorageDouble) -> None:
    """A double has 53 bits for it."""
    for written in (f"{MAX_SIZE - 1}.0", f"{MAX_SIZE - 1}e0", f"{MAX_SIZE - 1}"):
        body = f'{{"name": "a", "method": "PUT", "max_size": {written}}}'
        link = read(double, await client("POST", "/api/links", [JSON], body.encode()))
        assert link.max_size == MAX_SIZE - 1


BAD: list[tuple[str, str]] = [
    ("{}", "invalid-name"),
    ('{"name": null}', "invalid-name"),
    ('{"name": 1}', "invalid-name"),
    ('{"name": ["a"]}', "invalid-name"),
    ('{"name": ""}', "invalid-name"),
    ('{"name": "a/../b"}', "invalid-name"),
    ('{"name": "/a"}', "invalid-name"),
    ('{"name": "a\\u0000"}', "invalid-name"),
    ('{"name": "\\ud800"}', "invalid-name"),
    (json.dumps({"name": "x" * 961}), "invalid-name"),
    ("", "invalid-parameter"),
    ("null", "invalid-parameter"),
    ("[]", "invalid-parameter"),
    ('"a"', "invalid-parameter"),
    ("{", "invalid-parameter"),
    ('{"name": "a"} x', "invalid-parameter"),
    ("{'name': 'a'}", "invalid-parameter"),
    ("[" * 8000, "invalid-parameter"),
    ('{"name": "a", "name": "a"}', "invalid-parameter"),
    ('{"name": "a", "names": "a"}', "invalid-parameter"),
    ('{"name": "a", "container": "a"}', "invalid-parameter"),
    ('{"name": "a", "expires_in": {"a": 1, "a": 1}}', "invalid-parameter"),
    ('{"name": "a", "method": "HEAD"}', "invalid-parameter"),
    ('{"name": "a", "method": "get"}', "invalid-parameter"),
    ('{"name": "a", "method": null}', "invalid-parameter"),
    ('{"name": "a", "method": ["GET"]}', "invalid-parameter"),
    *(
        (f'{{"name": "a", "expires_in": {value}}}', "invalid-parameter")
        for value in (
            *(
                "0",
                "-0",
                "-0.0",
                "-1",
                "-1e0",
                "604801",
                "604800.5",
                "1.5",
                "1e-1",
                "6.048e6",
                '"60"',
            ),
            *(
                "true",
                "null",
                "NaN",
                "-Infinity",
                "9" * 5000,
                "0." + "9" * 5000,
                "1." + "0" * 5000 + "1",
            ),
            *(
                "1e400",
                "1e-400",
                "-1e400",
                "1e999999999",
                "1e99999999999999999999",
                "0e" + "9" * 5000,
            ),
            *(
                "1e" + "9" * 5000,
                "1e-" + "9" * 5000,
                "01",
                "1.",
                ".5",
                "+1",
                "0x1",
                "1_0",
                "1e",
                "[1]",
            ),
        )
    ),
    *(
        (f'{{"name": "a", "method": "PUT", "max_size": {value}}}', "invalid-parameter")
        for value in (
            *("0", "-1", "1.5", '"1"', "true", "null", str(MAX_SIZE + 1), f"{MAX_SIZE + 1}.0"),
            *("9.223372036854775808e18", "18446744073709551617", "Infinity", "1e19", "1e400"),
        )
    ),
    *(
        (f'{{"name": "a", "method": "PUT", "overwrite": {value}}}', "invalid-parameter")
        for value in ("0", "1", '"true"', "null")
    ),
    ('{"name": "a", "max_size": 1}', "invalid-parameter"),
    ('{"name": "a", "overwrite": false}', "invalid-parameter"),
    ('{"name": "a", "method": "GET", "overwrite": true}', "invalid-parameter"),
]


@pytest.mark.parametrize(("body", "slug"), BAD, ids=lambda value: value[:40])
async def test_what_is_wrong_is_refused(
    client: Client, double: StorageDouble, body: str, slug: str
) -> None:
    answer = await client("POST", "/api/links", [JSON], body.encode())
    assert (answer.status, answer.slug) == (400, slug)
    assert double.calls["kept_key"] == 0


async def test_a_body_that_is_not_utf_8(client: Client) -> None:
    for body in (
        b'{"name": "\xff"}',
        '{"name": "a"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"name":"a"}',
    ):
        answer = await client("POST", "/api/links", [JSON], body)
        assert (answer.status, answer.slug) == (400, "invalid-parameter")


async def test_no_parameters(client: Client) -> None:
    body = b'{"name": "a"}'
    answer = await client("POST", "/api/links?name=a", [JSON], body)
    assert (answer.status, answer.slug) == (400, "invalid-parameter")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", None]
)
async def test_another_media_type(client: Client, content_type: str | None) -> None:
    headers = [] if content_type is None else [("Content-Type", content_type)]
    answer = await client("POST", "/api/links", headers, b'{"name": "a"}')
    assert (answer.status, answer.slug) == (415, "unsupported-media-type")
    assert answer["accept"] == "application/json"
    assert answer.get("accept-patch") is None
    assert not answer.asked_first


async def test_parameters_of_the_media_type_do_not_matter(client: Client) -> None:
    headers = [("Content-Type", "Application/JSON; charset=utf-8")]
    assert (await client("POST", "/api/links", headers, b'{"name": "a"}')).status == 201


@pytest.mark.parametrize("chunked", [False, True])
async def test_more_than_a_few_kib(client: Client, chunked: bool) -> None:
    body = b'{"name": "a"}' + b" " * 8192
    answer = await client("POST", "/api/links", [JSON], [body] if chunked else body)
    assert (answer.status, answer.slug) == (413, "document-too-large")
    assert answer.asked_first == chunked


async def test_the_longest_name_fits_escaped(client: Client) -> None:
    name = "\u00e9" * 480
    answer = await client("POST", "/api/links", [JSON], json.dumps({"name": name}).encode())
    assert answer.status == 201
    escaped = '{"name": "' + "\\u0061" * 960 + '", "method": "GET", "expires_in": 604800}'
    answer = await client("POST", "/api/links", [JSON], escaped.encode())
    assert answer.json["url"].endswith("/" + "a" * 960)


async def test_a_cut_body(client: Client) -> None:
    answer = await client("POST", "/api/links", [JSON], [b'{"name": "a"}'], ends=False, length=99)
    assert (answer.status, answer.slug) == (400, "incomplete-body")


@pytest.mark.parametrize(
    "name", ["a b", "a?b#c%2F", "a+b", COMPOSED, DECOMPOSED, "a;b=c,d", "~'\""]
)
async def test_the_url_is_of_exactly_that_name(
    client: Client, nobody: Client, double: StorageDouble, name: str
) -> None:
    double.store(container(client), name, b"x")
    url = (await post(client, {"name": name})).json["url"]
    assert url.isascii()
    assert url.endswith("/" + quote(name))
    assert (await nobody("GET", url)).body == b"x"


@pytest.mark.parametrize("token", [None, "x", "00000000-0000-0000-0000-000000000000"])
async def test_it_takes_a_token(client: Client, token: str | None) -> None:
    answer = await post(Client(client.app, token), {"name": "a"})
    assert (answer.status, answer.slug) == (401, "unauthenticated")
    assert not answer.asked_first


async def test_the_url_is_where_the_client_is(client: Client) -> None:
    answer = await post(client, {"name": "a"}, host="files.example.com:8443")
    assert answer.json["url"].startswith("http://files.example.com:8443/api/links/1.")
    answer = await post(client, {"name": "a"}, host=None, version="1.0")
    assert (answer.status, answer.slug) == (400, "invalid-header")
    assert "Host" in answer.json["detail"]


async def test_no_token_and_no_key_is_in_it(client: Client, double: StorageDouble) -> None:
    double.key = b"the key that the store keeps ..."
    for document in ({"name": "a"}, {"name": "a", "method": "PUT", "overwrite": True}):
        answer = await post(client, document)
        everything = repr((answer.headers, answer.body)).lower()
        for secret in (ALICE, ALICE.replace("-", ""), ALICE[:8], "the key", double.key.hex()):
            assert secret not in everything


async def test_the_containers_place_is_claimed_before_its_name_is_told(
    client: Client, double: StorageDouble
) -> None:
    double.before["claim"] = raise_(StorageUnavailable("The store is away."))
    assert (await post(client, {"name": "a"})).status == 503
    del double.before["claim"]
    assert (await post(client, {"name": "a"})).status == 201
    assert double.calls["claim"] == 2
    assert (await post(client, {"name": ""})).status == 400
    assert double.calls["claim"] == 2


async def test_the_stores_failure_is_told(client: Client, double: StorageDouble) -> None:
    double.before["kept_key"] = raise_(StorageUnavailable("The store is away."))
    assert (await post(client, {"name": "a"})).status == 503
    del double.before["kept_key"]
    assert (await post(client, {"name": "a"})).status == 201


async def test_configured_keys(serve: Serve, double: StorageDouble) -> None:
    """Two nodes that agree on the keys, one that has replaced them, and one that has not."""
    double.store(container(Client(None, ALICE)), "a", b"x")  # type: ignore[arg-type]
    old, new = SecretStr(KEY), SecretStr(OTHER_KEY)
    before = await serve(link_keys=(old,))
    between = await serve(link_keys=(new, old))
    after = await serve(link_keys=(new,))
    kept = await serve()
    by_old = (await post(before, {"name": "a"})).json["url"]
    by_new = (await post(between, {"name": "a"})).json["url"]
    for client, url, status in (
        (before, by_old, 200),
        (before, by_new, 403),
        (between, by_old, 200),
        (between, by_new, 200),
        (after, by_old, 403),
        (after, by_new, 200),
        (kept, by_old, 403),
        (kept, by_new, 403),
    ):
        assert (await Client(client.app)("GET", url)).status == status
    assert double.calls["kept_key"] == 1

"""What a PUT says of its file comes back word for word, and nothing that could not."""

from __future__ import annotations

import pytest

from file_uploader.model.files import Metadata
from tests.support.asgi import Client
from tests.support.double import StorageDouble
from tests.unit.http.conftest import container

FILE = "/api/files/a"

KEPT = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Encoding": "gzip",
    "Content-Language": "de, en",
    "Content-Disposition": 'inline; filename="a \\"b\\".txt"; filename*=UTF-8\'\'%C3%A9',
    "X-Object-Meta-Colour": "dark  red, #800000",
    "x-object-meta-UPPER": "Kept As It Is",
    "X-Object-Meta-a_b.c~1": "a  b",
    "X-Object-Meta-Empty": "",
}


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_kept(client: Client, name: str, method: str) -> None:
    await client("PUT", FILE, [(name, KEPT[name])], b"x")
    answer = await client(method, FILE)
    assert answer[name] == KEPT[name]
    assert len([key for key, _ in answer.headers if key.startswith("x-object-meta-")]) == (
        1 if name.lower().startswith("x-") else 0
    )


async def test_all_at_once(client: Client) -> None:
    await client("PUT", FILE, KEPT.items(), b"x")
    answer = await client("GET", FILE)
    assert {name: answer[name] for name in KEPT} == KEPT


async def test_without_any(client: Client) -> None:
    await client("PUT", FILE, body=b"x")
    answer = await client("GET", FILE)
    assert answer["content-type"] == "application/octet-stream"
    for name in ("content-encoding", "content-language", "content-disposition"):
        assert answer.get(name) is None


async def test_an_empty_content_type_is_none(client: Client) -> None:
    await client("PUT", FILE, [("Content-Type", "")], b"x")
    assert (await client("GET", FILE))["content-type"] == "application/octet-stream"


async def test_cache_control_is_never_given_back_behind_a_token(client: Client) -> None:
    await client("PUT", FILE, [("Cache-Control", "public, max-age=31536000")], b"x")
    for method in ("GET", "HEAD"):
        assert (await client(method, FILE)).all("cache-control") == ["private, no-cache"]


@pytest.mark.parametrize(
    "name", ["Authorization", "Cookie", "Set-Cookie", "Link", "X-Custom", "Expires", "Vary"]
)
async def test_other_headers_are_not_kept(client: Client, name: str) -> None:
    await client("PUT", FILE, [(name, "mine")], b"x")
    assert "mine" not in (await client("GET", FILE)).all(name)


@pytest.mark.parametrize(
    "name",
    [
        "Content-Type",
        "Content-Encoding",
        "Content-Language",
        "Content-Disposition",
        "Cache-Control",
        "X-Object-Meta-A",
    ],
)
@pytest.mark.parametrize(
    "value", ["\u00e9", "a\x7f", "a\x01b", "a\nb: c", "\u00a0", "\x00", "a\tb"]
)
async def test_only_visible_ascii(client: Client, name: str, value: str) -> None:
    answer = await client("PUT", FILE, [(name, value)], b"x")
    assert (answer.status, answer.slug) == (400, "invalid-header")
    assert name.lower() in answer.json["detail"].lower()
    assert not answer.asked_first


@pytest.mark.parametrize("name", [*KEPT, "Cache-Control"])
async def test_given_twice(client: Client, name: str) -> None:
    answer = await client("PUT", FILE, [(name, "a/b"), (name, "a/b")], b"x")
    assert (answer.status, answer.slug) == (400, "invalid-header")


async def test_names_of_metadata_are_case_insensitive(client: Client) -> None:
    headers = [("X-Object-Meta-A", "1"), ("x-object-meta-a", "2")]
    assert (await client("PUT", FILE, headers, b"x")).status == 400


@pytest.mark.parametrize("split", [1, 2, 48])
async def test_custom_metadata_fits_to_the_byte(client: Client, split: int) -> None:
    """1,536 bytes of names and values; the prefix does not count."""
    size = 1536 // split
    names = [f"{number:04}" for number in range(split)]
    headers = [(f"X-Object-Meta-{name}", "v" * (size - 4)) for name in names]
    assert (await client("PUT", FILE, headers, b"x")).status == 204
    answer = await client("GET", FILE)
    assert all(answer[name] == value for name, value in headers)

    longer = [*headers[:-1], (headers[-1][0], headers[-1][1] + "v")]
    assert (await client("PUT", FILE, longer, b"x")).slug == "invalid-header"
    longer = [*headers[:-1], (headers[-1][0] + "n", headers[-1][1])]
    assert (await client("PUT", FILE, longer, b"x")).slug == "invalid-header"


async def test_the_other_kept_headers_fit_to_the_byte(client: Client) -> None:
    headers = [
        ("Content-Type", "t" * 500),
        ("Content-Encoding", "e" * 500),
        ("Content-Language", "l" * 400),
        ("Content-Disposition", "d" * 100),
        ("Cache-Control", "c" * 36),
    ]
    assert (await client("PUT", FILE, headers, b"x")).status == 204
    for index in range(len(headers)):
        longer = list(headers)
        longer[index] = (headers[index][0], headers[index][1] + "x")
        assert (await client("PUT", FILE, longer, b"x")).slug == "invalid-header"


async def test_not_more_than_so_many(client: Client) -> None:
    headers = [(f"X-Object-Meta-{number}", "v") for number in range(65)]
    assert (await client("PUT", FILE, headers[1:], b"x")).status == 204
    answer = await client("PUT", FILE, headers, b"x")
    assert (answer.status, answer.slug, answer.asked_first) == (400, "invalid-header", False)
    assert "64" in answer.json["detail"]


@pytest.mark.parametrize(
    "value", ["aws-chunked", "AWS-Chunked", "gzip, aws-chunked", "aws-chunked,br"]
)
async def test_the_coding_that_s3_takes_for_its_own(client: Client, value: str) -> None:
    answer = await client("PUT", FILE, [("Content-Encoding", value)], b"x")
    assert (answer.status, answer.slug, answer.asked_first) == (400, "invalid-header", False)
    answer = await client("PUT", FILE, [("Content-Encoding", "x-aws-chunked-not")], b"x")
    assert answer.status == 204


async def test_what_an_older_version_took_is_given_back(
    client: Client, double: StorageDouble
) -> None:
    double.store(container(client), "a", b"x", Metadata(custom={"k": "a\tb"}))
    assert (await client("GET", FILE))["x-object-meta-k"] == "a\tb"

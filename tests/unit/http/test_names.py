"""File names: what is stored is byte for byte what was sent, or the answer is `400`."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from tests.support.asgi import Client
from tests.support.double import StorageDouble
from tests.support.names import COMPOSED, DECOMPOSED, NOT_STORABLE, TRAPS
from tests.support.paths import BAD, ELSEWHERE, RAW_ONLY, ROWS, Row
from tests.unit.http.conftest import container

FILES = b"/api/files/"
JSON = [("Content-Type", "application/json")]


@pytest.mark.parametrize("row", [*ROWS, *RAW_ONLY], ids=str)
async def test_what_is_stored_is_what_was_sent(
    client: Client, double: StorageDouble, row: Row
) -> None:
    answer = await client("PUT", FILES + row.raw, body=b"content")
    stored = list(double.files.get(container(client), {}))
    if row.name is None:
        assert (answer.status, answer.slug, answer.asked_first) == (400, "invalid-name", False)
        assert stored == []
        return
    assert answer.status == 204
    assert stored == [row.name]
    assert (await client("GET", "/api/files")).body == json.dumps(
        [row.name], ensure_ascii=False
    ).encode()
    fetched = await client("GET", FILES + row.raw)
    assert (fetched.status, fetched.body) == (200, b"content")
    assert (await client("HEAD", FILES + row.raw)).status == 200
    assert (await client("DELETE", FILES + row.raw)).status == 204
    assert double.files[container(client)] == {}


@pytest.mark.parametrize("row", BAD, ids=str)
async def test_a_bad_name_is_400_for_every_method(
    client: Client, double: StorageDouble, row: Row
) -> None:
    """And never `404`, which would say that such a file could be."""
    for method in ("GET", "HEAD", "DELETE"):
        assert (await client(method, FILES + row.raw)).status == 400, method
    assert set(double.calls) <= {"sweep"}


@pytest.mark.parametrize("target", ELSEWHERE)
@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
async def test_paths_that_only_look_like_files_are_not_found(
    client: Client, double: StorageDouble, target: bytes, method: str
) -> None:
    double.store(container(client), "x", b"content")
    answer = await client(method, target, body=b"new" if method == "PUT" else None)
    assert (answer.status, answer.slug) == (404, "not-found")
    assert list(double.files[container(client)]) == ["x"]


@pytest.mark.parametrize(
    "prefix", [b"http://localhost", b"HTTP://LOCALHOST:8080", b"https://files.example.org"]
)
async def test_an_absolute_target_means_its_path(client: Client, prefix: bytes) -> None:
    assert (await client("PUT", prefix + b"/api/files/a%2Fb", body=b"x")).status == 204
    assert (await client("GET", prefix + b"/api/files?prefix=a")).json == ["a/b"]
    assert (await client("GET", b"/api/files/a/b")).body == b"x"
    assert (await client("GET", prefix)).status == 404


@pytest.mark.parametrize(
    "target",
    [b"ftp://localhost/api/files/x", b"x/http://localhost/api/files/x", b"api/files/x", b"*"],
)
async def test_other_forms_of_target_are_no_file(client: Client, target: bytes) -> None:
    assert (await client("PUT", target, body=b"x")).status == 404


async def test_all_of_them_side_by_side(client: Client) -> None:
    """No two names are taken for one another, and the list has them in UTF-8 order."""
    named = {row.name: row for row in ROWS if row.name is not None}
    for name, row in named.items():
        assert (await client("PUT", FILES + row.raw, body=name.encode())).status == 204
    for name, row in named.items():
        assert (await client("GET", FILES + row.raw)).body == name.encode()
    listed = (await client("GET", "/api/files")).json
    assert listed == sorted(named, key=lambda name: name.encode())


async def test_composed_and_decomposed_are_two(client: Client) -> None:
    assert COMPOSED != DECOMPOSED
    for name in (COMPOSED, DECOMPOSED):
        await client("PUT", FILES + name.encode(), body=name.encode())
    listed = (await client("GET", "/api/files")).json
    assert listed == [DECOMPOSED, COMPOSED]
    assert (await client("GET", FILES + COMPOSED.encode())).body == COMPOSED.encode()


async def test_every_byte_may_be_percent_encoded(client: Client, double: StorageDouble) -> None:
    for name in TRAPS:
        raw = "".join(f"%{byte:02X}" for byte in name.encode())
        assert (await client("PUT", f"/api/files/{raw}", body=b"x")).status == 204, name
    assert set(double.files[container(client)]) == set(TRAPS)


@pytest.mark.parametrize("name", NOT_STORABLE, ids=ascii)
async def test_no_new_file_gets_a_name_that_xml_cannot_hold(
    client: Client, double: StorageDouble, name: str
) -> None:
    """One that is there already is read, listed and removed."""
    target = f"/api/files/{quote(name)}"
    answer = await client("PUT", target, body=b"x")
    assert (answer.status, answer.slug, answer.asked_first) == (400, "invalid-name", False)
    link = {"name": name, "method": "PUT"}
    answer = await client("POST", "/api/links", JSON, json.dumps(link).encode())
    assert (answer.status, answer.slug) == (400, "invalid-name")
    double.store(container(client), name, b"content")
    assert (await client("GET", target)).body == b"content"
    assert (await client("GET", "/api/files")).json == [name]
    link = {"name": name}
    answer = await client("POST", "/api/links", JSON, json.dumps(link).encode())
    assert answer.status == 201
    assert (await client("DELETE", target)).status == 204

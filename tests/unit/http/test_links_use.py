"""Using links: what one admits, for whoever has it, and nothing more."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from file_uploader.http.fields.base_url import DEPENDS_ON
from file_uploader.links import Link, LinkKeys, LinkMethod
from file_uploader.model.names import FileName
from tests.support.asgi import Client
from tests.support.double import StorageDouble
from tests.support.rounds import rounds
from tests.unit.http.conftest import BOB, Serve, container
from tests.unit.http.test_links import post
from tests.unit.http.test_sandbox import SHOWN
from tests.unit.test_links import CONTAINER, KEY, tampered

DATA = b"0123456789"


async def link(client: Client, name: str = "a", **more: Any) -> str:
    """A link of a client's, by the path of its URL."""
    answer = await post(client, {"name": name, **more})
    assert answer.status == 201, answer
    return str(answer.json["url"]).removeprefix("http://localhost")


async def put_link(client: Client, name: str = "a", **more: Any) -> str:
    return await link(client, name, method="PUT", **more)


@pytest.mark.parametrize("headers", [[], [("Range", "bytes=0-0")], [("If-None-Match", "*")]])
async def test_a_public_answer_names_what_it_depends_on(
    client: Client, nobody: Client, headers: list[tuple[str, str]]
) -> None:
    """RFC 9111, 4.1: else a cache gives one client the digests that another one wanted."""
    await client("PUT", "/api/files/a", [("Cache-Control", "public, max-age=60")], DATA)
    for wish in ("sha-256=1", "sha-512=1"):
        answer = await nobody("GET", await link(client), [*headers, ("Want-Repr-Digest", wish)])
        assert answer["vary"].split(", ") == ["Want-Repr-Digest", *DEPENDS_ON]
        assert (answer.get("repr-digest") is None) == (wish == "sha-512=1")


READS: list[list[tuple[str, str]]] = [
    [],
    [("Range", "bytes=2-4")],
    [("Range", "bytes=-3")],
    [("Range", "bytes=99-")],
    [("Range", "bytes=0-1,3-4")],
    [("Range", "bytes=2-4"), ("If-Range", '"x"')],
    [("If-Match", '"x"')],
    [("If-Match", "*")],
    [("If-None-Match", "*")],
    [("If-None-Match", '"x"')],
    [("If-Modified-Since", "Thu, 01 Jan 2099 00:00:00 GMT")],
    [("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT")],
    [("Want-Repr-Digest", "sha-512=1")],
    [("Upload-Complete", "?0"), ("Tus-Resumable", "1.0.0")],
]


@pytest.mark.parametrize("query", ["", "?download", "?x"])
@pytest.mark.parametrize("headers", READS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_reading_is_that_of_the_file(
    client: Client,
    nobody: Client,
    method: str,
    headers: list[tuple[str, str]],
    query: str,
) -> None:
    kept = [
        ("Content-Type", "text/html"),
        ("Content-Language", "de"),
        ("Content-Disposition", "inline"),
        ("X-Object-Meta-A", "1"),
    ]
    await client("PUT", "/api/files/dir/a", kept, DATA)
    url = await link(client, "dir/a")
    direct = await client(method, f"/api/files/dir/a{query}", headers)
    linked = await nobody(method, url + query, headers)
    assert (linked.status, linked.body, linked.complete) == (direct.status, direct.body, True)
    assert [each for each in linked.headers if each[0] != "vary" or direct.status >= 400] == [
        each for each in direct.headers if each[0] != "vary" or direct.status >= 400
    ]


async def test_a_page_that_somebody_stored_is_in_a_sandbox(client: Client, nobody: Client) -> None:
    await client("PUT", "/api/files/a", [("Content-Type", "text/html")], b"<script>")
    answer = await nobody("GET", await link(client))
    assert answer["content-security-policy"] == SHOWN
    assert answer["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("headers", [[], [("Range", "bytes=1-2")], [("If-None-Match", "*")]])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_cache_control_is_given_back(
    client: Client, nobody: Client, method: str, headers: list[tuple[str, str]]
) -> None:
    kept = [("Cache-Control", "public, max-age=60")]
    await client("PUT", "/api/files/a", kept, DATA)
    answer = await nobody(method, await link(client), headers)
    assert answer["cache-control"] == "public, max-age=60"
    assert (await client(method, "/api/files/a"))["cache-control"] == "private, no-cache"


async def test_without_a_kept_one_nobody_else_may_cache_it(client: Client, nobody: Client) -> None:
    await client("PUT", "/api/files/a", body=DATA)
    assert (await nobody("GET", await link(client)))["cache-control"] == "private, no-cache"


@pytest.mark.parametrize("token", ["x", BOB, "", "00000000-0000-0000-0000-000000000000"])
async def test_a_token_is_ignored(client: Client, token: str) -> None:
    await client("PUT", "/api/files/a", body=DATA)
    with_token = Client(client.app, token)
    assert (await with_token("GET", await link(client))).body == DATA
    answer = await with_token("GET", await link(client), [("X-Auth-Token", BOB)])
    assert answer.body == DATA
    assert (await with_token("PUT", await put_link(client, "b"), body=b"b")).status == 204
    assert (await client("GET", "/api/files/b")).body == b"b"
    assert (await Client(client.app, BOB)("GET", "/api/files")).json == []


async def test_it_shows_what_is_there_now(client: Client, nobody: Client) -> None:
    url = await link(client)
    for method in ("GET", "HEAD"):
        assert (await nobody(method, url)).status == 404
    for data in (b"1", b"2"):
        await client("PUT", "/api/files/a", body=data)
        assert (await nobody("GET", url)).body == data
    await client("DELETE", "/api/files/a")
    answer = await nobody("GET", url)
    assert (answer.status, answer.slug) == (404, "no-such-file")


METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "TRACE", "get"]


@pytest.mark.parametrize("method", METHODS)
async def test_other_methods(client: Client, nobody: Client, method: str) -> None:
    await client("PUT", "/api/files/a", body=DATA)
    for url, admitted, allow in (
        (await link(client), ("GET", "HEAD"), "GET, HEAD, OPTIONS"),
        (await put_link(client, overwrite=True), ("PUT",), "PUT, OPTIONS"),
    ):
        answer = await nobody(method, url)
        if method in admitted:
            assert answer.status in (200, 204)
            continue
        assert (answer.status, answer.get("allow")) == (405, allow)
        assert method == "HEAD" or answer.slug == "method-not-allowed"


@pytest.mark.parametrize("override", ["PUT", "DELETE"])
async def test_no_override_of_the_method(client: Client, nobody: Client, override: str) -> None:
    await client("PUT", "/api/files/a", body=DATA)
    answer = await nobody("GET", await link(client), [("X-HTTP-Method-Override", override)])
    assert (answer.status, answer.body) == (200, DATA)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "path",
    [
        "x",
        "x/a",
        "1.x.x/a",
        "1..",
        "/",
        "%2F",
        "%",
        "%zz/a",
        "\u00e9/a".encode().decode("latin-1"),
    ],
)
async def test_what_is_no_link(client: Client, nobody: Client, method: str, path: str) -> None:
    for somebody in (client, nobody):
        answer = await somebody(method, f"/api/links/{path}".encode("latin-1"), body=b"x")
        assert answer.status == 403
        assert method == "HEAD" or answer.slug == "invalid-link"
        assert not answer.asked_first


async def test_a_link_that_was_changed(
    client: Client, nobody: Client, double: StorageDouble
) -> None:
    for name in ("a", "b", "ab"):
        double.store(container(client), name, DATA)
    url = await link(client)
    head, _, _ = url.rpartition("/")
    changed = [f"{head}/{name}" for name in ("b", "ab", "a/b", "A", "%61%00", "..", "a%2F", "a%")]
    changed += [head, f"{head}/", f"{head}//a", f"{head}%2Fa", head.replace(".", "%2E") + "/a"]
    changed += [url[:place] + url[place + 1 :] for place in range(len("/api/links/"), len(url))]
    for each in changed:
        answer = await nobody("GET", each)
        assert (answer.status, answer.slug) == (403, "invalid-link"), each
    for same in (f"{head}/%61", f"http://localhost{url}"):
        assert (await nobody("GET", same)).body == DATA


async def test_of_many_tampered_links_none_is_accepted(
    client: Client, nobody: Client, double: StorageDouble
) -> None:
    double.key = KEY
    assert container(client) == CONTAINER
    tries = tampered(datetime.now(UTC).replace(microsecond=0))
    for _ in range(rounds(1_000, 10_000)):
        text, name = next(tries)
        double.store(container(client), name.value, DATA)
        answer = await nobody("GET", f"/api/links/{text}/{quote(name.value)}".encode())
        assert (answer.status, answer.slug) == (403, "invalid-link"), (text, name)
        assert "expired" not in answer.json["detail"]


async def test_the_literal_path(nobody: Client, client: Client) -> None:
    await client("PUT", "/api/files/a", body=DATA)
    url = await link(client)
    for other in ("/api/link%73/", "/%61pi/links/", "//api/links/", "/api//links/"):
        answer = await client("GET", url.replace("/api/links/", other))
        assert answer.status == 404
        assert answer.body != DATA
    assert (await nobody("GET", url.replace("/api/links/", "/api/files/"))).status == 401


@pytest.mark.parametrize("method", list(LinkMethod))
async def test_one_that_has_expired(
    client: Client, nobody: Client, double: StorageDouble, method: LinkMethod
) -> None:
    double.store(container(client), "a", DATA)

    async def status(left: timedelta) -> int:
        expires = datetime.now(UTC) + left
        made = Link(container(client), FileName("a"), method, expires, overwrite=True)
        url = f"/api/links/{LinkKeys([double.key]).sign(made)}/a"
        answer = await nobody(method, url, body=b"x" if method == "PUT" else None)
        assert answer.status != 403 or "expired" in answer.json["detail"]
        return answer.status

    assert await status(timedelta(seconds=30)) in (200, 204)
    assert await status(timedelta(seconds=-1)) == 403
    assert await status(timedelta(days=-1)) == 403


async def test_two_clients_with_files_of_one_name(client: Client, other: Client) -> None:
    await client("PUT", "/api/files/a", body=b"mine")
    await other("PUT", "/api/files/a", body=b"theirs")
    mine, theirs = await link(client), await link(other)
    for somebody in (client, other, Client(client.app)):
        assert (await somebody("GET", mine)).body == b"mine"
        assert (await somebody("GET", theirs)).body == b"theirs"
    fields = [each.split("/")[3].split(".") for each in (mine, theirs)]
    crossed = f"/api/links/1.{fields[1][1]}.{fields[0][2]}/a"
    assert (await client("GET", crossed)).status == 403


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("overwrite", [False, True])
async def test_uploading(client: Client, nobody: Client, chunked: bool, overwrite: bool) -> None:
    url = await put_link(client, "dir/a", overwrite=overwrite)
    kept = [("Content-Type", "text/plain"), ("X-Object-Meta-A", "1"), ("Cache-Control", "public")]
    answer = await nobody("PUT", url, kept, [b"01234", b"56789"] if chunked else DATA)
    assert (answer.status, answer.body) == (204, b"")
    found = await client("GET", "/api/files/dir/a")
    assert (found.body, found["content-type"]) == (DATA, "text/plain")
    assert (found["etag"], found["x-object-meta-a"]) == (answer["etag"], "1")
    digest = b64encode(hashlib.sha256(DATA).digest()).decode()
    assert answer["repr-digest"] == f"sha-256=:{digest}:"
    again = await nobody("PUT", url, body=b"again")
    assert again.status == (204 if overwrite else 412)
    assert (await client("GET", "/api/files/dir/a")).body == (b"again" if overwrite else DATA)


async def test_only_new_is_decided_before_the_body_and_at_the_commit(
    client: Client, nobody: Client, double: StorageDouble
) -> None:
    url = await put_link(client)
    double.store(container(client), "a", b"old")
    answer = await nobody("PUT", url, body=b"new")
    assert (answer.status, answer.slug, answer.asked_first) == (412, "precondition-failed", False)
    await client("DELETE", "/api/files/a")

    async def be_faster() -> None:
        double.store(container(client), "a", b"faster")

    double.before["commit"] = be_faster
    assert (await nobody("PUT", url, body=b"new")).status == 412
    assert (await client("GET", "/api/files/a")).body == b"faster"


@pytest.mark.parametrize(
    "headers",
    [
        [("If-Match", "*")],
        [("If-None-Match", '"x"')],
        [("If-None-Match", "*")],
        [("If-Unmodified-Since", "Thu, 01 Jan 2099 00:00:00 GMT")],
        [("If-Match", "*"), ("If-None-Match", '"x"')],
    ],
)
async def test_no_condition_of_the_request_lets_it_replace(
    client: Client, nobody: Client, double: StorageDouble, headers: list[tuple[str, str]]
) -> None:
    double.store(container(client), "a", b"old")
    assert (await nobody("PUT", await put_link(client), headers, b"new")).status == 412
    assert (await client("GET", "/api/files/a")).body == b"old"


async def test_the_answer_tells_nothing_of_the_file_that_is_there(
    client: Client, nobody: Client
) -> None:
    """Neither whether a guess of its tag is right, which is a digest, nor when it was stored."""
    stored = await client("PUT", "/api/files/a", body=b"old")
    url = await put_link(client)
    for name, values in {
        "If-Match": [stored["etag"], '"x"', f'"x", {stored["etag"]}', f"W/{stored['etag']}"],
        "If-None-Match": [stored["etag"], '"x"'],
        "If-Unmodified-Since": [
            "Thu, 01 Jan 1970 00:00:00 GMT",
            "Thu, 01 Jan 2099 00:00:00 GMT",
        ],
    }.items():
        answers = [await nobody("PUT", url, [(name, value)], b"new") for value in values]
        assert {(answer.status, answer.body) for answer in answers} == {(412, answers[0].body)}


async def test_a_new_file_where_a_version_is_demanded(client: Client, nobody: Client) -> None:
    url = await put_link(client)
    assert (await nobody("PUT", url, [("If-Match", "*")], b"new")).status == 412
    since = [("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT")]
    assert (await nobody("PUT", url, since, b"new")).status == 204


async def test_conditions_of_the_request(client: Client, nobody: Client) -> None:
    stored = await client("PUT", "/api/files/a", body=b"old")
    url = await put_link(client, overwrite=True)
    for headers in ([("If-None-Match", "*")], [("If-Match", '"x"')]):
        assert (await nobody("PUT", url, headers, b"new")).status == 412
    assert (await nobody("PUT", url, [("If-Match", stored["etag"])], b"new")).status == 204


@pytest.mark.parametrize(
    ("limit", "max_size", "most"), [(None, 5, 5), (5, None, 5), (5, 9, 5), (9, 5, 5)]
)
@pytest.mark.parametrize("chunked", [False, True])
async def test_limits(
    serve: Serve, limit: int | None, max_size: int | None, most: int, chunked: bool
) -> None:
    client = await serve(max_file_size=limit)
    more: dict[str, Any] = {} if max_size is None else {"max_size": max_size}
    url = await put_link(client, **more)
    nobody = Client(client.app)
    data = b"x" * (most + 1)
    answer = await nobody("PUT", url, body=[data] if chunked else data)
    assert (answer.status, answer.slug) == (413, "file-too-large")
    assert answer.asked_first == chunked
    assert (await client("GET", "/api/files")).json == []
    data = b"x" * most
    assert (await nobody("PUT", url, body=[data] if chunked else data)).status == 204


@pytest.mark.parametrize(
    ("headers", "body", "slug"),
    [
        ([("Content-MD5", b64encode(b"0" * 16).decode())], DATA, "digest-mismatched-values"),
        (
            [("Repr-Digest", f"sha-256=:{b64encode(b'0' * 32).decode()}:")],
            DATA,
            "digest-mismatched-values",
        ),
        ([("Content-Range", "bytes 0-9/20")], DATA, "invalid-header"),
        ([("X-Object-Meta-A", "x" * 2000)], DATA, "invalid-header"),
    ],
)
async def test_what_put_refuses_a_link_refuses(
    client: Client, nobody: Client, headers: list[tuple[str, str]], body: bytes, slug: str
) -> None:
    answer = await nobody("PUT", await put_link(client), headers, body)
    assert (answer.status, answer.slug) == (400, slug)
    assert (await client("GET", "/api/files")).json == []


async def test_a_cut_upload_leaves_nothing(client: Client, nobody: Client) -> None:
    url = await put_link(client)
    answer = await nobody("PUT", url, body=[b"half"], length=10, ends=False)
    assert answer.slug == "incomplete-body"
    assert (await client("GET", "/api/files")).json == []
    assert (await nobody("PUT", f"{url}?x", body=b"x")).status == 400


DRAFT = ("Upload-Draft-Interop-Version", "6")


@pytest.mark.parametrize(
    "headers",
    [
        [("Upload-Complete", "?0")],
        [("Upload-Complete", "?0"), DRAFT],
        [("Upload-Incomplete", "?1"), ("Upload-Draft-Interop-Version", "3")],
    ],
)
async def test_a_part_is_refused(
    client: Client, nobody: Client, double: StorageDouble, headers: list[tuple[str, str]]
) -> None:
    answer = await nobody("PUT", await put_link(client), headers, DATA)
    assert (answer.status, answer.slug, answer.asked_first) == (400, "invalid-header", False)
    assert answer.interim == []
    assert (await client("GET", "/api/files")).json == []
    assert (await client("GET", "/api/uploads")).json == []


@pytest.mark.parametrize(
    "headers",
    [
        [("Upload-Complete", "?1")],
        [("Upload-Complete", "?1"), DRAFT, ("Upload-Length", "10")],
        [("Tus-Resumable", "1.0.0"), ("Upload-Length", "99"), ("Upload-Offset", "5")],
    ],
)
async def test_a_whole_one_is_never_resumable(
    client: Client, nobody: Client, headers: list[tuple[str, str]]
) -> None:
    answer = await nobody("PUT", await put_link(client), headers, DATA)
    assert (answer.status, answer.interim, answer.get("location")) == (204, [], None)
    assert (await client("GET", "/api/files/a")).body == DATA
    assert (await client("GET", "/api/uploads")).json == []


@pytest.mark.parametrize("body", [DATA, [DATA]])
async def test_a_whole_one_is_as_long_as_it_says(
    client: Client, nobody: Client, double: StorageDouble, body: bytes | list[bytes]
) -> None:
    headers = [("Upload-Complete", "?1"), ("Upload-Length", "99")]
    answer = await nobody("PUT", await put_link(client), headers, body)
    assert (answer.status, answer.slug) == (400, "inconsistent-upload-length")
    assert double.files == {}


async def test_options_takes_nothing(nobody: Client, double: StorageDouble) -> None:
    for path in ("x/a", "x", "1.x.x/a"):
        answer = await nobody("OPTIONS", f"/api/links/{path}")
        assert (answer.status, answer["allow"]) == (204, "GET, HEAD, PUT, OPTIONS")
    assert double.calls["kept_key"] == 0


async def test_pages_of_other_origins(serve: Serve) -> None:
    page = "https://app.example.com"
    client = await serve(cors_origins=(page,))
    await client("PUT", "/api/files/a", body=DATA)
    answer = await Client(client.app)("GET", await link(client), [("Origin", page)])
    assert (answer.status, answer["access-control-allow-origin"]) == (200, page)
    answer = await Client(client.app)("GET", "/api/links/x/a", [("Origin", page)])
    assert (answer.status, answer["access-control-allow-origin"]) == (403, page)

"""The service below a path of a proxy, which takes that path off or leaves it there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

from file_uploader import root_path
from tests.support.asgi import Client, Exchange, Headers
from tests.support.tus import Tus
from tests.unit.http.conftest import Serve

ROOT = "/team/files"
TOLD = ("X-Forwarded-Prefix", ROOT)
Way = Callable[[str], str]

WAYS: list[tuple[str, list[tuple[str, str]], Way]] = [
    (ROOT, [], lambda path: path.removeprefix(ROOT)),
    (ROOT, [], lambda path: path),
    ("", [TOLD], lambda path: path.removeprefix(ROOT)),
]
NAMES = ["set-and-taken-off", "set-and-left", "told-and-taken-off"]


class Proxied(Client):
    """A client whose requests a proxy passes on."""

    def __init__(self, direct: Client, headers: list[tuple[str, str]], way: Way) -> None:
        super().__init__(direct.app, direct.token)
        self._headers = headers
        self._way = way

    def exchange(
        self, method: str, target: str | bytes, headers: Headers = (), *rest: Any, **options: Any
    ) -> Exchange:
        """Prepare one request."""
        assert isinstance(target, str)
        passed_on = [*self._headers, *headers]
        return super().exchange(method, self._way(target), passed_on, *rest, **options)


@pytest.fixture(params=WAYS, ids=NAMES)
async def proxied(serve: Serve, request: pytest.FixtureRequest, tmp_path: Path) -> Client:
    """A client that asks for paths below `ROOT`, through a proxy."""
    root, headers, way = request.param
    for page in ("index.html", "docs.html"):
        (tmp_path / page).write_text("<p>A page.</p>")
    client = await serve(tmp_path, root_path=root)
    return Proxied(client, headers, way)


async def test_files_lists_and_health(proxied: Client) -> None:
    for name in "ab":
        assert (await proxied("PUT", f"{ROOT}/api/files/{name}", body=b"x")).status == 204
    page = await proxied("GET", f"{ROOT}/api/files?limit=1")
    (reference,) = re.findall("<(.*)>", page["link"])
    following = urlsplit(urljoin(f"http://localhost{ROOT}/api/files?limit=1", reference))
    answer = await proxied("GET", f"{following.path}?{following.query}")
    assert (page.json, answer.json) == (["a"], ["b"])
    for path in ("/", "/health", "/ready", "/api/docs", "/api/openapi.json"):
        assert (await proxied("GET", ROOT + path)).status == 200


async def test_uploads_of_both_kinds_say_where_they_are(proxied: Client) -> None:
    tus = Tus(proxied)
    begun = await tus(
        "POST",
        f"{ROOT}/api/uploads",
        [("Upload-Length", "1"), ("Upload-Metadata", "filename YQ==")],
    )
    fields = [("Upload-Complete", "?0"), ("Upload-Draft-Interop-Version", "8")]
    other = await proxied("PUT", f"{ROOT}/api/files/b", fields, body=b"x")
    for answer in (begun, other):
        assert answer.status == 201
        assert answer["location"].startswith(f"http://localhost{ROOT}/api/uploads/")
    assert other.interim[0].headers["location"] == other["location"]
    assert (await tus.head(urlsplit(begun["location"]).path))["upload-offset"] == "0"


async def test_parts_are_put_together_by_their_urls(proxied: Client) -> None:
    tus, partial = Tus(proxied), ("Upload-Concat", "partial")
    places = []
    for _ in range(4):
        headers = [
            partial,
            ("Upload-Length", "1"),
            ("Content-Type", "application/offset+octet-stream"),
        ]
        answer = await tus("POST", f"{ROOT}/api/uploads", headers, b"x")
        places.append(answer["location"])
    path = urlsplit(places[1]).path
    urls = [places[0], path, path.removeprefix(ROOT), f"uploads/{places[3][-32:]}"]
    headers = [("Upload-Concat", f"final;{' '.join(urls)}"), ("Upload-Metadata", "filename YQ==")]
    assert (await tus("POST", f"{ROOT}/api/uploads", headers)).status == 201
    assert (await proxied("GET", f"{ROOT}/api/files/a")).body == b"xxxx"


async def test_a_link_leads_there_and_media_may_fetch_themselves(proxied: Client) -> None:
    await proxied("PUT", f"{ROOT}/api/files/a", [("Content-Type", "video/mp4")], body=b"x")
    wanted = [("Content-Type", "application/json")]
    url = (await proxied("POST", f"{ROOT}/api/links", wanted, b'{"name": "a"}')).json["url"]
    assert url.startswith(f"http://localhost{ROOT}/api/links/1.")
    answer = await proxied("GET", urlsplit(url).path)
    assert (answer.status, answer.body) == (200, b"x")
    assert f"media-src {url}" in answer["content-security-policy"]
    assert "X-Forwarded-Host" in answer["vary"]


async def test_the_contract_names_the_place(proxied: Client) -> None:
    answer = await proxied("GET", f"{ROOT}/api/openapi.json")
    assert answer.json["servers"] == [{"url": ROOT}]
    assert "X-Forwarded-Prefix" in answer["vary"]


@pytest.mark.parametrize("root", ["", ROOT])
async def test_without_a_slash_it_is_the_page(serve: Serve, tmp_path: Path, root: str) -> None:
    (tmp_path / "index.html").write_text("<p>A page.</p>")
    client = await serve(tmp_path, root_path=root)
    assert (await client("GET", root or "/")).body == b"<p>A page.</p>"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/uploads/", 200),
        ("OPTIONS", "/api/uploads/", 204),
        ("GET", "/api/docs/", 200),
        ("GET", "/api/openapi.json/", 200),
        ("GET", "/health/", 200),
        ("GET", "/ready/", 200),
        ("GET", "/api/files/", 400),
        ("PUT", "/api/files/", 400),
        ("DELETE", "/api/files/", 400),
        ("GET", "//", 404),
    ],
)
async def test_a_slash_at_the_end(
    serve: Serve, tmp_path: Path, method: str, path: str, status: int
) -> None:
    """It makes no difference, but after ``/api/files``: a name that is missing is no list."""
    (tmp_path / "docs.html").write_text("<p>A page.</p>")
    client = await serve(tmp_path)
    assert (await client(method, path)).status == status


async def test_uploads_and_links_are_made_with_a_slash_at_the_end(client: Client) -> None:
    headers = [("Upload-Length", "1"), ("Upload-Metadata", "filename YQ==")]
    answer = await Tus(client)("POST", "/api/uploads/", headers)
    assert answer.status == 201
    assert re.fullmatch("http://localhost/api/uploads/[0-9a-f]{32}", answer["location"])
    wanted = [("Content-Type", "application/json")]
    assert (await client("POST", "/api/links/", wanted, b'{"name": "a"}')).status == 201


async def test_without_a_host_an_upload_is_at_a_path(client: Client) -> None:
    headers = [("Upload-Length", "1"), ("Upload-Metadata", "filename YQ==")]
    answer = await Tus(client)("POST", "/api/uploads", headers, host=None, version="1.0")
    assert re.fullmatch("/api/uploads/[0-9a-f]{32}", answer["location"])


@pytest.mark.parametrize("header", [("X-Forwarded-Proto", "x"), ("Forwarded", "host=<x>")])
async def test_a_proxy_that_tells_no_url_is_refused(
    client: Client, header: tuple[str, str]
) -> None:
    answer = await client("GET", "/health", [header])
    assert (answer.status, answer.slug) == (400, "bad-request")


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/files",
        "/api/files/x",
        "/api/links",
        "/api/uploads/a",
        "/api/docs",
        "/health",
        "/ready/x",
        "/metrics",
    ],
)
def test_a_root_path_is_none_of_the_services_own(path: str) -> None:
    assert root_path.is_own(path)


@pytest.mark.parametrize("path", ["/a", "/apis", "/api/uploader", "/x/api", "/healthy", "/files"])
def test_any_other_may_be_one(path: str) -> None:
    assert not root_path.is_own(root_path.check(path))

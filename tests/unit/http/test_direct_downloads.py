"""Links whose bytes come from the store itself: which, for how long, and what never does."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.support.asgi import Client
from tests.support.double import StorageDouble
from tests.unit.http.conftest import Serve
from tests.unit.http.test_links_use import link, put_link

DATA = b"0123456789"
STORE = "https://store.example"

ATTACHED = "attachment; filename=\"a\"; filename*=UTF-8''a"

SAVED = [
    ("application/octet-stream", None, "", ATTACHED),
    ("application/zip", None, "", ATTACHED),
    ("application/zip", "inline", "", ATTACHED),
    ("application/vnd.ms-excel; charset=x", None, "", ATTACHED),
    ("application/zip", "ATTACHMENT; filename=b", "", "ATTACHMENT; filename=b"),
    ("text/html", "attachment", "", "attachment"),
    ("text/html", None, "?download", ATTACHED),
    ("text/html", "attachment; filename=b", "?download", ATTACHED),
]

SHOWN = [
    "text/html",
    "TEXT/HTML; charset=utf-8",
    "text/plain",
    "image/svg+xml",
    "image/png",
    "audio/ogg",
    "video/mp4",
    "application/pdf",
    "application/json",
    "application/ld+json",
    "application/xhtml+xml; charset=utf-8",
    "application/javascript",
    "application/xml",
]


@pytest.fixture
async def direct(serve: Serve, double: StorageDouble) -> Client:
    """A client of a service that sends downloads to the store."""
    double.direct = STORE
    return await serve(direct_downloads=True)


async def stored(client: Client, content_type: str, disposition: str | None = None) -> str:
    """A link to a file of this type."""
    headers = [("Content-Type", content_type)]
    if disposition is not None:
        headers.append(("Content-Disposition", disposition))
    assert (await client("PUT", "/api/files/a", headers, DATA)).status == 204
    return await link(client)


@pytest.mark.parametrize(("content_type", "disposition", "query", "said"), SAVED)
async def test_what_is_saved_comes_from_the_store(
    direct: Client, content_type: str, disposition: str | None, query: str, said: str
) -> None:
    url = await stored(direct, content_type, disposition)
    nobody = Client(direct.app)
    answer = await nobody("GET", url + query)
    assert answer.status == 307
    assert answer.body == b""
    assert answer["cache-control"] == "no-store"
    assert answer["referrer-policy"] == "no-referrer"
    place = urlsplit(answer["location"])
    assert (f"{place.scheme}://{place.netloc}", place.path) == (STORE, "/a")
    assert parse_qsl(place.query) == [("60.0", said)]
    described = await nobody("HEAD", url + query)
    assert described.status == 200
    assert described["content-length"] == str(len(DATA))


@pytest.mark.parametrize("disposition", [None, "inline", "attachments"])
@pytest.mark.parametrize("content_type", SHOWN)
async def test_what_a_browser_shows_comes_from_here(
    direct: Client, content_type: str, disposition: str | None
) -> None:
    url = await stored(direct, content_type, disposition)
    answer = await Client(direct.app)("GET", url)
    assert (answer.status, answer.body) == (200, DATA)
    assert answer["content-security-policy"].startswith("sandbox")


async def test_only_links_are_sent_away(direct: Client) -> None:
    """A client that follows a redirect may send its token along."""
    await stored(direct, "application/zip")
    for query in ("", "?download"):
        answer = await direct("GET", f"/api/files/a{query}")
        assert (answer.status, answer.body) == (200, DATA)


async def test_where_the_store_serves_nobody_it_comes_from_here(serve: Serve) -> None:
    client = await serve(direct_downloads=True)
    answer = await Client(client.app)("GET", await stored(client, "application/zip"))
    assert (answer.status, answer.body) == (200, DATA)


async def test_off_by_default(serve: Serve, double: StorageDouble) -> None:
    double.direct = STORE
    client = await serve()
    answer = await Client(client.app)("GET", await stored(client, "application/zip"))
    assert answer.status == 200


async def test_no_longer_than_the_link(direct: Client) -> None:
    await direct("PUT", "/api/files/a", [], DATA)
    answer = await Client(direct.app)("GET", await link(direct, expires_in=10))
    ((seconds, _),) = parse_qsl(urlsplit(answer["location"]).query)
    assert 5 < float(seconds) <= 11


async def test_conditions_are_decided_here(direct: Client) -> None:
    url = await stored(direct, "application/zip")
    nobody = Client(direct.app)
    etag = (await nobody("HEAD", url))["etag"]
    asked = {
        ("If-None-Match", etag): 304,
        ("If-None-Match", '"x"'): 307,
        ("If-Match", '"x"'): 412,
        ("If-Match", etag): 307,
        ("Range", "bytes=2-4"): 307,
    }
    for header, status in asked.items():
        assert (await nobody("GET", url, [header])).status == status, header


async def test_what_is_wrong_is_refused_as_ever(direct: Client) -> None:
    nobody = Client(direct.app)
    assert (await nobody("GET", await link(direct, "none"))).status == 404
    assert (await nobody("GET", await put_link(direct))).status == 405
    url = await stored(direct, "application/zip")
    assert (await nobody("GET", f"{url}?x")).status == 400
    assert (await nobody("GET", url.removesuffix("/a") + "/b")).status == 403

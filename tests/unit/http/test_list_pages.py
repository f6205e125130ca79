"""Long lists: page by page by links, and streamed without."""

from __future__ import annotations

import json
import re
from itertools import product
from urllib.parse import urlencode, urljoin

import pytest

from file_uploader.errors import StorageTimeout
from file_uploader.http.files import listing
from file_uploader.model.listing import ListQuery
from tests.support.asgi import Answer, Client
from tests.support.double import StorageDouble, raise_
from tests.support.listing import expected_entries
from tests.unit.http.conftest import container

NAMES = [
    *("a", "a b", "a&b=c", "a+b", "a#b", "a%2Fb", "a?b", 'a">; rel="prev', "a,b", "a<b>"),
    *("d/1", "d/2", "d/e/1", "d/e/2", "d//".strip("/") + "f", "d0", "D/1"),
    *("caf\u00e9", "cafe\u0301", "\U0001f600/1", "\U0001f600/2", "\u2028", "z\\z"),
]

NEXT = re.compile(r'<([^<>]*)>; rel="next"')


def follow(answer: Answer, target: str) -> str | None:
    """The target of the next page, resolved as RFC 3986 says; None at the end."""
    link = answer.get("link")
    if link is None:
        return None
    match = NEXT.fullmatch(link)
    assert match is not None, link
    assert match[1].isascii()
    return str(urljoin(f"http://localhost{target}", match[1])).removeprefix("http://localhost")


async def walk(client: Client, parameters: dict[str, str]) -> list[Answer]:
    """Every page, following the links to the end."""
    target: str | None = f"/api/files?{urlencode(parameters)}"
    pages = []
    while target is not None:
        answer = await client("GET", target)
        assert answer.status == 200, answer
        pages.append(answer)
        assert len(pages) < 100, "it does not end"
        target = follow(answer, target)
    return pages


@pytest.fixture
def files(client: Client, double: StorageDouble) -> None:
    for name in NAMES:
        double.store(container(client), name, b"x")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("limit", [1, 2, 3, 7, len(NAMES) - 1, len(NAMES), 1000])
@pytest.mark.parametrize("delimiter", ["", "/", "\u00e9", "b", '">; ', "&"])
async def test_links_lead_through_everything_once(
    client: Client, limit: int, delimiter: str
) -> None:
    for prefix, marker in product(["", "a", "d/", "a&b=", "\U0001f600"], ["", "a#b", "d/e/1"]):
        given = {"prefix": prefix, "delimiter": delimiter, "marker": marker, "limit": str(limit)}
        pages = [page.json for page in await walk(client, given)]
        wanted = expected_entries(NAMES, ListQuery(prefix, delimiter, marker))
        assert [name for page in pages for name in page] == [each.name.decode() for each in wanted]
        assert all(len(page) == limit for page in pages[:-1])
        assert len(pages) == max(1, -(-len(wanted) // limit)), "an empty page at the end"


@pytest.mark.usefixtures("files")
async def test_links_keep_the_other_parameters(client: Client) -> None:
    pages = await walk(client, {"details": "true", "delimiter": "/", "limit": "4"})
    assert len(pages) > 2
    assert all(set(entry) <= {"prefix", "name", "size", "etag", "last_modified"}
               for page in pages for entry in page.json)  # fmt: skip
    assert any("prefix" in entry for page in pages[1:] for entry in page.json)


@pytest.mark.usefixtures("files")
async def test_no_link_without_a_limit(client: Client) -> None:
    assert (await client("GET", "/api/files")).get("link") is None


async def test_a_page_is_bounded_whatever_the_limit(
    client: Client, double: StorageDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MAX_PAGE", 5)
    for number in range(12):
        double.store(container(client), f"{number:02}", b"")
    pages = [page.json for page in await walk(client, {"limit": "1000"})]
    assert [len(page) for page in pages] == [5, 5, 2]
    assert [name for page in pages for name in page] == [f"{number:02}" for number in range(12)]


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson", "text/plain"])
async def test_the_first_bytes_leave_before_the_second_page_is_read(
    client: Client, double: StorageDouble, accept: str
) -> None:
    double.page_size = 2
    for number in range(6):
        double.store(container(client), str(number), b"")
    pages_read = []

    async def note(_chunk: bytes) -> None:
        pages_read.append(double.calls["page"])

    answer = await client("GET", "/api/files", [("Accept", accept)], on_body=note)
    assert answer.complete
    assert pages_read[:3] == [1, 2, 3]


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson", "text/plain"])
@pytest.mark.parametrize("error", [StorageTimeout("late"), RuntimeError("boom")])
async def test_a_list_that_fails_on_the_way_never_looks_complete(
    client: Client, double: StorageDouble, accept: str, error: Exception
) -> None:
    double.page_size = 2
    for number in range(6):
        double.store(container(client), str(number), b"")
    double.before["page"] = raise_(error, at=2)
    answer = await client.exchange("GET", "/api/files", [("Accept", accept)]).run()
    assert (answer.status, answer.complete) == (200, False)
    assert b"0" in answer.body
    assert b"2" not in answer.body
    if accept == "application/json":
        with pytest.raises(json.JSONDecodeError):
            json.loads(answer.body)


@pytest.mark.parametrize("query", ["", "?limit=3"])
async def test_a_list_that_fails_before_it_begins_is_an_error(
    client: Client, double: StorageDouble, query: str
) -> None:
    double.store(container(client), "a", b"")
    double.before["page"] = raise_(StorageTimeout("The store did not answer."))
    answer = await client("GET", f"/api/files{query}")
    assert (answer.status, answer.slug, answer.complete) == (504, "storage-timeout", True)

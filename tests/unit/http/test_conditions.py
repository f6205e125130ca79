"""Conditional requests: the order of RFC 9110, 13.2.2, and what counts as a condition."""

from __future__ import annotations

from itertools import product

import pytest

from tests.support.asgi import Client
from tests.support.double import EPOCH, StorageDouble, raise_
from tests.unit.http.conftest import container

FILE = "/api/files/a"
EARLIER = "Thu, 29 Feb 2024 12:30:14 GMT"
EXACT = "Thu, 29 Feb 2024 12:30:15 GMT"
LATER = "Thu, 29 Feb 2024 12:30:16 GMT"

MATCH: list[str | None] = [None, "{etag}", '"other"', "*"]
NONE_MATCH: list[str | None] = [None, "{etag}", '"other"', "*"]
SINCE: list[str | None] = [None, EARLIER, EXACT, LATER]

Pairs = list[tuple[str, str]]


@pytest.fixture
async def etag(client: Client) -> str:
    """The ETag of a file that is there."""
    return (await client("PUT", FILE, body=b"content"))["etag"]


def fields(etag: str, **values: str | None) -> Pairs:
    """Headers of those that are not None."""
    return [
        (name.replace("_", "-"), value.format(etag=etag))
        for name, value in values.items()
        if value is not None
    ]


def expected(
    method: str,
    match: str | None,
    unmodified_since: str | None,
    none_match: str | None,
    modified_since: str | None,
) -> int:
    """Section 13.2.2, step by step, for a file that exists and was changed at EXACT."""
    reading = method in ("GET", "HEAD")
    if match is not None:  # 1
        if match == '"other"':
            return 412
    elif unmodified_since == EARLIER:  # 2
        return 412
    if none_match is not None:  # 3
        if none_match != '"other"':
            return 304 if reading else 412
    elif reading and modified_since in (EXACT, LATER):  # 4
        return 304
    return 200 if reading else 204


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_truth_table(client: Client, double: StorageDouble, method: str) -> None:
    """All 256 combinations of the four, for each method."""
    for match, unmodified, none_match, modified in product(MATCH, SINCE, NONE_MATCH, SINCE):
        double.now = EPOCH
        info = double.store(container(client), "a", b"content")
        headers = fields(
            f'"{info.etag}"',
            If_Match=match,
            If_Unmodified_Since=unmodified,
            If_None_Match=none_match,
            If_Modified_Since=modified,
        )
        answer = await client(method, FILE, headers, b"new" if method == "PUT" else None)
        wanted = expected(method, match, unmodified, none_match, modified)
        assert answer.status == wanted, headers
        now = double.files[container(client)].get("a")
        if method in ("GET", "HEAD") or wanted == 412:
            assert now is not None
            assert now[1] == b"content", headers
        else:
            assert (now and now[1]) == (b"new" if method == "PUT" else None), headers


@pytest.mark.parametrize(
    ("headers", "put", "delete"),
    [
        ([("If-None-Match", "*")], 204, 404),
        ([("If-None-Match", '"x"')], 204, 404),
        ([("If-Match", "*")], 412, 412),
        ([("If-Match", '"x"')], 412, 412),
        ([("If-Unmodified-Since", EARLIER)], 204, 404),
        ([("If-Match", "*"), ("If-None-Match", "*")], 412, 412),
        ([], 204, 404),
    ],
)
async def test_a_file_that_is_not_there(
    client: Client, headers: Pairs, put: int, delete: int
) -> None:
    for method in ("GET", "HEAD"):
        assert (await client(method, FILE, headers)).status == 404
    assert (await client("DELETE", FILE, headers)).status == delete
    assert (await client("PUT", FILE, headers, b"x")).status == put


TAGS = {
    # value: (If-Match is met, If-None-Match is met), where the file has {etag}
    "{etag}": (True, False),
    "  {etag}\t": (True, False),
    "W/{etag}": (False, False),
    '"a", {etag}': (True, False),
    '"a",{etag},"b"': (True, False),
    '"a" ,\t{etag} , "b"': (True, False),
    '"a", W/{etag}': (False, False),
    'W/"a", {etag}': (True, False),
    '"a", "b"': (False, True),
    '""': (False, True),
    '"*"': (False, True),
    '"\u00e9"': (False, True),
    '"a,b", "c"': (False, True),
    '"back\\slash"': (False, True),
    "{etag},": (True, False),
    ", {etag}": (True, False),
    '"a",, ,{etag}': (True, False),
    "*": (True, False),
    " * ": (True, False),
}


@pytest.mark.parametrize("value", TAGS)
async def test_lists_of_tags(client: Client, etag: str, value: str) -> None:
    match, none_match = TAGS[value]
    now = value.format(etag=etag)
    assert (await client("GET", FILE, [("If-Match", now)])).status == (200 if match else 412)
    assert (await client("GET", FILE, [("If-None-Match", now)])).status == (
        200 if none_match else 304
    )
    answer = await client("PUT", FILE, [("If-None-Match", now)], b"content")
    assert answer.status == (204 if none_match else 412)
    answer = await client("PUT", FILE, [("If-Match", now)], b"content")
    assert answer.status == (204 if match else 412)


async def test_lists_over_several_lines(client: Client, etag: str) -> None:
    assert (
        await client("GET", FILE, [("If-None-Match", '"a"'), ("If-None-Match", etag)])
    ).status == 304
    assert (await client("GET", FILE, [("If-Match", '"a"'), ("If-Match", etag)])).status == 200


BAD_TAGS = [
    "{bare}",
    "'{bare}'",
    "w/{etag}",
    "W/ {etag}",
    '"a" "b"',
    '"a"; {etag}',
    '"unfinished',
    'unfinished"',
    '"a"b',
    '*, "a"',
    '"a", *',
    "**",
    '"sp ace"',
    '"de\x7fl"',
    "{etag} x",
    ",",
    "\x00",
]


@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_bad_syntax(client: Client, etag: str, method: str, name: str) -> None:
    """`400` rather than a guess: a condition that is not understood must not be dropped."""
    for value in BAD_TAGS:
        now = value.format(etag=etag, bare=etag.strip('"'))
        answer = await client(method, FILE, [(name, now)], b"new" if method == "PUT" else None)
        assert answer.status == 400, value
        assert (await client("GET", FILE)).body == b"content", value


BAD_DATES = [
    "",
    "yesterday",
    "0",
    "1709209815",
    "2024-02-29T12:30:15Z",
    "Thu, 32 Feb 2024 12:30:15 GMT",
    "Thu, 29 Feb 99999999999999999999 12:30:15 GMT",
    "Thu, 29 Feb 2024 12:30:15 +99999999999999",
    "Thu, 29 Feb 2024 99:99:99 GMT",
    "9" * 5000,
    "\u00e9",
]


@pytest.mark.usefixtures("etag")
@pytest.mark.parametrize("value", BAD_DATES, ids=lambda value: ascii(value)[:50])
async def test_bad_dates_are_ignored(client: Client, value: str) -> None:
    for name in ("If-Modified-Since", "If-Unmodified-Since"):
        assert (await client("GET", FILE, [(name, value)])).status == 200
        assert (await client("PUT", FILE, [(name, value)], b"content")).status == 204


@pytest.mark.usefixtures("etag")
@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("Thursday, 29-Feb-24 12:30:15 GMT", 304),
        ("Thursday, 29-Feb-24 12:30:14 GMT", 200),
        ("Thu Feb 29 12:30:15 2024", 304),
        ("Thu Feb 29 12:30:14 2024", 200),
    ],
)
async def test_obsolete_forms_of_dates(client: Client, value: str, status: int) -> None:
    assert (await client("GET", FILE, [("If-Modified-Since", value)])).status == status


@pytest.mark.usefixtures("etag")
@pytest.mark.parametrize("name", ["If-Modified-Since", "If-Unmodified-Since"])
async def test_two_dates(client: Client, name: str) -> None:
    assert (await client("GET", FILE, [(name, EXACT), (name, LATER)])).status == 400


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_304_says_what_a_cache_has_to_know(client: Client, etag: str, method: str) -> None:
    answer = await client(method, FILE, [("If-None-Match", etag)])
    assert (answer.status, answer.body, answer.complete) == (304, b"", True)
    assert answer["etag"] == etag
    assert answer["last-modified"] == EXACT
    assert answer["cache-control"] == "private, no-cache"
    assert answer["vary"] == "X-Auth-Token, Want-Repr-Digest"
    assert answer.get("content-length") in (None, "7")


@pytest.mark.usefixtures("etag")
@pytest.mark.parametrize("header", [("If-Match", '"x"'), ("If-None-Match", "*")])
async def test_a_refused_upload_is_not_read(
    client: Client, double: StorageDouble, header: tuple[str, str]
) -> None:
    answer = await client("PUT", FILE, [header], b"new")
    assert (answer.status, answer.slug, answer.asked_first) == (412, "precondition-failed", False)
    assert double.calls["put"] == 1  # the fixture's


async def test_the_condition_is_decided_again_at_the_commit(
    client: Client, double: StorageDouble
) -> None:
    async def somebody_is_faster() -> None:
        double.store(container(client), "a", b"theirs")

    double.before["commit"] = somebody_is_faster
    answer = await client("PUT", FILE, [("If-None-Match", "*")], b"mine")
    assert (answer.status, answer.asked_first) == (412, True)
    double.before.clear()
    assert (await client("GET", FILE)).body == b"theirs"


@pytest.mark.usefixtures("etag")
@pytest.mark.parametrize("replaced", [1, 3])
async def test_replaced_between_look_and_opening(
    client: Client, double: StorageDouble, replaced: int
) -> None:
    """The range is one of the new version, with the new version's headers."""

    async def replace() -> None:
        if double.calls["open"] <= replaced:
            double.store(container(client), "a", b"%d new" % double.calls["open"])

    double.before["open"] = replace
    answer = await client("GET", FILE, [("Range", "bytes=0-2")])
    assert (answer.status, answer.body) == (206, b"%d n" % replaced)
    assert answer["content-range"] == "bytes 0-2/5"
    double.before.clear()
    assert (await client("HEAD", FILE))["etag"] == answer["etag"]


@pytest.mark.usefixtures("etag")
async def test_deleted_between_look_and_opening(client: Client, double: StorageDouble) -> None:
    async def remove() -> None:
        double.files[container(client)].pop("a")

    double.before["open"] = remove
    answer = await client("GET", FILE, [("Range", "bytes=0-2")])
    assert (answer.status, answer.slug) == (404, "no-such-file")


async def test_replaced_for_ever_ends(client: Client, double: StorageDouble, etag: str) -> None:
    async def replace() -> None:
        double.store(container(client), "a", b"%d" % double.calls["open"])

    double.before["open"] = replace
    answer = await client("GET", FILE, [("If-None-Match", '"x"')])
    assert answer.status == 503
    assert double.calls["open"] < 100
    assert etag


async def test_the_old_version_stays_forbidden(
    client: Client, double: StorageDouble, etag: str
) -> None:
    """`If-Match` holds for what is sent, not only for what was looked at."""

    async def replace() -> None:
        double.store(container(client), "a", b"new")

    double.before["open"] = replace
    assert (await client("GET", FILE, [("If-Match", etag)])).status == 412


@pytest.mark.usefixtures("etag")
async def test_a_store_that_fails_at_the_look(client: Client, double: StorageDouble) -> None:
    double.before["head"] = raise_(RuntimeError("boom"))
    exchange = client.exchange("PUT", FILE, [("If-None-Match", "*")], b"new")
    answer = await exchange.run()
    assert (answer.status, answer.asked_first) == (500, False)
    assert isinstance(answer.crash, RuntimeError)

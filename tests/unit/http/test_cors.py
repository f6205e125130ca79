"""Pages of other origins, as the Fetch standard has browsers ask (3.2, "CORS protocol")."""

from __future__ import annotations

import pytest

from tests.support.asgi import Answer, Client
from tests.support.double import StorageDouble, raise_
from tests.support.tus import BYTES, VERSION, Tus, metadata
from tests.unit.http.conftest import Serve
from tests.unit.http.test_links import post

PAGE = "https://app.example.com"
OTHER = "https://app.example.org"
ORIGIN = ("Origin", PAGE)

TUS_HEADERS = "tus-resumable, upload-length, upload-metadata, upload-offset, upload-concat"
CALLS = [
    ("PUT", "/api/files/a", "x-auth-token, content-type, if-match, x-object-meta-of-any-name"),
    ("GET", "/api/files/a", "x-auth-token, range, if-none-match"),
    ("DELETE", "/api/files/a", "x-auth-token"),
    ("POST", "/api/uploads", f"x-auth-token, content-type, {TUS_HEADERS}, upload-defer-length"),
    ("PATCH", "/api/uploads/x", f"x-auth-token, content-type, {TUS_HEADERS}, upload-checksum"),
    ("POST", "/api/uploads/x", "x-auth-token, x-http-method-override, x-request-id"),
    ("HEAD", "/api/uploads/x", "x-auth-token, tus-resumable"),
    ("POST", "/api/links", "x-auth-token, content-type"),
    ("GET", "/api/links/x/a", "range, if-none-match"),
    ("PUT", "/api/links/x/a", "content-type, x-object-meta-of-any-name"),
    ("PATCH", "/api/uploads/x", "upload-complete, upload-offset, upload-draft-interop-version"),
]


async def preflight(client: Client, origin: str, call: tuple[str, str, str]) -> tuple[int, bool]:
    """Ask as a browser does; return the status and whether it would let the call happen."""
    method, target, headers = call
    answer = await client(
        "OPTIONS",
        target,
        [
            ("Origin", origin),
            ("Access-Control-Request-Method", method),
            ("Access-Control-Request-Headers", headers),
        ],
    )
    allowed = {name.strip() for name in answer["access-control-allow-headers"].lower().split(",")}
    methods = answer["access-control-allow-methods"].split(", ")
    return answer.status, (
        answer.get("access-control-allow-origin") in (origin, "*")
        and method in methods
        and {name.strip() for name in headers.split(",")} <= allowed
    )


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("origins", [(PAGE,), ("http://localhost:3000", PAGE), ("*",)])
async def test_every_call_is_open_to_a_page(
    serve: Serve, call: tuple[str, str, str], origins: tuple[str, ...]
) -> None:
    """Without a token: a browser sends none with its preflights."""
    nobody = Client((await serve(cors_origins=origins)).app)
    assert await preflight(nobody, PAGE, call) == (200, True)
    assert await preflight(nobody, OTHER, call) == ((200, True) if "*" in origins else (400, False))


async def test_a_preflight_is_remembered_and_asks_for_no_credentials(serve: Serve) -> None:
    client = await serve(cors_origins=(PAGE,))
    headers = [ORIGIN, ("Access-Control-Request-Method", "PATCH")]
    answer = await client("OPTIONS", "/api/uploads/x", headers)
    assert answer["access-control-max-age"] == "86400"
    assert answer.get("access-control-allow-credentials") is None
    assert "Origin" in answer["vary"]


@pytest.mark.parametrize("origins", [(), (PAGE,), ("*",)])
async def test_a_whole_upload_by_a_page(serve: Serve, origins: tuple[str, ...]) -> None:
    client = await serve(cors_origins=origins)
    length = ("Upload-Length", "5")
    create = [VERSION, ORIGIN, length, metadata(filename="a")]
    answers = [await client("POST", "/api/uploads", create)]
    location = answers[0]["location"]
    append = [VERSION, ORIGIN, BYTES, ("Upload-Offset", "0")]
    answers.append(await client("PATCH", location, append, b"hello"))
    answers.append(await client("HEAD", location, [VERSION, ORIGIN]))
    answers.append(await client("GET", "/api/files/a", [ORIGIN]))
    assert [answer.status for answer in answers] == [201, 204, 200, 200]
    expected = {(): None, (PAGE,): PAGE, ("*",): "*"}[origins]
    assert {answer.get("access-control-allow-origin") for answer in answers} == {expected}


EXPOSED = {
    *("location", "etag", "repr-digest", "link", "content-range", "content-disposition"),
    *("retry-after", "accept-ranges", "allow", "upload-offset", "upload-length", "upload-expires"),
    *("upload-metadata", "upload-concat", "upload-defer-length", "upload-complete"),
    *("upload-incomplete", "upload-limit", "upload-draft-interop-version", "tus-resumable"),
    *("tus-version", "tus-extension", "tus-max-size", "tus-checksum-algorithm"),
    *("x-container-object-count", "x-container-bytes-used"),
}


async def test_a_page_may_read_what_it_needs(serve: Serve) -> None:
    """Also the metadata, whose names are of its own making: that is what ``*`` is for."""
    client = await serve(cors_origins=(PAGE,))
    answer = await client("GET", "/api/files", [ORIGIN])
    exposed = {name.strip().lower() for name in answer["access-control-expose-headers"].split(",")}
    assert exposed >= {*EXPOSED, "*"}


async def test_errors_have_the_headers_too(serve: Serve, double: StorageDouble) -> None:
    """Else a page sees a failure of the network where there is an answer."""
    client = await serve(cors_origins=(PAGE,), max_file_size=10)
    nobody = Client(client.app)
    answers = [
        await nobody("GET", "/api/files", [ORIGIN]),
        await client("GET", "/api/files/none", [ORIGIN]),
        await client("GET", "/none", [ORIGIN]),
        await client("TRACE", "/api/files", [ORIGIN]),
        await client("PUT", "/api/files/a", [ORIGIN], b"x" * 11),
        await client("POST", "/api/uploads", [ORIGIN, ("Tus-Resumable", "0.1")]),
        await client("GET", "/api/files", [ORIGIN], host=None),
    ]
    double.before["list"] = raise_(RuntimeError("boom"))
    answers.append(await client.exchange("GET", "/api/files", [ORIGIN]).run())
    statuses = [401, 404, 404, 405, 413, 412, 400, 500]
    assert [answer.status for answer in answers] == statuses
    for answer in answers:
        assert answer["access-control-allow-origin"] == PAGE
        assert answer["access-control-expose-headers"]


async def test_caches_keep_origins_apart(serve: Serve) -> None:
    """Fetch, 3.2.5: the answer names one origin, and so varies with it."""
    client = await serve(cors_origins=(PAGE, OTHER))
    for origin in (PAGE, OTHER):
        answer = await client("GET", "/api/files", [("Origin", origin)])
        assert answer["access-control-allow-origin"] == origin
        assert varies(answer) == {"Origin", "X-Auth-Token", "Accept"}


def varies(answer: Answer) -> set[str]:
    """The request headers that an answer says it depends on."""
    return {name.strip() for name in answer["vary"].split(",")}


ASKED = [("GET", "/api/files/a", [("Range", "bytes=0-0")], 206)]
ASKED += [(method, "/api/files/a", [], 200) for method in ("GET", "HEAD")]
ASKED += [("GET", "/api/files/a", [("If-None-Match", "*")], 304)]
ASKED += [("GET", "/api/files/a", [("If-Match", '"x"')], 412)]
ASKED += [("GET", path, [], 200) for path in ("/api/files", "/api/uploads", "/health", "/ready")]
ASKED += [("GET", "/api/openapi.json", [("Accept-Encoding", coding)], 200) for coding in ("", "*")]
ASKED += [("GET", path, [], 404) for path in ("/", "/none", "/api/none", "/api/files/none")]
ASKED += [("OPTIONS", path, [], 204) for path in ("/api/files/a", "/api/uploads", "/health")]
ASKED += [("TRACE", "/api/files/a", [], 405), ("GET", "/api/files", [("Accept", "a/b")], 406)]
ASKED += [("GET", "/api/links/x/a", [], 403), ("PUT", "/api/files/b", [], 204)]


@pytest.mark.parametrize("origin", [None, PAGE, OTHER, "null"])
@pytest.mark.parametrize("origins", [(PAGE,), ("*",)])
async def test_every_answer_varies_with_the_origin_whoever_asks(
    serve: Serve, origins: tuple[str, ...], origin: str | None
) -> None:
    """Else a cache gives a page what was answered to nobody, in which it may not read."""
    client = await serve(cors_origins=origins)
    await client("PUT", "/api/files/a", [("Cache-Control", "public, max-age=60")], b"hello")
    public = (await post(client, {"name": "a"})).json["url"]
    said = [] if origin is None else [("Origin", origin)]
    for method, target, headers, status in [*ASKED, ("GET", public, [], 200)]:
        answer = await client(method, target, [*headers, *said])
        assert (answer.status, "Origin" in varies(answer)) == (status, True), target
        allowed = "*" if "*" in origins and origin else origin if origin == PAGE else None
        assert answer.get("access-control-allow-origin") == allowed
        preflights = {"Access-Control-Request-Method", "Access-Control-Request-Headers"}
        assert (preflights <= varies(answer)) == (method == "OPTIONS")


@pytest.mark.parametrize("origin", [PAGE, OTHER])
async def test_a_preflight_names_what_it_depends_on(serve: Serve, origin: str) -> None:
    client = await serve(cors_origins=(PAGE,))
    asked = [("Origin", origin), ("Access-Control-Request-Method", "PUT")]
    answer = await client("OPTIONS", "/api/files/a", asked)
    assert varies(answer) >= {
        *("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"),
        "Access-Control-Request-Private-Network",
    }


async def test_a_page_of_a_public_network_reaches_a_private_one(serve: Serve) -> None:
    """Private Network Access: its preflights ask for one thing more."""
    client = await serve(cors_origins=(PAGE,))
    asked = [("Access-Control-Request-Method", "PUT")]
    private = ("Access-Control-Request-Private-Network", "true")
    name = "access-control-allow-private-network"
    answer = await client("OPTIONS", "/api/files/a", [ORIGIN, *asked, private])
    assert (answer.status, answer[name]) == (200, "true")
    assert (await client("OPTIONS", "/api/files/a", [ORIGIN, *asked])).get(name) is None
    answer = await client("OPTIONS", "/api/files/a", [("Origin", OTHER), *asked, private])
    assert (answer.status, answer.get(name)) == (400, None)


@pytest.mark.parametrize(
    ("origin", "method"), [(OTHER, "PUT"), (f"{PAGE}, {OTHER}", "PUT"), (PAGE, "TRACE"), (PAGE, "")]
)
async def test_a_preflight_that_is_refused_says_why(serve: Serve, origin: str, method: str) -> None:
    client = await serve(cors_origins=(PAGE,))
    asked = [("Origin", origin), ("Access-Control-Request-Method", method)]
    answer = await client("OPTIONS", "/api/files/a", asked)
    assert (answer.status, answer.slug) == (400, "invalid-header")
    allowed = PAGE if origin == PAGE else None
    assert answer.get("access-control-allow-origin") == allowed


async def test_off_by_default(client: Client) -> None:
    tus = Tus(client)
    location = await tus.begin(5)
    for answer in (
        await client("GET", "/api/files", [ORIGIN]),
        await client("HEAD", location, [ORIGIN, VERSION]),
        await client("OPTIONS", location, [ORIGIN, ("Access-Control-Request-Method", "PATCH")]),
    ):
        assert answer.status in (200, 204)
        assert not [name for name, _ in answer.headers if name.startswith("access-control-")]


async def test_options_that_is_no_preflight_is_answered_as_ever(serve: Serve) -> None:
    client = await serve(cors_origins=(PAGE,))
    answer = await client("OPTIONS", "/api/uploads", [ORIGIN])
    assert (answer.status, answer["tus-version"]) == (204, "1.0.0")
    assert answer["access-control-allow-origin"] == PAGE

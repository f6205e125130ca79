"""Which URL the client used: by where a request comes from, what it says, what a proxy tells."""

from __future__ import annotations

from typing import Any

import pytest

from file_uploader.http.fields.base_url import KEY, BaseURL, BaseURLs, Misaddressed, TrustedProxies

PROXY, STRANGER = ("10.0.0.5", 40000), ("203.0.113.7", 40000)
HOST = ("Host", "inner:8080")
Headers = list[tuple[str, str]]


def located(
    *headers: tuple[str, str],
    client: tuple[str, int] | None = PROXY,
    target: str = "/health",
    root: str = "",
    version: str = "1.1",
    trusted: tuple[str, ...] = ("10.0.0.0/8",),
    server: tuple[str, int | str | None] | None = ("10.0.0.1", 8080),
    scheme: str = "http",
) -> dict[str, Any]:
    """The scope of a request, once it is known where it was sent."""
    scope = {
        "raw_path": target.encode("latin-1"),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "http_version": version,
        "scheme": scheme,
        "root_path": "",
        "client": client,
        "server": server,
    }
    return dict(BaseURLs(root, TrustedProxies(trusted)).located(scope))


def url(*headers: tuple[str, str], **request: Any) -> str:
    """Where ``/`` is for who sent it."""
    base = located(*headers, **request)[KEY]
    assert isinstance(base, BaseURL), base
    return base.reference("/")


def proto(value: str) -> tuple[str, str]:
    return "X-Forwarded-Proto", value


def host(value: str) -> tuple[str, str]:
    return "X-Forwarded-Host", value


def port(value: str) -> tuple[str, str]:
    return "X-Forwarded-Port", value


def prefix(value: str) -> tuple[str, str]:
    return "X-Forwarded-Prefix", value


def forwarded(value: str) -> tuple[str, str]:
    return "Forwarded", value


TOLD: list[tuple[Headers, str]] = [
    ([], "http://inner:8080/"),
    ([proto("https")], "https://inner:8080/"),
    ([proto("HTTPS")], "https://inner:8080/"),
    ([proto("http")], "http://inner:8080/"),
    ([proto("wss")], "https://inner:8080/"),
    ([proto("")], "http://inner:8080/"),
    ([proto("https,http")], "https://inner:8080/"),
    ([proto("http, https")], "http://inner:8080/"),
    ([proto(" , https ,http")], "https://inner:8080/"),
    ([proto("https"), proto("http")], "https://inner:8080/"),
    ([host("files.example.com")], "http://files.example.com/"),
    ([host("a.example, b.example"), host("c.example")], "http://a.example/"),
    ([host("[2001:db8::1]:8443"), proto("https")], "https://[2001:db8::1]:8443/"),
    ([host("a.example"), port("8443")], "http://a.example:8443/"),
    ([host("a.example:81"), port("8443")], "http://a.example:81/"),
    ([host("[2001:db8::1]"), port("8443,80")], "http://[2001:db8::1]:8443/"),
    ([host("a.example"), port("443"), proto("https")], "https://a.example/"),
    ([host("a.example"), port("80"), proto("https")], "https://a.example/"),
    ([port("8443")], "http://inner:8080/"),
    ([prefix("/files")], "http://inner:8080/files/"),
    ([prefix("/files/")], "http://inner:8080/files/"),
    ([prefix("/")], "http://inner:8080/"),
    ([prefix("/outer, /inner")], "http://inner:8080/outer/inner/"),
    ([prefix("/outer"), prefix("/caf%C3%A9/b")], "http://inner:8080/outer/caf%C3%A9/b/"),
    ([forwarded("proto=https")], "https://inner:8080/"),
    ([forwarded("for=192.0.2.1;Host=a.example;Proto=HTTPS")], "https://a.example/"),
    ([forwarded('for="[2001:db8::1]";host="a.example:8443"')], "http://a.example:8443/"),
    ([forwarded('host="a\\.exam\\ple";proto="https"')], "https://a.example/"),
    ([forwarded("for=2001:db8::1;proto=https")], "https://inner:8080/"),
    ([forwarded("for=a;proto=https, for=b;proto=http")], "https://inner:8080/"),
    ([forwarded("for=a"), forwarded("proto=https;host=a.example")], "https://a.example/"),
    ([forwarded(",, ;proto=https;,")], "https://inner:8080/"),
    ([forwarded("proto=https"), prefix("/files")], "https://inner:8080/files/"),
    ([forwarded("proto=https;host=evil.example"), proto("http")], "http://inner:8080/"),
    ([forwarded("host=evil.example"), host("a.example")], "http://a.example/"),
    ([("X_Forwarded_Proto", "https"), ("X_Forwarded_Host", "a")], "http://inner:8080/"),
    ([("X-Forwarded-Ssl", "on"), ("X-Forwarded-Protocol", "ssl")], "http://inner:8080/"),
]


@pytest.mark.parametrize(("headers", "expected"), TOLD)
def test_what_a_trusted_proxy_tells_is_believed(headers: Headers, expected: str) -> None:
    assert url(HOST, *headers) == expected


@pytest.mark.parametrize(("headers", "_expected"), TOLD)
def test_what_anybody_else_tells_is_not(headers: Headers, _expected: str) -> None:
    assert url(HOST, *headers, client=STRANGER) == "http://inner:8080/"


UNUSABLE = [
    *map(proto, ("ftp", "javascript", "https://a", "https\xa0", "on")),
    *map(host, ("<x>", "a/b", "a b", "u@a", "a:b", "a:99999", "[::1", "[::g]", "caf\xe9", "a\\b")),
    *map(prefix, ("files", "//evil.example", "/a//b", "/a?b", "/a#b", "/a b", "/..", "/a/%2E./b")),
    *map(prefix, ("/a;b", "/a%2", "/\xe9", "/a\\b", '/"', "/<x>", "https://evil.example")),
    *map(forwarded, ("proto", "proto=ftp", "host=<x>", 'host="a', "host=a b", "=a", "a = b")),
    forwarded('for="x, for=192.0.2.1;proto=https'),
]


@pytest.mark.parametrize("header", UNUSABLE)
def test_what_cannot_be_in_a_url_is_refused_from_a_proxy_and_not_seen_from_others(
    header: tuple[str, str],
) -> None:
    assert isinstance(located(HOST, header)[KEY], Misaddressed)
    assert url(HOST, header, client=STRANGER) == "http://inner:8080/"


@pytest.mark.parametrize("value", ["a:1:2", "x", "-1", "99999", "8443/a"])
def test_a_port_that_is_none(value: str) -> None:
    assert isinstance(located(HOST, host("a"), port(value))[KEY], Misaddressed)


@pytest.mark.parametrize(
    ("trusted", "client", "believed"),
    [
        (("127.0.0.1", "::1"), ("127.0.0.1", 1), True),
        (("127.0.0.1", "::1"), ("::1", 1), True),
        (("127.0.0.1", "::1"), ("::ffff:127.0.0.1", 1), True),
        (("127.0.0.1", "::1"), ("127.0.0.2", 1), False),
        (("127.0.0.1", "::1"), ("::ffff:10.0.0.1", 1), False),
        (("10.0.0.0/8", "2001:db8::/32"), ("2001:db8::5", 1), True),
        (("10.0.0.0/8",), ("11.0.0.1", 1), False),
        (("*",), ("203.0.113.7", 1), True),
        (("10.0.0.1", "*"), None, True),
        ((), ("127.0.0.1", 1), False),
        (("127.0.0.1",), ("no address", 1), False),
        (("127.0.0.1",), None, False),
    ],
)
def test_a_proxy_is_trusted_by_its_address(
    trusted: tuple[str, ...], client: tuple[str, int] | None, *, believed: bool
) -> None:
    """None: a TCP client that is gone."""
    found = url(HOST, proto("https"), trusted=trusted, client=client)
    assert found.startswith("https:") == believed


@pytest.mark.parametrize("server", [None, ("/run/x", None), ("/", "r")])
def test_who_comes_by_a_unix_socket_is_trusted(server: tuple[str, str | None] | None) -> None:
    found = url(HOST, proto("https"), trusted=(), client=None, server=server)
    assert found == "https://inner:8080/"


GOOD = [
    *(
        "a",
        "a.example",
        "A.Example:80",
        "127.0.0.1",
        "127.0.0.1:65535",
        "a_b",
        "a%C3%A9",
        "a~!$&'()*+;=",
    ),
    *(
        "[::1]",
        "[::1]:8080",
        "[2001:db8::192.0.2.1]",
        "[::ffff:192.0.2.1]:1",
        "[v1.a:b]",
        "a" * 255,
    ),
]
BAD = [
    *("", ":", ":80", "<x>", "h:port", "h:80:80", "h:-1", "h:65536", "h:999999", "a\\b", "caf\xe9"),
    *(
        "[::1",
        "::1",
        "[]",
        "[::1]x",
        "[::1]:x",
        "[:::]",
        "[1.2.3.4]",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
    ),
    *(
        "[v1.]",
        "[vx.a]",
        "u@h",
        "u:p@h",
        "a,b",
        "a, b",
        "a/b",
        "a?b",
        "a#b",
        "a b",
        "a%2",
        "a%zz",
        "a" * 256,
    ),
    *('a"b', "a|b", "a^b", "{a}", "a`b", "a\x00b", "a\tb", "http://a"),
]


@pytest.mark.parametrize("value", GOOD)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_host(value: str, version: str) -> None:
    assert url(("Host", value), version=version, client=STRANGER) == f"http://{value}/"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_no_host(version: str) -> None:
    for value in BAD:
        found = located(("Host", value), version=version, client=STRANGER)[KEY]
        assert isinstance(found, Misaddressed), value


def test_a_port_that_is_empty_is_left_out() -> None:
    """RFC 3986, 6.2.3."""
    assert url(("Host", "a.example:")) == "http://a.example/"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_two_hosts_even_if_they_are_one(version: str) -> None:
    assert isinstance(located(HOST, HOST, version=version)[KEY], Misaddressed)


def test_http_1_1_needs_a_host_and_1_0_gets_a_path_without() -> None:
    assert isinstance(located()[KEY], Misaddressed)
    assert url(version="1.0") == "/"
    assert url(version="1.0", root="/files") == "/files/"
    assert url(proto("https"), prefix("/files"), version="1.0") == "/files/"
    assert url(host("a.example"), version="1.0") == "http://a.example/"


@pytest.mark.parametrize(
    ("target", "expected", "path"),
    [
        ("http://a.example/health?", "http://a.example/", b"/health?"),
        ("HTTP://A.example:81", "http://A.example:81/", b"/"),
        ("http://[::1]/x", "http://[::1]/", b"/x"),
        ("https://a.example/x", "https://a.example/", b"/x"),
    ],
)
def test_a_target_in_absolute_form_counts_and_not_host(
    target: str, expected: str, path: bytes
) -> None:
    """RFC 9112, 3.2.2."""
    assert url(HOST, target=target) == expected
    assert url(("Host", ""), target=target) == expected
    assert url(version="1.0", target=target) == expected
    assert located(HOST, target=target)["raw_path"] == path


def test_the_proxy_knows_better_than_the_target_that_it_sends() -> None:
    headers = (HOST, proto("https"), host("b.example"))
    assert url(*headers, target="http://a.example/") == "https://b.example/"


@pytest.mark.parametrize(
    "target",
    ["http:///x", "http://u@a/x", "http://<x>/", "http://a:b/", "http://[::1/", "http://caf\xe9/"],
)
def test_a_target_with_no_host_that_can_be(target: str) -> None:
    assert isinstance(located(HOST, target=target)[KEY], Misaddressed)


@pytest.mark.parametrize("value", [[], [HOST, HOST], [("Host", "<x>")]])
def test_host_has_to_be_right_beside_a_target_that_counts(value: Headers) -> None:
    """RFC 9112, 3.2: whatever the target is."""
    assert isinstance(located(*value, target="http://a.example/")[KEY], Misaddressed)


def test_https_is_not_had_over_a_connection_that_is_not_secure() -> None:
    """RFC 9110, 7.4; but for what a trusted proxy sends."""
    refused = located(HOST, target="https://a.example/", client=STRANGER)[KEY]
    assert isinstance(refused, Misaddressed)
    over_tls = url(HOST, target="https://a.example/", client=STRANGER, scheme="https")
    assert over_tls == "https://a.example/"


@pytest.mark.parametrize("target", ["*", "api/files", "ftp://a/b", "x/http://a/b", ""])
def test_a_target_that_is_nothing_of_that_stays_as_it_is(target: str) -> None:
    assert located(HOST, target=target)["raw_path"] == target.encode()


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/files/api/files/a", b"/api/files/a"),
        ("/api/files/a", b"/api/files/a"),
        ("/files", b"/"),
        ("/files/", b"/"),
        ("/", b"/"),
        ("http://a/files/health", b"/health"),
        ("/filesx/health", b"/filesx/health"),
        ("/Files/health", b"/Files/health"),
        ("/%66iles/health", b"/%66iles/health"),
        ("/files/files/health", b"/files/health"),
        ("/files//health", b"//health"),
        ("/files/api/files/files/a", b"/api/files/files/a"),
    ],
)
def test_a_root_path_may_be_there_or_taken_off(target: str, path: bytes) -> None:
    for client in (PROXY, STRANGER):
        scope = located(HOST, target=target, root="/files", client=client)
        assert scope["raw_path"] == path
        assert scope["root_path"] == "/files"


def test_a_proxy_knows_better_than_the_root_path() -> None:
    request: dict[str, Any] = {"root": "/files", "target": "/files/health"}
    assert url(HOST, prefix("/outer/files"), **request) == "http://inner:8080/outer/files/"
    assert url(HOST, prefix("/outer"), client=STRANGER, **request) == "http://inner:8080/files/"
    assert located(HOST, prefix("/outer"), **request)["raw_path"] == b"/health"

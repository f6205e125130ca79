"""Integrity fields: RFC 9530, and Content-MD5."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest

from tests.support.asgi import Client
from tests.support.double import StorageDouble
from tests.unit.http.conftest import container

FILE = "/api/files/a"
DATA = b"hello world"


def encoded(algorithm: str, data: bytes = DATA) -> str:
    return b64encode(hashlib.new(algorithm, data, usedforsecurity=False).digest()).decode()


SHA256, SHA512, MD5 = encoded("sha256"), encoded("sha512"), encoded("md5")
WRONG256, WRONG512 = encoded("sha256", b"other"), encoded("sha512", b"other")
IN_256, IN_512 = f"sha-256=:{SHA256}:", f"sha-512=:{SHA512}:"

Pairs = list[tuple[str, str]]

FIELDS = ["Content-Digest", "Repr-Digest"]
GOOD = [
    IN_256,
    IN_512,
    f"{IN_256}, {IN_512}",
    f"{IN_256},{IN_512}",
    f"  {IN_256}  ,\t{IN_512} ",
    f"md5=:AAAA:, {IN_256}",
    f"{IN_256}, unixsum=:AAAA:, x.y-z_1*=::",
    f"{IN_256};x=1",
    f'{IN_256}; a;b=?0;c="d, e";  *x=tok/en ,{IN_512};y=:AAAA:',
    f"a, b;c, d=(1 2), e=1.5, {IN_256}",
    f"sha-256=:{WRONG256}:, {IN_256}",  # RFC 9651, 3.2: of a key that is repeated the last counts.
    f"{IN_256}; {IN_512}",  # The second is a parameter, and says nothing.
]
MISMATCHED = [
    f"sha-256=:{WRONG256}:",
    f"sha-512=:{WRONG512}:",
    f"{IN_256}, sha-512=:{WRONG512}:",
    f"sha-256=:{WRONG256}:, {IN_512}",
    f"sha-256=:{WRONG256}:;x=1",
    f"{IN_256}, sha-256=:{WRONG256}:",
]
UNSUPPORTED = ["md5=:AAAA:", "sha=:AAAA:", "unixsum=:AAAA:, crc32c=:AAAA:", ""]
BAD = [
    SHA256,
    f"sha-256={SHA256}",
    f"sha-256=:{SHA256}",
    f"sha-256={SHA256}:",
    f'sha-256="{SHA256}"',
    f"SHA-256=:{SHA256}:",
    f"sha-256=:{SHA256.rstrip('=')}:",
    f"sha-256=:{SHA256[:-5]}:",
    f"sha-256=:{SHA256[:20]} {SHA256[20:]}:",
    f"sha-256=:{SHA512}:",
    f"sha-512=:{SHA256}:",
    "sha-256=::",
    "sha-256=:=:",
    "sha-256=:!!!!:",
    "sha-256=:\u00e9:",
    f"{IN_256} {IN_512}",
    f"{IN_256}, Nonsense",
    f"{IN_256},",
    f"{IN_256};x=",
    f"{IN_256};",
    f"{IN_256};X=1",
    f"sha-256 =:{SHA256}:",
    f"sha-256= :{SHA256}:",
    "sha-256",
    "sha-256=?1",
    "sha-256=(:AAAA:)",
    "=::",
    ":",
]


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", GOOD)
async def test_right_ones(client: Client, name: str, value: str) -> None:
    assert (await client("PUT", FILE, [(name, value)], DATA)).status == 204
    assert (await client("PUT", FILE, [(name, value)], [DATA[:3], DATA[3:]])).status == 204


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", MISMATCHED)
async def test_wrong_ones_change_nothing(client: Client, name: str, value: str) -> None:
    await client("PUT", FILE, body=b"old")
    answer = await client("PUT", FILE, [(name, value)], DATA)
    assert (answer.status, answer.slug) == (400, "digest-mismatched-values")
    assert (await client("GET", FILE)).body == b"old"


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize(
    ("value", "slug"),
    [
        *((value, "digest-unsupported-algorithms") for value in UNSUPPORTED),
        *((value, "invalid-header") for value in BAD),
    ],
)
async def test_unknown_and_unreadable_ones(
    client: Client, double: StorageDouble, name: str, value: str, slug: str
) -> None:
    answer = await client("PUT", FILE, [(name, value)], DATA)
    assert (answer.status, answer.slug, answer.asked_first) == (400, slug, False)
    assert double.files == {}


async def test_over_several_lines(client: Client) -> None:
    headers = [("Repr-Digest", IN_256), ("Repr-Digest", f"sha-512=:{WRONG512}:")]
    assert (await client("PUT", FILE, headers, DATA)).slug == "digest-mismatched-values"
    headers[1] = ("Repr-Digest", IN_512)
    assert (await client("PUT", FILE, headers, DATA)).status == 204


@pytest.mark.parametrize(
    ("content", "representation", "slug"),
    [
        (IN_256, IN_256, None),
        (IN_256, IN_512, None),
        (IN_256, f"sha-256=:{WRONG256}:", "invalid-header"),
        (f"sha-256=:{WRONG256}:", IN_256, "invalid-header"),
        (IN_256, f"sha-512=:{WRONG512}:", "digest-mismatched-values"),
    ],
)
async def test_both(client: Client, content: str, representation: str, slug: str | None) -> None:
    headers = [("Content-Digest", content), ("Repr-Digest", representation)]
    answer = await client("PUT", FILE, headers, DATA)
    assert (answer.status, None if slug is None else answer.slug) == (400 if slug else 204, slug)


@pytest.mark.parametrize(
    ("value", "slug"),
    [
        (MD5, None),
        (f" {MD5} ", None),
        (encoded("md5", b"other"), "digest-mismatched-values"),
        ("", "invalid-header"),
        (hashlib.md5(DATA).hexdigest(), "invalid-header"),
        (MD5.rstrip("="), "invalid-header"),
        (SHA256, "invalid-header"),
        ("\u00e9" * 24, "invalid-header"),
        (f"md5=:{MD5}:", "invalid-header"),
    ],
)
async def test_content_md5(client: Client, value: str, slug: str | None) -> None:
    answer = await client("PUT", FILE, [("Content-MD5", value)], DATA)
    assert (answer.status, None if slug is None else answer.slug) == (400 if slug else 204, slug)


async def test_content_md5_twice(client: Client) -> None:
    answer = await client("PUT", FILE, [("Content-MD5", MD5), ("Content-MD5", MD5)], DATA)
    assert answer.slug == "invalid-header"


async def test_md5_right_and_sha_wrong(client: Client) -> None:
    headers = [("Content-MD5", MD5), ("Repr-Digest", f"sha-256=:{WRONG256}:")]
    assert (await client("PUT", FILE, headers, DATA)).slug == "digest-mismatched-values"


WANTED: dict[str, list[str]] = {
    "sha-512=1;x=2": [IN_512],
    "sha-256=1, sha-256=0": [],
    "sha-256=11": [],
    "sha-256=?1": [],
    "sha-256 = 1": [IN_256],  # It cannot be read, and so is as none.
    "sha-512=1,": [IN_256],
    "sha-256=1": [IN_256],
    "sha-256=10": [IN_256],
    "sha-512=1": [IN_512],
    "sha-256=3, sha-512=5": [IN_512, IN_256],
    "sha-256=5, sha-512=3": [IN_256, IN_512],
    "sha-256=0, sha-512=3": [IN_512],
    "sha-256=0": [],
    "sha-256=0, sha-512=0": [],
    "md5=10": [],
    "md5=10, sha-256=1": [IN_256],
}


@pytest.mark.parametrize("value", WANTED)
async def test_want_repr_digest_on_put(client: Client, value: str) -> None:
    answer = await client("PUT", FILE, [("Want-Repr-Digest", value)], DATA)
    assert answer.status == 204
    assert answer.get("repr-digest") == (", ".join(WANTED[value]) or None)


@pytest.mark.parametrize("value", WANTED)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_want_repr_digest_on_reading(client: Client, method: str, value: str) -> None:
    """Only SHA-256 is kept."""
    await client("PUT", FILE, body=DATA)
    answer = await client(method, FILE, [("Want-Repr-Digest", value)])
    assert answer.status == 200
    assert answer.get("repr-digest") == (IN_256 if IN_256 in WANTED[value] else None)


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_without_a_wish(client: Client, method: str) -> None:
    await client("PUT", FILE, body=DATA)
    answer = await client(method, FILE, body=DATA if method == "PUT" else None)
    assert answer["repr-digest"] == IN_256


async def test_a_part_has_the_digest_of_the_whole(client: Client) -> None:
    await client("PUT", FILE, body=DATA)
    answer = await client("GET", FILE, [("Range", "bytes=0-4")])
    assert (answer.status, answer.body, answer["repr-digest"]) == (206, DATA[:5], IN_256)


async def test_a_digest_is_never_a_reason_to_replace(client: Client, double: StorageDouble) -> None:
    """The check is before the commit, not after it."""
    await client("PUT", FILE, [("Repr-Digest", f"sha-256=:{WRONG256}:")], DATA)
    assert (double.calls["put"], double.calls["commit"]) == (1, 0)
    assert container(client) not in double.files

"""Who is asking: decided before anything else, and before a byte of the body."""

from __future__ import annotations

import pytest

from tests.support.asgi import Client
from tests.support.double import StorageDouble
from tests.unit.http.conftest import ALICE, container

DIGITS = ALICE.replace("-", "")
BAD = {
    "empty": "",
    "word": "secret",
    "nil": "00000000-0000-0000-0000-000000000000",
    "max": "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "max-upper": "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
    "no-hyphens": DIGITS,
    "braces": f"{{{ALICE}}}",
    "urn": f"urn:uuid:{ALICE}",
    "bearer": f"Bearer {ALICE}",
    "quoted": f'"{ALICE}"',
    "misplaced-hyphens": "-".join([DIGITS[:4], DIGITS[4:12], DIGITS[12:16], *["f" * 4] * 4]),
    "short": ALICE[:-1],
    "long": ALICE + "0",
    "not-hex": "g" + ALICE[1:],
    "underscores": ALICE.replace("-", "_"),
    "inner-space": ALICE.replace("-", " - ", 1),
    "two-in-one": f"{ALICE}, {ALICE}",
    "line-break": ALICE + "\n" + ALICE,
    "wide-digits": "\u00b9" + ALICE[1:],
    "no-break-space": ALICE + "\u00a0",
    "next-line": "\u0085" + ALICE,
}
CALLS = [
    ("GET", "/api/files"),
    ("HEAD", "/api/files"),
    ("POST", "/api/files"),
    ("GET", "/api/files/a"),
    ("HEAD", "/api/files/a"),
    ("PUT", "/api/files/a"),
    ("DELETE", "/api/files/a"),
    ("PATCH", "/api/files/a"),
    ("PUT", "/api/files/.."),
    ("GET", "/api/files?limit=0"),
    ("GET", "/api/"),
    ("GET", "/api/nothing"),
    ("GET", "/api/files%2Fa"),
]


@pytest.mark.parametrize("token", BAD.values(), ids=BAD)
async def test_anything_but_a_canonical_uuid_is_refused(nobody: Client, token: str) -> None:
    answer = await nobody("GET", "/api/files", [("X-Auth-Token", token)])
    assert (answer.status, answer.slug) == (401, "unauthenticated")
    assert answer["www-authenticate"] == "X-Auth-Token"


@pytest.mark.parametrize(
    "token",
    [ALICE, ALICE.upper(), ALICE.title(), f"  {ALICE}\t"],
    ids=["lower", "upper", "mixed", "spaces-around"],
)
async def test_every_spelling_of_a_token_is_one_client(client: Client, token: str) -> None:
    await client("PUT", "/api/files/mine", body=b"1")
    assert (await Client(client.app, token)("GET", "/api/files")).json == ["mine"]


@pytest.mark.parametrize("version", "01234567 89abcdef".replace(" ", ""))
async def test_every_version_of_uuid_is_a_token(nobody: Client, version: str) -> None:
    token = f"{ALICE[:14]}{version}{ALICE[15:]}"
    assert (await Client(nobody.app, token)("GET", "/api/files")).status == 200


@pytest.mark.parametrize("tokens", [(ALICE, ALICE), (ALICE, ""), ("", ALICE)])
async def test_two_headers_are_refused(nobody: Client, tokens: tuple[str, str]) -> None:
    headers = [("X-Auth-Token", token) for token in tokens]
    answer = await nobody("GET", "/api/files", headers)
    assert (answer.status, answer.slug) == (401, "unauthenticated")


@pytest.mark.parametrize(("method", "target"), CALLS)
async def test_it_comes_before_everything_else(
    nobody: Client, double: StorageDouble, method: str, target: str
) -> None:
    """Also before the path is looked at: a stranger does not even learn what is there."""
    answer = await nobody(method, target)
    assert answer.status == 401
    assert answer["www-authenticate"] == "X-Auth-Token"
    assert answer["cache-control"] == "private, no-cache"
    assert answer["vary"] == "X-Auth-Token, Want-Repr-Digest"
    assert set(double.calls) <= {"sweep"}


@pytest.mark.parametrize("token", [None, *BAD.values()])
async def test_not_a_byte_of_the_body_is_asked_for(
    nobody: Client, double: StorageDouble, token: str | None
) -> None:
    answer = await Client(nobody.app, token)("PUT", "/api/files/a", body=[b"x"] * 3)
    assert answer.status == 401
    assert not answer.asked_first
    assert double.files == {}


async def test_an_accepted_upload_is_asked_for(client: Client) -> None:
    """The other side of the test above: `asked_first` can be true."""
    assert (await client("PUT", "/api/files/a", body=b"x")).asked_first


@pytest.mark.parametrize("target", ["/api/files", "/api/files/a"])
async def test_options_needs_no_token(nobody: Client, target: str) -> None:
    assert (await nobody("OPTIONS", target)).status == 204


@pytest.mark.parametrize("target", ["/health", "/ready"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_health_needs_no_token(nobody: Client, method: str, target: str) -> None:
    assert (await nobody(method, target)).status == 200


@pytest.mark.parametrize("target", ["/", "/api", "/nothing", "/API/files", "/%61pi/files"])
async def test_outside_of_the_api_there_is_nothing_to_hide(nobody: Client, target: str) -> None:
    assert (await nobody("GET", target)).status == 404


async def test_a_container_never_bears_its_token(client: Client, double: StorageDouble) -> None:
    await client("PUT", "/api/files/a", body=b"x")
    (stored,) = double.files
    assert stored == container(client)
    assert ALICE not in stored.name
    assert DIGITS not in stored.name

"""Requests of Resumable Uploads for HTTP in each version of the draft, and their answers."""

from __future__ import annotations

from tests.support.asgi import Answer, Client

FILE = "/api/files/a"
PARTIAL = ("Content-Type", "application/partial-upload")

VERSIONS = [3, 4, 5, 6, 7, 8, 9]
"""Every interop version that is known here."""
ANY = [None, *VERSIONS]
"""With the client that names none."""
EARLY = [3, 4, 5, 6]
"""Those of the drafts -01 to -05, which demand of a server what later ones leave to it."""
WITH_LENGTH = [6, 7, 8, 9]
"""Those that know ``Upload-Length``."""
CURRENT = 9

Pairs = list[tuple[str, str]]


def named(version: int | None) -> Pairs:
    """The header that names the version."""
    return [] if version is None else [("Upload-Draft-Interop-Version", str(version))]


def completeness(version: int | None, *, complete: bool) -> tuple[str, str]:
    """The header that says whether the upload is complete."""
    if version == 3:
        return "Upload-Incomplete", "?0" if complete else "?1"
    return "Upload-Complete", "?1" if complete else "?0"


def creation(version: int | None = CURRENT, *, complete: bool) -> Pairs:
    """The headers of a creation."""
    return [*named(version), completeness(version, complete=complete)]


def append(offset: int, version: int | None = CURRENT, *, complete: bool) -> Pairs:
    """The headers of an append."""
    typed = [] if version in (3, 4, 5) else [PARTIAL]
    return [*creation(version, complete=complete), *typed, ("Upload-Offset", str(offset))]


def is_complete(answer: Answer, version: int | None = CURRENT) -> bool:
    """What an answer says of the upload, in the version's own header and in no other."""
    header, other = "Upload-Complete", "Upload-Incomplete"
    if version == 3:
        header, other = other, header
    assert answer.get(other) is None, answer
    assert answer.get("upload-draft-interop-version") == (str(version) if version else None)
    assert answer[header] in ("?0", "?1"), answer
    return answer[header] == completeness(version, complete=True)[1]


def limits(value: str) -> dict[str, int]:
    """The members of an ``Upload-Limit``."""
    pairs = (member.split("=") for member in value.split(", "))
    return {key: int(number) for key, number in pairs}


async def begun(
    client: Client,
    data: bytes = b"",
    headers: Pairs | None = None,
    version: int | None = None,
) -> str:
    """Begin an upload with its first bytes; gives its URI."""
    fields = [*creation(version, complete=False), *(headers or [])]
    answer = await client("PUT", FILE, fields, data)
    assert answer.status == 201, answer
    return answer["location"]


async def offset(client: Client, uri: str) -> int:
    """Where the upload goes on."""
    answer = await client("HEAD", uri)
    assert answer.status == 204, answer
    return int(answer["upload-offset"])


async def stored(client: Client) -> bytes | None:
    """The file; None if there is none."""
    answer = await client("GET", FILE)
    return answer.body if answer.status == 200 else None

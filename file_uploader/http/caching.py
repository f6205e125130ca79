"""What caches may do with each kind of answer, and that its type is what it says: the one table."""

from __future__ import annotations

from collections.abc import Mapping

Headers = Mapping[str, str]

WANTED = "Want-Repr-Digest"
"""What decides which digests of a file an answer has."""

NOSNIFF: Headers = {"x-content-type-options": "nosniff"}
"""On every answer with a body: it is what its type says, also where it repeats a request."""

# A failure names what the file's content depends on, too: nginx keeps one Vary for each URL, and
# answers nothing at all where a second one differs.
PRIVATE: Headers = {"cache-control": "private, no-cache", "vary": f"X-Auth-Token, {WANTED}"}
"""On what depends on the token: all clients share the same URLs."""

NOT_KEPT: Headers = {**PRIVATE, "cache-control": "no-store"}
"""On what depends on the token and is true for a moment only."""

LISTED: Headers = {"cache-control": "private, no-store", "vary": "X-Auth-Token, Accept", **NOSNIFF}
"""On lists, in whatever form: each is one client's own, and true for a moment only."""

NEGOTIATED: Headers = {"vary": LISTED["vary"]}
"""On what refuses every form of a list."""

UPLOAD_ASKED: Headers = {"cache-control": "no-store"}
"""On answers to questions about uploads in tus ("Core Protocol", HEAD)."""

PUBLIC: Headers = {"cache-control": "no-cache", "vary": "Accept-Encoding", **NOSNIFF}
"""On what is the same for everybody, and has a tag."""

PREFIXED: Headers = {**PUBLIC, "vary": "Accept-Encoding, X-Forwarded-Prefix"}
"""The same where it names this server's own URLs."""

MISSING: Headers = {"cache-control": "no-cache", **NOSNIFF}
"""On what could be there after the next start."""

STATE: Headers = {"cache-control": "no-store", **NOSNIFF}
"""On what this process says of itself, and on what it refuses before it is a request."""

AUTHORIZED: Headers = {**STATE, "vary": "Authorization"}
"""The same where it is for some only."""


def by_link(kept: str | None, depends_on: tuple[str, ...]) -> Headers:
    """What a file's own Cache-Control (``kept``) allows: the URL alone decides who gets it.

    ``depends_on`` are the request headers that tell which URL that is.
    """
    vary = ", ".join((WANTED, *depends_on))
    return {"cache-control": kept or "private, no-cache", "vary": vary}

"""What the access log shows of a link: everything but what makes it valid."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from file_uploader.http import target
from file_uploader.http.connection import Connection

FIELDS = "1." + "f" * 46
MAC = "m" * 43
LINK = f"/api/links/{FIELDS}.{MAC}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{LINK}/a.txt", f"/api/links/{FIELDS}.***/a.txt"),
        (f"{LINK}/a/b.c?download", f"/api/links/{FIELDS}.***/a/b.c?download"),
        (f"http://h:80{LINK}/a", f"http://h:80/api/links/{FIELDS}.***/a"),
        (LINK, f"/api/links/{FIELDS}.***"),
        (f"{LINK}%2Fa", f"/api/links/{FIELDS}.***"),
        (f"{LINK}?x", f"/api/links/{FIELDS}.***?x"),
        ("/api/links", "/api/links"),
        ("/api/links/x/a.b", "/api/links/x/a.b"),
        ("/api/files/a.b", "/api/files/a.b"),
        ("*", "*"),
    ],
)
def test_a_link_is_shown_without_its_mac(text: str, shown: str) -> None:
    assert target.without_secrets(text) == shown


def test_the_log_is_written_from_that() -> None:
    """gunicorn makes the request line of this; the query is not a part of a link."""
    request = SimpleNamespace(
        method="GET",
        uri=f"{LINK}/a?download",
        path=f"{LINK}/a",
        query="download",
        version=(1, 1),
        headers=[("HOST", "h")],
    )
    connection = Connection.__new__(Connection)
    environ = connection._build_environ(request, None, ("192.0.2.1", 1))
    assert environ["RAW_URI"] == f"/api/links/{FIELDS}.***/a?download"
    assert environ["REMOTE_ADDR"] == "192.0.2.1"
    assert MAC not in repr(environ)

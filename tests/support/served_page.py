"""The pages, as whoever opens them gets them."""

from __future__ import annotations

import json
import os
import re
import shutil
from base64 import b64encode
from hashlib import sha256
from urllib.request import urlopen

_INLINE = re.compile(r"<(script|style)\b([^>]*)>(.*?)</\1>", re.DOTALL)


def is_expected() -> bool:
    """Whether what is built here has the pages: without npm it need not, unless ``CI`` is set."""
    return shutil.which("npm") is not None or bool(os.environ.get("CI"))


def assert_serves_the_pages(url: str) -> None:
    """Both are what the build in ``web/`` makes, under policies that allow just that."""
    _assert_is_a_page(f"{url}/")
    _assert_is_a_page(f"{url}/api/docs")
    with urlopen(f"{url}/api/openapi.json", timeout=30) as answer:
        assert "/api/docs" in json.load(answer)["paths"]


def _assert_is_a_page(url: str) -> None:
    with urlopen(url, timeout=30) as answer:
        html, headers = answer.read().decode(), answer.headers
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    policy = dict(one.split(maxsplit=1) for one in headers["Content-Security-Policy"].split("; "))
    hashes: dict[str, list[str]] = {"script": [], "style": []}
    for tag, attributes, text in _INLINE.findall(html):
        assert "src=" not in attributes
        hashes[tag].append(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'")
    for tag, expected in hashes.items():
        assert expected, f"no {tag} in the page"
        assert policy[f"{tag}-src"].split() == expected
    assert "stylesheet" not in _INLINE.sub("", html)

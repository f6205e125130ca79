"""The logs of every service that the tests start: no token and no secret may be in any of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

SECRET_SETTINGS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LINK_KEYS", "METRICS_TOKEN")

TOKEN = re.compile(rb"(?i)(?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])")
"""No test has a UUID where a log may show it, so that whatever looks like one is a token."""

LINK = re.compile(rb"/links/[A-Za-z0-9_.-]{48}(?!\.?\*\*\*)[A-Za-z0-9_.-]{40}")
"""A link with what makes it valid."""

_watched: dict[Path, set[bytes]] = {}


def watch(log: Path, settings: Mapping[str, str]) -> None:
    """Look through this log in the end, also for the secrets among these settings."""
    secrets = {
        secret.strip().encode()
        for name in SECRET_SETTINGS
        for secret in settings.get(name, "").split(",")
    }
    _watched.setdefault(log, set()).update(secrets - {b""})


def watched() -> list[Path]:
    """The logs that are there now."""
    return [log for log in _watched if log.exists()]


def shown() -> Iterator[str]:
    """Every line with a secret in it, of all logs that are there now."""
    for log in watched():
        with log.open("rb") as lines:
            for line in lines:
                if TOKEN.search(line) or LINK.search(line) or any(map(line.count, _watched[log])):
                    yield f"{log}: {line[:500]!r}"

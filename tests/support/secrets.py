"""Secrets, and whether they are to be seen anywhere, however they are written down."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from tests.support.service import Service


def forms(secret: str) -> set[bytes]:
    """The ways to write a secret from which anybody could read it."""
    raw = secret.encode()
    texts = {
        secret,
        secret.lower(),
        secret.upper(),
        secret.replace("-", ""),
        quote(secret, safe=""),
    }
    encoded = {base64.b64encode(raw), base64.urlsafe_b64encode(raw)}
    return {
        *(text.encode() for text in texts),
        *(each.rstrip(b"=")[:-1] for each in encoded),  # whose last letter depends on what follows
        raw.hex().encode(),
        repr(secret)[1:-1].encode(),
    }


def shown(secrets: Iterable[str], text: bytes) -> list[str]:
    """Those that can be read in a text."""
    lower = text.lower()
    return [
        secret
        for secret in secrets
        if any(form in text or form.lower() in lower for form in forms(secret))
    ]


def command_lines(running: Service) -> bytes:
    """The command lines of all processes of a service, which every user of the machine can read."""
    pids = [running.process.pid, *running.workers()]
    return b"\n".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids)

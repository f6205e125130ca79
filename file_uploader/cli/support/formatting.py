"""How things are printed."""

from __future__ import annotations

import json
from typing import Any

from file_uploader.storage.upkeep import Flaw, Swept

_STEP = 1024


def size(count: int) -> str:
    """A number of bytes for people."""
    if count < _STEP:
        return f"{count} B"
    amount = float(count)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        amount /= _STEP
        if amount < _STEP:
            return f"{amount:.1f} {unit}"
    return f"{amount / _STEP:.1f} PiB"


def flaw(found: Flaw, *, as_json: bool) -> str:
    """What is wrong, in a line: for people it begins with whose it is, with names as in URLs."""
    if not as_json:
        return str(found)
    kind = "wrong" if not found.harmless else "unproven" if found.name else "harmless"
    said = {
        "container": found.container.name if found.container else None,
        "file": found.name,
        "upload": found.upload_id,
        "key": found.key,
        kind: found.what,
    }
    return json_line({key: value for key, value in said.items() if value is not None})


def swept(found: Swept) -> dict[str, dict[str, int]]:
    """What a sweep removes, for JSON."""
    return {
        str(kind): {"count": amount.count, "bytes": amount.size}
        for kind, amount in found.amounts.items()
    }


def json_line(value: dict[str, Any]) -> str:
    """One line of JSON, in ASCII: there is nothing in it that a terminal obeys."""
    return json.dumps(value)

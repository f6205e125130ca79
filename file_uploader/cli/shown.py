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


def name(text: str) -> str:
    """A file's name, with nothing in it that a terminal would obey."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def flaw(found: Flaw) -> str:
    """What is wrong, in a line that begins with whose it is."""
    whose = [found.container.name] if found.container else []
    whose += [name(found.name)] if found.name else []
    whose += [f"the upload {found.upload_id}"] if found.upload_id else []
    return f"{' '.join(whose)}: {found.what}" if whose else found.what


def flaw_as_json(found: Flaw) -> str:
    """The same for scripts."""
    said = {
        "container": found.container.name if found.container else None,
        "file": found.name,
        "upload": found.upload_id,
        "unproven" if found.harmless else "wrong": found.what,
    }
    return as_json({key: value for key, value in said.items() if value is not None})


def swept(found: Swept) -> dict[str, dict[str, int]]:
    """What a sweep removes, for JSON."""
    return {
        str(kind): {"count": amount.count, "bytes": amount.size}
        for kind, amount in found.amounts.items()
    }


def as_json(value: dict[str, Any]) -> str:
    """One line of JSON."""
    return json.dumps(value, ensure_ascii=False)

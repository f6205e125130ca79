"""Answers of S3 with characters in them that XML cannot hold.

A key may hold any character, and an answer names it: some providers write U+FFFE and U+FFFF as they
are, or control characters as references to them, and no parser reads on. So these are replaced by
text of ours before the answer is read, and put back where a key matters.
"""

from __future__ import annotations

import re
import secrets
from typing import Any

# What is not a `Char` of XML 1.0 (2.2), as itself or as a reference.
_CONTROLS = bytes(code for code in range(0x20) if code not in b"\t\n\r")
_NONCHARACTER = re.compile(rb"\xef\xbf[\xbe\xbf]")
_REFERENCE = re.compile(
    rb"&#(?:x0*([0-8bcBCefEF]|1[0-9a-fA-F]|[fF]{3}[efEF])"
    rb"|0*([0-8]|1[124-9]|2[0-9]|3[01]|6553[45]));"
)
_FORBIDDEN = re.compile(
    b"|".join([_REFERENCE.pattern, _NONCHARACTER.pattern, b"[" + re.escape(_CONTROLS) + b"]"])
)

# Nobody who chooses a key knows it.
_MARK = secrets.token_hex(8)
_REPLACED = re.compile(rf"{_MARK}\.([0-9a-f]+)\.")


def make_readable(response_dict: dict[str, Any], **_: object) -> None:
    """A handler of botocore's ``before-parse``: replace what would make an answer unreadable."""
    body = response_dict["body"]
    if isinstance(body, bytes) and _has_forbidden(body):
        response_dict["body"] = _FORBIDDEN.sub(_replaced, body)


def put_back(parsed: dict[str, Any], **_: object) -> None:
    """A handler of botocore's ``after-call``: have the answer say what the store said."""
    parsed.update({name: _put_back(value) for name, value in parsed.items()})


def _put_back(value: Any) -> Any:
    if isinstance(value, str):
        return _REPLACED.sub(lambda found: chr(int(found[1], 16)), value)
    if isinstance(value, list):
        return [_put_back(each) for each in value]
    if isinstance(value, dict):
        return {name: _put_back(each) for name, each in value.items()}
    return value


def _has_forbidden(text: bytes) -> bool:
    """Whether there is something to replace; one pattern for all would take ten times as long."""
    return (
        len(text.translate(None, _CONTROLS)) < len(text)
        or _NONCHARACTER.search(text) is not None
        or _REFERENCE.search(text) is not None
    )


def _replaced(found: re.Match[bytes]) -> bytes:
    hexadecimal, decimal = found.groups()
    if hexadecimal:
        code = int(hexadecimal, 16)
    else:
        code = int(decimal) if decimal else ord(found[0].decode())
    return f"{_MARK}.{code:x}.".encode()

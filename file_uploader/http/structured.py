"""Structured Fields (RFC 9651): Items that are booleans or integers, with any parameters."""

from __future__ import annotations

import re

from starlette.datastructures import Headers

from .headers import combined

_KEY = r"[a-z*][a-z0-9_.*-]*"
_BARE_ITEMS = (
    r"-?\d{1,12}\.\d{1,3}",
    r"@?-?\d{1,15}",
    r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"',
    r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*",
    r":[A-Za-z0-9+/=]*:",
    r"\?[01]",
    r'%"(?:[\x20\x21\x23\x24\x26-\x7e]|%[0-9a-f]{2})*"',
)
_PARAMETERS = rf"(?:; *{_KEY}(?:=(?:{'|'.join(_BARE_ITEMS)}))?)*"
_BOOLEAN = re.compile(rf" *\?([01]){_PARAMETERS} *", re.ASCII)
_INTEGER = re.compile(rf" *(-?\d{{1,15}}){_PARAMETERS} *", re.ASCII)


def boolean(headers: Headers, name: str) -> bool | None:
    """The value of a Boolean (3.3.6); None without one, a value of another kind included."""
    value = _item(headers, name, _BOOLEAN)
    return None if value is None else value == "1"


def integer(headers: Headers, name: str) -> int | None:
    """The value of an Integer (3.3.1) that is not negative; None without one."""
    value = _item(headers, name, _INTEGER)
    return None if value is None or int(value) < 0 else int(value)


def _item(headers: Headers, name: str, item: re.Pattern[str]) -> str | None:
    match = item.fullmatch(combined(headers, name) or "")
    return None if match is None else match[1]

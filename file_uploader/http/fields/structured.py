"""Structured Fields (RFC 9651): Items and Dictionaries, parsed strictly.

A bare item stays text until somebody asks what it is: a Boolean, an Integer, a Byte Sequence.
Parameters have to be well-formed; what they say is for nobody here. No repetition gives anything
back once it has matched, so that the time to parse a field is that of one walk through it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.datastructures import Headers

from .headers import combined

_KEY = r"[a-z*][a-z0-9_.*-]*+"
_BASE64 = r"[A-Za-z0-9+/]"
_TRAIL = r"%[89ab][0-9a-f]"  # the octets of UTF-8 behind the first (RFC 3629, 4)
_UTF8 = "|".join(
    (
        r"[\x20\x21\x23\x24\x26-\x7e]",
        r"%[0-7][0-9a-f]",
        rf"%(?:c[2-9a-f]|d[0-9a-f]){_TRAIL}",
        rf"%(?:e0%[ab]|ed%[89])[0-9a-f]{_TRAIL}",
        rf"%e[1-9abcef](?:{_TRAIL}){{2}}",
        rf"%(?:f0%[9ab]|f4%8)[0-9a-f](?:{_TRAIL}){{2}}",
        rf"%f[1-3](?:{_TRAIL}){{3}}",
    )
)
_BARE_ITEM = "|".join(
    (
        r"-?[0-9]{1,12}+\.[0-9]{1,3}+",
        r"@?-?[0-9]{1,15}+",
        r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*+"',
        r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*+",
        rf":(?:{_BASE64}{{4}})*+(?:{_BASE64}{{2}}(?:==)?|{_BASE64}{{3}}=?)?:",
        r"\?[01]",
        rf'%"(?:{_UTF8})*+"',
    )
)
_PARAMETERS = rf"(?:; *+{_KEY}(?:=(?>{_BARE_ITEM}))?+)*+"
_ITEM = rf"(?>{_BARE_ITEM}){_PARAMETERS}"
_INNER_LIST = rf"\( *+(?:{_ITEM}(?: ++{_ITEM})*+)?+ *+\)"

_WHOLE_ITEM = re.compile(rf" *+((?>{_BARE_ITEM})){_PARAMETERS} *+")
_MEMBER = re.compile(rf"({_KEY})(?:=((?>{_BARE_ITEM}|{_INNER_LIST})))?+{_PARAMETERS}")
_COMMA = re.compile(r"[ \t]*+,[ \t]*+")
_INTEGER = re.compile("-?[0-9]+")


def boolean(headers: Headers, name: str) -> bool | None:
    """A field that is a Boolean (3.3.6); None without it, or where it is anything else."""
    return {"?0": False, "?1": True}.get(item(combined(headers, name) or "") or "")


def integer(headers: Headers, name: str) -> int | None:
    """A field that is an Integer (3.3.1) from 0 on; None without it, or where it is not."""
    return as_integer(item(combined(headers, name) or "") or "")


def item(field: str) -> str | None:
    """The bare item of a field that is one Item (4.2.3); None where it is none."""
    match = _WHOLE_ITEM.fullmatch(field)
    return None if match is None else match[1]


def dictionary(field: str) -> Mapping[str, str] | None:
    """The bare items of a Dictionary (4.2.2) by key, an inner list in its parentheses.

    None for a field that is none. Of a key that is given twice the last counts.
    """
    found: dict[str, str] = {}
    text, position = field.strip(" "), 0
    if not text:
        return found
    while (match := _MEMBER.match(text, position)) is not None:
        found[match[1]] = match[2] or "?1"
        if match.end() == len(text):
            return found
        comma = _COMMA.match(text, match.end())
        if comma is None:
            return None
        position = comma.end()
    return None


def as_integer(bare: str) -> int | None:
    """The value of an Integer from 0 on; None for another bare item."""
    return int(bare) if _INTEGER.fullmatch(bare) and int(bare) >= 0 else None

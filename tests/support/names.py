"""File names that stores have been known to mix up, refuse or sort wrongly."""

from __future__ import annotations

COMPOSED = "caf\u00e9"
DECOMPOSED = "cafe\u0301"

TRAPS = [
    "a",
    "a/b",
    "a/b/c",
    "a-b",
    "a.b",
    "a0",
    "a b",
    "a+b",
    "a%20b",
    "a%2Fb",
    "a%2fb",
    "a%252Fb",
    "A",
    "A/B",
    " ",
    " leading and trailing ",
    "+",
    "%",
    "%%",
    "100%",
    "back\\slash",
    "..\\up",
    "c:\\windows",
    "hash#tag",
    "question?mark",
    "question?versionId=null",
    "a&b=c",
    "<tag>&amp;\"'",
    "semi;colon",
    "comma,equals=",
    "...",
    "a/...",
    ".hidden",
    "~",
    "*",
    "a*b",
    "[a-z]",
    "{a}",
    "$(id)",
    "`id`",
    "'; DROP TABLE files; --",
    "a_b",
    "a__b",
    "index.db",
    "files/a",
    "uploads/a",
    "null",
    "None",
    COMPOSED,
    DECOMPOSED,
    "\U0001f600",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467/\u2764\ufe0f.txt",
    "\u65e5\u672c\u8a9e/\u30d5\u30a1\u30a4\u30eb",
    "\u05e9\u05dc\u05d5\u05dd",
    "\u202eright-to-left",
    "\u0080",
    "\u0085",
    "\u00a0",
    "\u2028",
    "\ufeffbom",
    "\ufffd",
    "\ud7ff",
    "\ue000",
    "\U00010000",
    "\U0010ffff",
    "\U0010ffff\U0010ffff",
    "\u0131\u017f\u212a",
    "\u00df",
    "\u1e9e",
    "s" * 255,
    "s" * 255 + "/" + "t" * 255,
    "\u00e9" * 127 + "x",
    "n" * 960,
    "\u00e9" * 480,
    "\U0001f600" * 240,
    "/".join(["d"] * 480) + "d",
]
"""Every one is valid and no two are the same file. In no particular order."""

NOT_STORABLE = ["\ufffe", "\uffff", "a/\ufffeb", "\U0001f600\uffff.txt"]
"""No new file gets such a name, and older versions took them."""


def utf16_order(name: str) -> bytes:
    """What some systems sort by: it differs from UTF-8 for U+E000 against U+10000."""
    return name.encode("utf-16-be")

"""Raw paths below ``/api/files/``, and what each is: a file of this very name, or refused.

The same table is tried on the application and on real sockets.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from tests.support.names import COMPOSED, DECOMPOSED

LONGEST = "/".join(["s" * 255] * 3 + ["t" * 192])
assert len(LONGEST) == 960


@dataclass(frozen=True)
class Row:
    """``raw`` is what follows ``/api/files/``; ``name`` is None where the answer is `400`."""

    raw: bytes
    name: str | None

    def __str__(self) -> str:
        text = self.raw.decode("latin-1").encode("ascii", "backslashreplace").decode()
        return text if len(text) <= 40 else f"{text[:20]}...{len(text)}"


def row(raw: str | bytes, name: str | None) -> Row:
    return Row(raw if isinstance(raw, bytes) else raw.encode(), name)


GOOD = [
    row("a", "a"),
    row("a/b/c", "a/b/c"),
    row("%61", "a"),
    row("a%2Fb", "a/b"),
    row("a%2fb%2Fc", "a/b/c"),
    row("...", "..."),
    row("a/.../b", "a/.../b"),
    row("..a", "..a"),
    row("a..", "a.."),
    row(".a", ".a"),
    row("a.", "a."),
    row("%25", "%"),
    row("%2525", "%25"),
    row("%252e%252e", "%2e%2e"),
    row("a%252Fb", "a%2Fb"),
    row("a%2500", "a%00"),
    row("100%25", "100%"),
    row("+", "+"),
    row("a+b", "a+b"),
    row("a%2Bb", "a+b"),
    row("%20", " "),
    row("a%20b", "a b"),
    row("%20a%20", " a "),
    row("a%5Cb", "a\\b"),
    row("..%5Ca", "..\\a"),
    row("a%23b", "a#b"),
    row("a%3Fb", "a?b"),
    row("a%3Fdownload", "a?download"),
    row("a;b=c", "a;b=c"),
    row("a&b=c,d:e@f!g$h'i(j)k*l~m", "a&b=c,d:e@f!g$h'i(j)k*l~m"),
    row("%22%3C%3E%5B%5D%5E%60%7B%7C%7D", '"<>[]^`{|}'),
    row("c:", "c:"),
    row("http:x", "http:x"),
    row(quote(COMPOSED), COMPOSED),
    row(quote(DECOMPOSED), DECOMPOSED),
    row("%C3%A9".lower(), "\u00e9"),
    row("\u00e9".encode().replace(b"\xc3", b"%C3").replace(b"\xa9", b"%A9"), "\u00e9"),
    row("%F0%9F%98%80", "\U0001f600"),
    row(
        quote("\U0001f468\u200d\U0001f469/\u2764\ufe0f.txt"),
        "\U0001f468\u200d\U0001f469/\u2764\ufe0f.txt",
    ),
    row("%C2%80", "\u0080"),
    row("%C2%85", "\u0085"),
    row("%E2%80%A8", "\u2028"),
    row("%E2%80%AEa", "\u202ea"),
    row("%EF%BB%BFa", "\ufeffa"),
    row("%EF%BF%BD", "\ufffd"),
    row("%F4%8F%BF%BF", "\U0010ffff"),
    row("A", "A"),
    row("s" * 255, "s" * 255),
    row("s" * 256, "s" * 256),
    row(LONGEST, LONGEST),
    row("n" * 960, "n" * 960),
    row("%C3%A9" * 480, "\u00e9" * 480),
    row("%6E" * 960, "n" * 960),
    row("api/files/a", "api/files/a"),
    row("null", "null"),
]
BAD = [
    row("", None),
    row("http:%2F%2F", None),
    row("/", None),
    row("/a", None),
    row("a/", None),
    row("a//b", None),
    row("a%2F", None),
    row("%2Fa", None),
    row("a%2F%2Fb", None),
    row("a/%2Fb", None),
    row(".", None),
    row("..", None),
    row("a/.", None),
    row("a/..", None),
    row("../a", None),
    row("a/../b", None),
    row("a/./b", None),
    row("%2e", None),
    row("%2e%2e", None),
    row("%2E%2E", None),
    row(".%2e", None),
    row("a/%2e%2e/b", None),
    row("a%2f..%2fb", None),
    row("..%2F..%2Fetc%2Fpasswd", None),
    row("%00", None),
    row("a%00b", None),
    row("a%00.txt", None),
    row("a%0Ab", None),
    row("a%0Db", None),
    row("a%0D%0Ab", None),
    row("a%09b", None),
    row("a%1Fb", None),
    row("a%7F", None),
    row("%", None),
    row("%%", None),
    row("a%", None),
    row("a%2", None),
    row("%zz", None),
    row("a%2g", None),
    row("%u00e9", None),
    row("%+20", None),
    row("100%/a", None),
    row("%FF", None),
    row("%FE", None),
    row("%C3", None),
    row("%C3%28", None),
    row("%A9", None),
    row("%C0%AF", None),  # an overlong slash
    row("%C0%AE%C0%AE", None),  # overlong dots
    row("%E0%80%AF", None),
    row("%ED%A0%80", None),  # a surrogate
    row("%ED%A0%BD%ED%B8%80", None),  # CESU-8
    row("%F4%90%80%80", None),  # above U+10FFFF
    row("%F8%88%80%80%80", None),
    row("n" * 961, None),
    row("%6E" * 961, None),
    row("%C3%A9" * 480 + "n", None),
    row(LONGEST + "t", None),
]
ROWS = GOOD + BAD

RAW_ONLY = [
    row("% 20", None),
    row("a b", "a b"),
    row("a\\b", "a\\b"),
    row('"<>[]^`{|}', '"<>[]^`{|}'),
    row(COMPOSED.encode(), COMPOSED),
    row(DECOMPOSED.encode(), DECOMPOSED),
    row("\U0001f600".encode(), "\U0001f600"),
    row("a#b", "a#b"),
    row(b"\xff", None),
    row(b"\xe9", None),
    row(b"\xc3", None),
    row(b"a\x00b", None),
    row(b"a\tb", None),
    row(b"a\x7fb", None),
    row(b"a\r\nb", None),
]
"""What no client may send in a target as it is, and a server may refuse or take byte for byte."""

ELSEWHERE = [
    b"/api%2Ffiles/x",
    b"/api%2ffiles%2fx",
    b"/api/files%2Fx",
    b"/%61pi/files/x",
    b"/api/%66iles/x",
    b"/API/files/x",
    b"/api/Files/x",
    b"/Api/Files/x",
    b"//api/files/x",
    b"/api//files/x",
    b"/./api/files/x",
    b"/x/../api/files/x",
    b"/api/./files/x",
    b"/api/files;a/x",
    b"/api/filesx",
    b"/api/files.",
    b"/ap%69/files/x",
    b"/\xc3\xa1pi/files/x",
]
"""Paths that look like those of files and are not: `404`."""

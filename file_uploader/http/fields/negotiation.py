"""Proactive negotiation of media types and codings (RFC 9110, 12.5), and the types of bodies."""

from __future__ import annotations

from collections.abc import Sequence

from file_uploader.http.refusals import NothingAcceptable, UnsupportedMediaType

from .headers import elements


def require_type(
    content_type: str | None, supported: str, *, told_in: str = "Accept-Patch"
) -> None:
    """Check the type of a body, parameters aside. Raises `UnsupportedMediaType`.

    ``told_in`` is the header of a refusal that names the type: for PATCH as RFC 5789, 2.2, has it,
    for other methods ``Accept`` (RFC 9110, 15.5.16).
    """
    if (content_type or "").partition(";")[0].strip().lower() != supported:
        raise UnsupportedMediaType(supported, told_in)


def choose(accept: str | None, offered: Sequence[str]) -> str:
    """The most wanted of the offered media types, the first of equals.

    Raises `NothingAcceptable`.
    """
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [_parse(part) for part in elements(accept)]
    qualities = {media_type: _quality(media_type, ranges) for media_type in offered}
    best = max(offered, key=lambda media_type: qualities[media_type])
    if qualities[best] <= 0:
        raise NothingAcceptable(offered)
    return best


def admits(accept_encoding: str | None, coding: str) -> bool:
    """Whether the client says that it takes this content coding (RFC 9110, 12.5.3).

    One that says nothing could be sent any; it gets what everybody can read.
    """
    qualities = dict(map(_parse, elements(accept_encoding)))
    return qualities.get(coding, qualities.get("*", 0.0)) > 0


def _parse(part: str) -> tuple[str, float]:
    """One element of a list: what it names, and its quality."""
    media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return media_range, float(value)
            except ValueError:
                return media_range, 0.0
    return media_range, 1.0


def _quality(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The quality that the most specific matching range gives."""
    for pattern in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        matching = [quality for media_range, quality in ranges if media_range == pattern]
        if matching:
            return max(matching)
    return 0.0

"""Media types: of answers by proactive negotiation (RFC 9110, 12.5.1), and of bodies."""

from __future__ import annotations

from collections.abc import Sequence

from file_uploader.errors import FileUploaderError

from .headers import RefusedWithHeaders


class NothingAcceptable(FileUploaderError):
    """The client accepts none of what there is."""

    def __init__(self, offered: Sequence[str]) -> None:
        super().__init__(f"Accept one of {', '.join(offered)}.")


class UnsupportedMediaType(RefusedWithHeaders):
    """The body is of a type that this method does not take."""

    def __init__(self, supported: str, told_in: str) -> None:
        super().__init__(f"Send the body with Content-Type: {supported}.")
        self.headers = {told_in: supported}


def require_type(
    content_type: str | None, supported: str, *, told_in: str = "Accept-Patch"
) -> None:
    """Check the type of a body, parameters aside. Raises `UnsupportedMediaType`.

    ``told_in`` is the header of a refusal that names the type: for PATCH as RFC 5789, 2.2, has it,
    for other methods ``Accept`` (RFC 9110, 15.5.16).
    """
    if (content_type or "").partition(";")[0].strip().lower() != supported:
        raise UnsupportedMediaType(supported, told_in)


def accepts_coding(accept: str | None, coding: str) -> bool:
    """Whether a client takes a content coding besides ``identity`` (RFC 9110, 12.5.3)."""
    codings = dict(_parse(part) for part in (accept or "").split(",") if part.strip())
    return codings.get(coding, codings.get("*", 0.0)) > 0


def choose(accept: str | None, offered: Sequence[str]) -> str:
    """The most wanted of the offered media types, the first of equals.

    Raises `NothingAcceptable`.
    """
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [_parse(part) for part in accept.split(",") if part.strip()]
    qualities = {media_type: _quality(media_type, ranges) for media_type in offered}
    best = max(offered, key=lambda media_type: qualities[media_type])
    if qualities[best] <= 0:
        raise NothingAcceptable(offered)
    return best


def _parse(part: str) -> tuple[str, float]:
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

"""Every error of HTTP's own: what a request may not be, whatever it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from file_uploader.errors import FileUploaderError

from . import caching


class RefusedWithHeaders(FileUploaderError):
    """An error whose answer carries headers of its own."""

    headers: Mapping[str, str]


class NothingAcceptable(RefusedWithHeaders):
    """The client accepts none of the media types that there are."""

    def __init__(self, offered: Sequence[str]) -> None:
        super().__init__(f"Accept one of {', '.join(offered)}.")
        self.headers = caching.NEGOTIATED


class UnsupportedMediaType(RefusedWithHeaders):
    """The body is of a type that this method does not take."""

    def __init__(self, supported: str, told_in: str) -> None:
        super().__init__(f"Send the body with Content-Type: {supported}.")
        self.headers = {told_in: supported}


class RangeNotSatisfiable(RefusedWithHeaders):
    """The range begins beyond the end of a file of ``size`` bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(f"The file has {size} bytes; ask for a range that begins within them.")
        self.headers = {"Content-Range": f"bytes */{size}"}


class DocumentTooLarge(FileUploaderError):
    """A JSON document in a request has more bytes than one may have."""


class UnsupportedTusVersion(RefusedWithHeaders):
    """A request in another version of tus than ``version``, or in none where only tus is spoken."""

    def __init__(self, version: str) -> None:
        super().__init__(f"Send Tus-Resumable: {version}.")
        self.headers = {"Tus-Version": version, "Tus-Resumable": version}


class ChecksumMismatch(FileUploaderError):
    """The bytes of a request are not those that ``Upload-Checksum`` announced."""

"""What an ETag proves of a content.

Where the provider makes them as AWS does without encryption by a key of one's own, that of an
object in one piece is the MD5 of its bytes, and that of an object of N parts the MD5 of their MD5s,
with ``-N`` (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html). Which bytes were
which part is not kept; whether they were cut as `sizes` cuts can be tried out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from itertools import count, repeat

from typing_extensions import override

from file_uploader.storage.s3.buffers.sizes import equal_part_size, growing_part_size
from file_uploader.storage.upkeep import Proof


def tag_proof(etag: str, size: int) -> Proof:
    """The proof by the ETag of an object of ``size`` bytes."""
    if re.fullmatch("[0-9a-f]{32}", etag):
        return _Whole(etag)
    return _InParts(etag, size)


class _Whole(Proof):
    """That of an object in one piece."""

    def __init__(self, etag: str) -> None:
        self._etag = etag
        self._md5 = hashlib.md5(usedforsecurity=False)

    @override
    def update(self, chunk: bytes) -> None:
        self._md5.update(chunk)

    @override
    def holds(self) -> bool:
        return self._md5.hexdigest() == self._etag


class _InParts(Proof):
    """That of an object of parts: another tag tells nothing, they may have been cut elsewhere."""

    def __init__(self, etag: str, size: int) -> None:
        self._etag = etag
        self._cuts = (
            _Cut(repeat(equal_part_size(size))),
            _Cut(map(growing_part_size, count(1))),
        )

    @override
    def update(self, chunk: bytes) -> None:
        for cut in self._cuts:
            cut.update(chunk)

    @override
    def holds(self) -> bool | None:
        return True if any(cut.etag() == self._etag for cut in self._cuts) else None


class _Cut:
    """The ETag of the bytes as parts of these sizes."""

    def __init__(self, sizes: Iterator[int]) -> None:
        self._sizes = sizes
        self._left = next(sizes)
        self._part = hashlib.md5(usedforsecurity=False)
        self._md5s: list[bytes] = []

    def update(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        while rest:
            if not self._left:
                self._close_part()
                self._left = next(self._sizes)
            taken = min(len(rest), self._left)
            self._part.update(rest[:taken])
            self._left -= taken
            rest = rest[taken:]

    def etag(self) -> str:
        """That of all the bytes; there are none after it."""
        self._close_part()
        whole = hashlib.md5(b"".join(self._md5s), usedforsecurity=False)
        return f"{whole.hexdigest()}-{len(self._md5s)}"

    def _close_part(self) -> None:
        self._md5s.append(self._part.digest())
        self._part = hashlib.md5(usedforsecurity=False)

"""What an ETag proves of a content.

Where the provider makes them as AWS does without encryption by a key of one's own, that of an
object in one piece is the MD5 of its bytes, and that of an object of N parts the MD5 of their MD5s,
with ``-N`` (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html). Which bytes were
which part is not kept; whether they were cut as `sizes` cuts can be tried out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from itertools import count, repeat

from typing_extensions import override

from file_uploader.storage.s3.buffers.sizes import equal_part_size, growing_part_size
from file_uploader.storage.upkeep import Proof


class TagProof(Proof):
    """That of an object in one piece; or of parts, which may have been cut elsewhere.

    So where those have another tag, it tells nothing.
    """

    def __init__(self, etag: str, size: int) -> None:
        self._etag = etag
        self._whole = hashlib.md5(usedforsecurity=False)
        self._cuts: Sequence[_Cut] = ()
        if not re.fullmatch("[0-9a-f]{32}", etag):
            equal, growing = repeat(equal_part_size(size)), map(growing_part_size, count(1))
            self._cuts = (_Cut(equal), _Cut(growing))

    @override
    def update(self, chunk: bytes) -> None:
        for hashed in self._cuts or (self._whole,):
            hashed.update(chunk)

    @override
    def holds(self) -> bool | None:
        if not self._cuts:
            return self._whole.hexdigest() == self._etag
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

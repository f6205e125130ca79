"""What the record of an upload says that S3 has of it.

The content is the parts in their order and then the tails. A part is one of the multipart upload
if it has an ETag, and else an object that is still to be copied into it; a tail is an object that
is shorter than a part and is still to be merged into one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from file_uploader.model.uploads import Upload
from file_uploader.storage.records import readable

WINDOW = 16
"""Parts that an append may send beyond those that the record names. Whoever takes over from one
that might still be writing has to expect it to write that many, late."""


class StoredPart(NamedTuple):
    """A part, by its ETag (word for word) or else by the name of its object."""

    size: int
    etag: str | None
    name: str | None = None


class Tail(NamedTuple):
    """An object at the end of the content."""

    size: int
    name: str


@dataclass(frozen=True, slots=True)
class UploadLayout:
    """What S3 has.

    * ``length``: that of the upload if it was known at the beginning: it decides on the parts;
    * ``multipart``: the id of the multipart upload, None as long as there is none;
    * ``contested``: parts up to this number may yet be overwritten by somebody who is late, so
      that nothing that counts is sent as one of them;
    * ``generation``: that of the append which wrote this;
    * ``copy``: the id of the multipart upload into which the content is copied in the end.
    """

    length: int | None = None
    multipart: str | None = None
    parts: tuple[StoredPart, ...] = ()
    tails: tuple[Tail, ...] = ()
    contested: int = 0
    generation: int = 0
    copy: str | None = None

    @classmethod
    def of(cls, upload: Upload) -> UploadLayout:
        """What a record says; nothing where it says nothing. Raises `UnreadableRecord`."""
        with readable("upload"):
            said = dict(upload.held)
            said["parts"] = tuple(StoredPart(*part) for part in said.get("parts", ()))
            said["tails"] = tuple(Tail(*tail) for tail in said.get("tails", ()))
            layout = cls(**said)
            ids = (layout.multipart, layout.copy)
            if not all(each is None or isinstance(each, str) for each in ids):
                raise TypeError("an id is text")
            return layout

    def to_json(self) -> Mapping[str, Any]:
        """The reverse of `of`."""
        return {
            "length": self.length,
            "multipart": self.multipart,
            "parts": [[part.size, part.etag, part.name] for part in self.parts],
            "tails": [list(tail) for tail in self.tails],
            "contested": self.contested,
            "generation": self.generation,
            "copy": self.copy,
        }

    @property
    def tail_size(self) -> int:
        """Bytes in the tails."""
        return sum(tail.size for tail in self.tails)

    def claimed(self, upload: Upload) -> UploadLayout:
        """The layout for one who has claimed the upload: what somebody else may write, contested.

        An append sends parts up to `WINDOW` beyond those that its record named. One that was taken
        over from while it might still be writing can do so yet.
        """
        contested = self.contested
        if upload.torn > self.generation:
            contested = max(contested, len(self.parts) + WINDOW)
        return replace(self, contested=contested, generation=upload.generation)

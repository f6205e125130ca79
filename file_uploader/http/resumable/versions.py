"""What differs between the versions of Resumable Uploads for HTTP, in one table.

The protocol (draft-ietf-httpbis-resumable-upload) is still a draft. A client names the version that
it speaks by a number, which changes whenever a draft breaks with the one before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from starlette.datastructures import Headers

from file_uploader.errors import InconsistentLength, InvalidHeader
from file_uploader.http.fields import structured

HEADER = "Upload-Draft-Interop-Version"
_BEGINNING = frozenset({"upload-complete", "upload-incomplete"})


@dataclass(frozen=True, slots=True)
class Version:
    """One version, by how it differs from the newest.

    * ``number``: None where the client names no version that is known here: it gets no interim
      response, since it might take one for the final answer;
    * ``completeness``: the header that says whether the upload is complete, or is incomplete;
    * ``unsaid``: what an append without that header means; None: it is refused;
    * ``progress``: whether an interim response may tell an offset;
    * ``typed``: whether an append has to have the draft's media type;
    * ``appended``: the status of an append that does not complete the upload;
    * ``lifetime``: the key of the remaining lifetime in ``Upload-Limit``; None: there is no such
      header yet;
    * ``strict``: whether the headers of an append are refused on HEAD and DELETE;
    * ``tells_offset``: whether a failure tells the offset of an upload that is still there;
    * ``repeats``: whether the last answer is given again to an empty append that comes after it.
    """

    number: int | None
    completeness: str = "Upload-Complete"
    unsaid: bool | None = None
    progress: bool = True
    typed: bool = True
    appended: int = 204
    lifetime: str | None = "max-age"
    strict: bool = False
    tells_offset: bool = False
    repeats: bool = True

    def complete(self, headers: Headers) -> bool | None:
        """Whether a request says that the upload ends with its body; None if it does not say."""
        if self.completeness not in headers:
            return None
        value = structured.boolean(headers, self.completeness)
        return None if value is None else value is not self._negated

    def appends_last(self, headers: Headers) -> bool:
        """Whether an append is the last one. Raises `InvalidHeader` where it should have said."""
        complete = self.complete(headers)
        last = self.unsaid if complete is None else complete
        if last is None:
            raise InvalidHeader(
                "Send Upload-Complete: ?1 if the upload ends with these bytes, else ?0."
            )
        return last

    def refuse_appending(self, headers: Headers) -> None:
        """Raise `InvalidHeader` for headers of an append where the version forbids them."""
        for name in ("Upload-Offset", self.completeness, "Upload-Length"):
            if self.strict and name in headers:
                raise InvalidHeader(f"{name} is not possible with this method.")

    def says(self, *, complete: bool) -> dict[str, str]:
        """The headers of a final answer: whether the upload is complete, and the version."""
        value = "?1" if complete is not self._negated else "?0"
        return {self.completeness.lower(): value, **self.named}

    @property
    def named(self) -> dict[str, str]:
        """The header that names the version, where the client has named one."""
        return {} if self.number is None else {HEADER.lower(): str(self.number)}

    @property
    def _negated(self) -> bool:
        return self.completeness == "Upload-Incomplete"


NEWEST = Version(None)

_EARLY = Version(
    None,
    unsaid=False,
    progress=False,
    typed=False,
    appended=201,
    lifetime=None,
    strict=True,
    tells_offset=True,
)

VERSIONS: Mapping[int, Version] = {
    # draft -01
    3: replace(_EARLY, number=3, completeness="Upload-Incomplete", unsaid=True),
    # draft -02
    4: replace(_EARLY, number=4),
    # draft -03
    5: replace(_EARLY, number=5, progress=True),
    # drafts -04 and -05
    6: replace(_EARLY, number=6, progress=True, typed=True, lifetime="expires", repeats=False),
    # drafts -06 to -08, -09 to -11, and from -12 on
    7: Version(7, repeats=False),
    8: Version(8),
    9: Version(9),
}
"""All that differ in a way that a server has to know, by their number."""


def version_of(headers: Headers) -> Version:
    """The version that a request names; without one that is known, the newest."""
    if HEADER not in headers:
        return NEWEST
    number = structured.integer(headers, HEADER)
    return NEWEST if number is None else VERSIONS.get(number, NEWEST)


def begun(headers: Headers) -> tuple[Version, bool] | None:
    """What a request for a file says that begins an upload; None for any other.

    Its version, and whether the upload ends with its body.
    """
    if _BEGINNING.isdisjoint(headers):
        return None
    version = version_of(headers)
    complete = version.complete(headers)
    return None if complete is None else (version, complete)


def said_length(headers: Headers, size: int | None, *, complete: bool) -> int | None:
    """``Upload-Length`` of a request that begins an upload (4.1.3); None without it.

    ``size`` are the bytes of its body, where they are known, and ``complete`` says whether these
    are all. Raises `InconsistentLength`.
    """
    length = structured.integer(headers, "Upload-Length")
    if length is None or size is None or size == length or (size < length and not complete):
        return length
    raise InconsistentLength(
        f"Upload-Length is {length}, and this body has {size} bytes; Upload-Length is the length"
        " of the whole upload."
    )

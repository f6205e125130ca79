"""The parsers of tus, against models of what they read."""

from __future__ import annotations

import base64
import re

from hypothesis import example, given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from file_uploader.errors import DigestUnsupported, InvalidHeader, NoSuchUpload
from file_uploader.http.fields import target
from file_uploader.http.tus import headers

KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF), min_size=1).map(
    lambda key: re.sub(r"[,\x7f-\xa0]", "", key) or "key"
)
PAIRS = st.dictionaries(KEYS, st.binary(max_size=20), min_size=1, max_size=5)
HEADER = st.text(st.characters(max_codepoint=0xFF, exclude_characters="\r\n\0"), max_size=60)
NEARLY = st.text(st.sampled_from("abYQ=+/-_ ,;\t\u00e9"), max_size=30)
IDS = st.from_regex(r"0[0-9a-f]{31}", fullmatch=True)


def read(name: str, *values: str) -> Headers:
    return Headers(raw=[(name.lower().encode(), value.encode("latin-1")) for value in values])


@given(PAIRS, st.sampled_from([",", ", ", " ,", "\t,  "]), st.booleans())
def test_metadata_that_was_written_is_read(
    pairs: dict[str, bytes], comma: str, spaced: bool
) -> None:
    written = []
    for key, value in pairs.items():
        bare = not value and not spaced
        written.append(key if bare else f"{key} {base64.b64encode(value).decode()}")
    text = comma.join(written)
    assert headers.metadata(read("Upload-Metadata", text)) == (text, pairs)
    lines = headers.metadata(read("Upload-Metadata", *written))
    assert lines == (", ".join(written), pairs)


@given(st.one_of(HEADER, NEARLY))
@example("a YQ==,a YQ==")
@example("a =")
def test_any_text_as_metadata(text: str) -> None:
    """Refused, or pairs that come to the same when they are written again."""
    try:
        given, pairs = headers.metadata(read("Upload-Metadata", text))
    except InvalidHeader:
        return
    if not text:
        assert (given, pairs) == (None, {})
        return
    assert given == text
    assert len(pairs) == text.count(",") + 1
    for part, (key, value) in zip(text.split(","), pairs.items(), strict=True):
        assert key
        assert not set(key) & set(" ,")
        found, _, encoded = part.strip(" \t").partition(" ")
        assert found == key
        assert base64.b64decode(encoded, validate=True) == value


URLS = st.one_of(
    IDS.map("/api/uploads/{}".format),
    IDS.map("uploads/{}".format),
    IDS.map("https://files.example:8443/api/uploads/{}".format),
)


@given(st.lists(URLS, min_size=1, max_size=5), st.sampled_from([" ", "  "]))
def test_a_list_of_urls_is_the_ids_in_it(urls: list[str], space: str) -> None:
    text = "final;" + space.join(urls)
    concat = headers.concat(read("Upload-Concat", text), target.UPLOADS)
    assert concat is not None
    assert (concat.given, list(concat.sources)) == (text, [url[-32:] for url in urls])


@given(st.one_of(HEADER, HEADER.map("final;{}".format), HEADER.map("final;/api/uploads/{}".format)))
@example("final;http://[")
@example("final;http://[::1]:x/api/uploads/" + "0" * 32)
@example("final;\u00ff")
def test_any_text_as_a_concatenation(text: str) -> None:
    """Refused, a part, or a list that names uploads, each by its whole id."""
    try:
        concat = headers.concat(read("Upload-Concat", text), target.UPLOADS)
    except (InvalidHeader, NoSuchUpload):
        assert text.strip(" \t") != "partial"
        return
    assert concat is not None
    assert concat.given == text.strip(" \t")
    if concat.sources:
        assert text.lstrip(" \t").startswith("final;")
        assert all(re.fullmatch("[0-9a-f]{32}", source) for source in concat.sources)
        assert all(source in text for source in concat.sources)
    else:
        assert concat.given == "partial"


@given(st.one_of(HEADER, HEADER.map("sha1 {}".format), HEADER.map("sha256 {}".format)))
def test_any_text_as_a_checksum(text: str) -> None:
    """Refused, or a digest of the length that its algorithm has."""
    try:
        found = headers.checksum(read("Upload-Checksum", text))
    except (InvalidHeader, DigestUnsupported):
        return
    assert [(name, len(value)) for name, value in found.items()] in (
        [("sha1", 20)],
        [("sha256", 32)],
    )

"""Where a list begins on S3, whatever a client says."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from file_uploader.model.names import MAX_NAME_BYTES
from file_uploader.storage.s3.listing import _NOT_IN_NAMES, _sendable


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("a\ufffeb")
@example("\x00")
@example("a" * 2 * MAX_NAME_BYTES)
def test_it_is_a_key_that_can_be_sent_and_skips_nothing(marker: str) -> None:
    sent = _sendable(marker)
    assert not _NOT_IN_NAMES.search(sent)
    assert len(sent.encode()) <= MAX_NAME_BYTES
    if "\x7f" not in marker:
        assert sent.encode() <= marker.encode()

"""tus 1.0.0: what a refused request leaves as it was, whatever else it says."""

from __future__ import annotations

import pytest

from tests.support.double import StorageDouble
from tests.support.tus import Tus
from tests.unit.http.conftest import Serve

DEFERRED = [("Upload-Defer-Length", "1")]


@pytest.mark.parametrize("value", ["-1", "+5", "5.0", "0x5", "five", "", "5 5", "\u00b2", "5_0"])
async def test_an_upload_length_that_comes_later_must_be_a_non_negative_integer(
    tus: Tus, double: StorageDouble, value: str
) -> None:
    """Headers, Upload-Length: also in the PATCH that says what was deferred."""
    location = await tus.begin(None, DEFERRED)
    before = dict(double.uploads.records)
    answer = await tus.patch(location, 0, b"hello", [("Upload-Length", value)])
    assert (answer.status, answer.slug, answer.asked_first) == (400, "invalid-header", False)
    assert double.uploads.records == before


async def test_an_upload_length_that_comes_twice(tus: Tus, double: StorageDouble) -> None:
    """As above: one value."""
    location = await tus.begin(None, DEFERRED)
    before = dict(double.uploads.records)
    answer = await tus.patch(location, 0, b"hello", [("Upload-Length", "5")] * 2)
    assert (answer.status, answer.slug) == (400, "invalid-header")
    assert double.uploads.records == before


@pytest.mark.parametrize("offset", [0, 5])
async def test_a_conflict_sets_no_length(tus: Tus, double: StorageDouble, offset: int) -> None:
    """Requests, PATCH: MUST respond with 409 without modifying the upload resource."""
    location = await tus.begin(None, DEFERRED, body=b"hel")
    before = dict(double.uploads.records)
    answer = await tus.patch(location, offset, b"lo", [("Upload-Length", "11")])
    assert (answer.status, answer.slug) == (409, "mismatching-upload-offset")
    assert double.uploads.records == before
    assert (await tus.head(location))["upload-defer-length"] == "1"


async def test_a_creation_that_brings_more_than_was_said_makes_no_file(
    tus: Tus, double: StorageDouble
) -> None:
    """Creation With Upload: similar rules as for PATCH, where it was not announced either."""
    answer = await tus.post(5, body=[b"hel", b"lo!"])
    assert (answer.status, answer.slug) == (400, "inconsistent-upload-length")
    assert (double.uploads.records, double.files) == ({}, {})


async def test_a_creation_that_brings_more_than_the_maximum_makes_no_file(
    serve: Serve, double: StorageDouble
) -> None:
    """Creation, POST: MUST respond with 413, where it was not announced either."""
    tus = Tus(await serve(max_file_size=10))
    answer = await tus.post(None, DEFERRED, [b"x" * 6, b"x" * 5])
    assert (answer.status, answer.slug) == (413, "file-too-large")
    assert double.files == {}

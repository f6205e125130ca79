"""How a body is cut into parts."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from file_uploader.errors import FileTooLarge
from file_uploader.storage.s3.sizes import (
    MAX_OBJECT,
    MAX_PART,
    MAX_PARTS,
    MIN_PART,
    PartSizes,
    equal_part_size,
    growing_part_size,
)
from tests.support.bodies import MIB

TIB = 1024 * 1024 * MIB


@given(st.integers(0, MAX_OBJECT))
@example(MAX_OBJECT)
@example(262_144_000_000)  # 10,000 parts of 25 MiB, where others stop without a word
@example(10_000 * MIN_PART + 1)
def test_any_length_fits_into_equal_parts(length: int) -> None:
    size = equal_part_size(length)
    assert MIN_PART <= size <= MAX_PART
    assert size * MAX_PARTS >= length
    sizes = PartSizes(length)
    assert {sizes.due(number) for number in (1, 2, 500, 501, MAX_PARTS)} == {size}
    assert size == MIN_PART or (size - MIB) * MAX_PARTS < length, "no larger than needed"


def test_the_largest_object_has_48_tebibytes() -> None:
    assert 48.8 * TIB < MAX_OBJECT < 48.9 * TIB
    assert PartSizes(MAX_OBJECT).size == MAX_PART


def test_a_length_that_no_object_has_is_refused_at_once() -> None:
    with pytest.raises(FileTooLarge):
        PartSizes(MAX_OBJECT + 1)


def test_parts_of_a_body_of_unknown_length_grow() -> None:
    """As the docstring of the module says: slowly, since each has to be kept until it is sent."""
    sizes = [growing_part_size(number) for number in range(1, MAX_PARTS + 1)]
    assert sizes[0] == MIN_PART
    assert sizes == sorted(sizes)
    assert max(sizes) == MAX_PART
    sent = 0
    for size in sizes:
        assert size <= max(MIN_PART, sent // 200), "a part is small against what was sent"
        sent += size
    assert sum(sizes) > 28 * TIB


def test_a_body_of_unknown_length_ends_in_an_error_and_not_in_silence() -> None:
    sizes = PartSizes(None)
    assert sizes.due(MAX_PARTS) == MAX_PART
    with pytest.raises(FileTooLarge):
        sizes.due(MAX_PARTS + 1)


def test_without_room_to_grow_the_size_stays() -> None:
    sizes = PartSizes(None)
    assert sizes.due(501) == 2 * MIN_PART
    assert sizes.size == MIN_PART

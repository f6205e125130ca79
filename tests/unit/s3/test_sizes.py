"""How a body is cut into parts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from file_uploader.errors import FileTooLarge
from file_uploader.storage.s3.buffers.sizes import (
    MAX_GROWN,
    MAX_OBJECT,
    MAX_PART,
    MAX_PARTS,
    MIN_PART,
    check_size,
    equal_part_size,
    growing_part_size,
    part_size,
)
from file_uploader.storage.s3.uploads.copy import COPIED, Range, Source, plan
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
    assert {part_size(length, number) for number in (1, 2, 500, 501, MAX_PARTS)} == {size}
    assert size == MIN_PART or (size - MIB) * MAX_PARTS < length, "no larger than needed"


def test_the_largest_object_has_48_tebibytes() -> None:
    assert 48.8 * TIB < MAX_OBJECT < 48.9 * TIB
    assert part_size(MAX_OBJECT, 1) == MAX_PART


def test_a_length_that_no_object_has_is_refused_at_once() -> None:
    with pytest.raises(FileTooLarge):
        part_size(MAX_OBJECT + 1, 1)


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
    assert part_size(None, MAX_PARTS) == MAX_PART
    with pytest.raises(FileTooLarge):
        part_size(None, MAX_PARTS + 1)


def test_an_upload_says_at_once_that_no_object_can_hold_it() -> None:
    check_size(10, MAX_OBJECT)
    check_size(None, MAX_GROWN)
    assert 28.3 * TIB < MAX_GROWN < 28.4 * TIB
    with pytest.raises(FileTooLarge, match="files"):
        check_size(None, MAX_OBJECT + 1)
    with pytest.raises(FileTooLarge, match="files"):
        check_size(MAX_OBJECT + 1, MAX_OBJECT + 1)
    with pytest.raises(FileTooLarge, match="without a length"):
        check_size(None, MAX_GROWN + 1)


def _parts_of_upload(size: int, *, known: bool) -> list[int]:
    """The parts of an upload of ``size`` bytes, whatever the pieces that it comes in."""
    parts: list[int] = []
    missing = size
    while missing:
        due = part_size(size if known else None, len(parts) + 1)
        parts.append(min(missing, due))
        missing -= parts[-1]
    return parts


@pytest.mark.parametrize("size", [TIB, 5 * TIB, MAX_OBJECT - 1, MAX_OBJECT])
def test_an_upload_of_known_length_fits_into_equal_parts(size: int) -> None:
    *equal, last = _parts_of_upload(size, known=True)
    assert len(equal) < MAX_PARTS
    assert len(set(equal)) == 1
    assert 0 < last <= equal[0] <= MAX_PART


def test_an_upload_of_unknown_length_grows_its_parts() -> None:
    parts = _parts_of_upload(TIB, known=False)
    assert len(parts) < 5000, "131,072 if all had 8 MiB"
    assert parts[:-1] == sorted(parts[:-1])
    assert len(_parts_of_upload(28 * TIB, known=False)) <= MAX_PARTS
    with pytest.raises(FileTooLarge):
        _parts_of_upload(29 * TIB, known=False)


def _sources(runs: list[tuple[int, int]]) -> list[Source]:
    sizes = [size for size, times in runs for _ in range(times)]
    return [Source({"Key": str(number)}, size) for number, size in enumerate(sizes)]


def _assert_once_and_in_order(ranges: Iterator[Range], sources: list[Source]) -> None:
    for source in sources:
        at = 0
        while at < source.size:
            found = next(ranges)
            assert (found.source, found.start) == (source, at)
            at += found.size
        assert at == source.size
    assert next(ranges, None) is None


SIZES = st.one_of(
    st.integers(1, 3 * MIN_PART), st.integers(1, 4 * MAX_PART), st.integers(1, MAX_OBJECT // 3)
)


@given(st.lists(st.tuples(SIZES, st.sampled_from([1, 2, 3, 100])), max_size=6))
@example([(MAX_OBJECT // 3, 1)])
@example([(MAX_OBJECT, 1)])
@example([(MIN_PART - 1, 4000), (MAX_PART + 1, 3000)])
@example([(600 * COPIED + 1, 2)])  # a byte is left over when the first source is split
@example([(1, 4000), (MIN_PART, 4000), (600 * MIB, 4000)])
@settings(deadline=None)
def test_what_is_copied_is_all_there_once_in_parts_that_s3_takes(
    runs: list[tuple[int, int]],
) -> None:
    sources = _sources(runs)
    total = sum(source.size for source in sources)
    try:
        parts = plan(sources)
    except FileTooLarge:
        assert total > MAX_OBJECT // 3, "less than that always fits"
        return
    _assert_once_and_in_order((each for part in parts for each in part), sources)
    *sizes, last = [sum(each.size for each in part) for part in parts]
    assert len(parts) <= MAX_PARTS
    assert last <= MAX_PART
    assert all(MIN_PART <= size <= MAX_PART for size in sizes)


def test_nothing_is_copied_as_one_empty_part() -> None:
    assert plan([]) == [()]


def test_more_than_an_object_holds_is_not_put_together() -> None:
    with pytest.raises(FileTooLarge):
        plan(_sources([(MAX_OBJECT, 1), (1, 1)]))

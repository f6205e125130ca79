"""How a body is cut into parts.

S3 takes 10,000 parts of at most 5 GiB. With a known length all parts are equal (some providers
insist), as small as 10,000 of them allow. With an unknown length they start at 8 MiB and double
after every 500 parts: 4 GiB in the first 500, 124 GiB in 2,500, 3.9 TiB in 5,000; from there on
5 GiB each, 28.3 TiB in all. The largest object, 48.8 TiB, *is* 10,000 parts of 5 GiB, so that no
schedule that starts small can reach it: a body above 28.3 TiB has to announce its length.
"""

from __future__ import annotations

from file_uploader.errors import FileTooLarge

MIB = 1024 * 1024
MIN_PART = 8 * MIB
MAX_PART = 5 * 1024 * MIB
MAX_PARTS = 10_000
MAX_OBJECT = MAX_PART * MAX_PARTS
PARTS_PER_STEP = 500


def part_size(length: int | None, number: int) -> int:
    """The bytes of part ``number`` (from 1) of a body or an upload, were there room for any size.

    It depends on nothing but the ``length``, as far as that was known in the beginning, so that
    whoever goes on with an upload cuts it in the same places. Raises `FileTooLarge` for what S3
    does not take any more.
    """
    check_size(length, length or 0)
    if number > MAX_PARTS:
        raise FileTooLarge(
            f"The store holds files of at most {MAX_PARTS} parts; a body of this size has to"
            " be sent with its length announced."
        )
    return growing_part_size(number) if length is None else equal_part_size(length)


def equal_part_size(length: int) -> int:
    """The size of equal parts for a known length: whole MiB, 8 MiB at least."""
    least = -(-length // MAX_PARTS)
    return max(MIN_PART, -(-least // MIB) * MIB)


def growing_part_size(number: int) -> int:
    """The size of part ``number`` (from 1) of a body of unknown length."""
    return min(MAX_PART, MIN_PART << ((number - 1) // PARTS_PER_STEP))


MAX_GROWN = sum(growing_part_size(number) for number in range(1, MAX_PARTS + 1))
"""Bytes of the largest object whose length was not known when it began."""


def check_size(length: int | None, size: int) -> None:
    """Raise `FileTooLarge` where an upload cannot get ``size`` bytes.

    ``length`` is what was known of its length when it began.
    """
    if size > MAX_OBJECT:
        raise FileTooLarge(f"The store holds files of at most {MAX_OBJECT} bytes.")
    if length is None and size > MAX_GROWN:
        raise FileTooLarge(
            f"The store holds at most {MAX_GROWN} bytes of an upload that began without a length;"
            " say it when you begin one of this size."
        )

"""The values: which can be built, how they are ordered, and what conditions mean."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID, uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from file_uploader.errors import InvalidName, PreconditionFailed
from file_uploader.model.conditions import UNCONDITIONAL, EntityTags, Precondition
from file_uploader.model.files import ByteRange, FileInfo, Metadata
from file_uploader.model.listing import ListQuery, after_prefix
from file_uploader.model.names import Container, FileName, is_file_name, surely_file_names
from tests.support.names import COMPOSED, DECOMPOSED, TRAPS, utf16_order

# -- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRAPS)
def test_names_that_are_kept(name: str) -> None:
    assert FileName(name).value == name
    assert str(FileName(name)) == name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "1 to 960"),
        ("n" * 961, "961"),
        ("\u00e9" * 480 + "x", "961"),
        ("\U0001f600" * 240 + "x", "961"),
        ("/", "neither empty"),
        ("/a", "neither empty"),
        ("a/", "neither empty"),
        ("a//b", "neither empty"),
        (".", "neither empty"),
        ("..", "neither empty"),
        ("a/.", "neither empty"),
        ("a/..", "neither empty"),
        ("./a", "neither empty"),
        ("../a", "neither empty"),
        ("a/../b", "neither empty"),
        ("a/./b", "neither empty"),
        ("\ud800", "UTF-8"),
        ("a\udfff", "UTF-8"),
        *((f"a{chr(code)}b", "control") for code in [*range(0x20), 0x7F]),
        ("trailing\n", "control"),
    ],
)
def test_names_that_are_refused(name: str, said: str) -> None:
    with pytest.raises(InvalidName, match=said):
        FileName(name)


def test_the_list_of_traps_tells_the_orders_apart() -> None:
    assert len(set(TRAPS)) == len(TRAPS)
    assert sorted(TRAPS, key=utf16_order) != sorted(TRAPS)
    assert sorted(TRAPS, key=str.casefold) != sorted(TRAPS)
    assert sorted(TRAPS, key=lambda name: name.split("/")) != sorted(TRAPS)


def test_composed_and_decomposed_are_two_names() -> None:
    assert FileName(COMPOSED) != FileName(DECOMPOSED)


def _by_the_rules(name: str) -> bool:
    """The rules again, on bytes and one by one."""
    try:
        raw = name.encode()
    except UnicodeEncodeError:
        return False
    return (
        0 < len(raw) <= 960
        and not any(byte < 0x20 or byte == 0x7F for byte in raw)
        and not {b"", b".", b".."} & set(raw.split(b"/"))
    )


@given(
    st.one_of(
        st.text(max_size=20),
        st.text(st.sampled_from("./a\x7f\n\ud800\u00e9"), max_size=8),
        st.integers(950, 970).map("n".__mul__),
    )
)
def test_a_name_is_valid_by_the_rules_and_kept(name: str) -> None:
    if _by_the_rules(name):
        assert FileName(name).value == name
    else:
        with pytest.raises(InvalidName):
            FileName(name)


@given(st.lists(st.text(min_size=1, max_size=4).filter(_by_the_rules)))
def test_names_order_by_their_bytes(names: list[str]) -> None:
    in_order = sorted(map(FileName, names))
    assert [name.value.encode() for name in in_order] == sorted(name.encode() for name in names)


def test_a_name_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        FileName("a").value = ".."  # type: ignore[misc]


# -- containers -----------------------------------------------------------------------------------


def test_the_container_of_a_known_token() -> None:
    """Stored files hang on it: it never changes."""
    token = UUID("00112233-4455-6677-8899-aabbccddeeff")
    assert Container.of(token) == Container("0100cafd12099c203e156dc425bee982")


def test_a_token_is_its_16_bytes_however_it_is_written() -> None:
    token = str(uuid4())
    assert Container.of(UUID(token.upper())) == Container.of(UUID(token))


@given(st.uuids(), st.uuids())
def test_containers_are_one_to_one_and_tell_nothing(one: UUID, other: UUID) -> None:
    assert (Container.of(one) == Container.of(other)) == (one == other)
    name = Container.of(one).name
    assert len(name) == 32
    assert set(name) <= set("0123456789abcdef")
    shown = repr(Container.of(one))
    for part in (one.hex[:8], one.hex[8:16], one.hex[16:24], one.hex[24:]):
        assume(len(set(part)) > 3)
        assert part not in shown


# -- lists ----------------------------------------------------------------------------------------

TEXT = st.text(
    st.sampled_from(["a", "b", "/", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff"]),
    max_size=5,
)


@given(TEXT, TEXT)
def test_after_prefix_is_above_all_with_the_prefix_and_nothing_else(prefix: str, text: str) -> None:
    bound = after_prefix(prefix)
    if bound is None:
        assert set(prefix) <= {"\U0010ffff"}
        return
    bound.encode()  # no surrogate
    assert prefix + text < bound
    if text >= prefix:
        assert text.startswith(prefix) == (text < bound)


@pytest.mark.parametrize(
    ("prefix", "bound"),
    [
        ("", None),
        ("a", "b"),
        ("a/", "a0"),
        ("\x7f", "\x80"),
        ("\ud7ff", "\ue000"),
        ("\uffff", "\U00010000"),
        ("a\U0010ffff", "b"),
        ("\U0010ffff", None),
        ("\U0010ffff" * 3, None),
    ],
)
def test_after_prefix(prefix: str, bound: str | None) -> None:
    assert after_prefix(prefix) == bound


@pytest.mark.parametrize(
    ("prefix", "delimiter", "name", "rolled_up"),
    [
        ("", "", "a/b", None),
        ("", "/", "a", None),
        ("", "/", "a/b", "a/"),
        ("", "/", "a/b/c", "a/"),
        ("a/", "/", "a/b", None),
        ("a/", "/", "a/b/c", "a/b/"),
        ("a", "/", "a/b", "a/"),
        ("", "--", "a-b", None),
        ("", "--", "a--b", "a--"),
        ("a-", "--", "a--b", None),
        ("", "--", "a---b", "a--"),
        ("", "b", "a/b", "a/b"),
        ("x", "\U0010ffff", "x\U0010ffff\U0010ffff", "x\U0010ffff"),
    ],
)
def test_rolling_up(prefix: str, delimiter: str, name: str, rolled_up: str | None) -> None:
    query = ListQuery(prefix=prefix, delimiter=delimiter)
    assert query.rolled_up(name) == rolled_up


@pytest.mark.parametrize(
    ("prefix", "delimiter", "marker", "passed"),
    [
        ("", "", "a/b", None),
        ("", "/", "", None),
        ("", "/", "a", None),
        ("", "/", "a/", "a/"),
        ("", "/", "a/b", "a/"),
        ("a/", "/", "a/", None),
        ("a/", "/", "a/b/c", "a/b/"),
        ("a/", "/", "b/c", None),
        ("b/", "/", "a/c", None),
        ("", "--", "a-", None),
        ("", "--", "a--b", "a--"),
    ],
)
def test_the_prefix_that_a_marker_has_passed(
    prefix: str, delimiter: str, marker: str, passed: str | None
) -> None:
    query = ListQuery(prefix=prefix, delimiter=delimiter, marker=marker)
    assert query.passed_prefix == passed


# -- conditions -----------------------------------------------------------------------------------

CHANGED = datetime(2026, 11, 5, 12, 0, 0, 500_000, UTC)


def version(etag: str) -> FileInfo:
    return FileInfo(FileName("a"), 1, etag, CHANGED, Metadata(), None)


def tags(*each: str) -> EntityTags:
    return EntityTags(frozenset(each))


ANY = EntityTags(any=True)
STATES = {"missing": None, "v1": version("v1"), "v2": version("v2")}
MATCHES = {
    "absent": (None, {"missing", "v1", "v2"}),
    "*": (ANY, {"v1", "v2"}),
    "v1": (tags("v1"), {"v1"}),
    "v1, v3": (tags("v1", "v3"), {"v1"}),
    "v3": (tags("v3"), set()),
    "V1": (tags("V1"), set()),
}
"""A list of tags, and the states that it matches; without a field, every state will do."""


def holds(precondition: Precondition, current: FileInfo | None) -> bool:
    try:
        precondition.check(current)
    except PreconditionFailed:
        return False
    return True


@pytest.mark.parametrize("since", [None, -1, 0, 1])
def test_preconditions_as_13_2_2_orders_them(since: int | None) -> None:
    """RFC 9110, 13.2.2: If-Match; without it If-Unmodified-Since; then If-None-Match."""
    time = None if since is None else CHANGED.replace(microsecond=0) + timedelta(seconds=since)
    for state, match, none_match in product(STATES, MATCHES, MATCHES):
        condition = Precondition(MATCHES[match][0], MATCHES[none_match][0], time)
        if match != "absent":
            first = state in MATCHES[match][1]
        else:
            # 13.1.4: to the second, as the field has it; without a file there is no time.
            first = since is None or state == "missing" or since >= 0
        second = none_match == "absent" or state not in MATCHES[none_match][1]
        held = holds(condition, STATES[state])
        assert held == (first and second), (state, match, none_match)


def test_every_cell_of_the_table_can_fail() -> None:
    for match, none_match in product(MATCHES.values(), MATCHES.values()):
        if match[0] is not None or none_match[0] is not None:
            condition = Precondition(match[0], none_match[0])
            assert condition
            results = {holds(condition, state) for state in STATES.values()}
            assert results != {True} or none_match[0] in (tags("v3"), tags("V1"))


def test_no_condition_is_false_and_always_holds() -> None:
    assert not UNCONDITIONAL
    assert not Precondition()
    assert all(holds(UNCONDITIONAL, state) for state in STATES.values())
    assert Precondition(if_unmodified_since=CHANGED)


@pytest.mark.parametrize(
    ("condition", "create_only"),
    [
        (UNCONDITIONAL, False),
        (Precondition(if_none_match=ANY), True),
        (Precondition(if_none_match=tags("v1")), False),
        (Precondition(if_match=ANY), False),
        (Precondition(if_match=ANY, if_none_match=ANY), False),
        (Precondition(if_none_match=ANY, if_unmodified_since=CHANGED), True),
    ],
)
def test_create_only(condition: Precondition, create_only: bool) -> None:
    assert condition.create_only == create_only
    if create_only:
        assert holds(condition, None)
        assert not holds(condition, version("v1"))


# -- the small ones -------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "end", "size"), [(0, 0, 1), (0, 9, 10), (5, 5, 1)])
def test_ranges_hold_both_ends(start: int, end: int, size: int) -> None:
    assert ByteRange(start, end).size == size


@pytest.mark.parametrize(("start", "end"), [(-1, 0), (1, 0), (-2, -1)])
def test_ranges_that_are_none(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="no such range"):
        ByteRange(start, end)


def test_metadata_is_a_copy_that_nobody_changes() -> None:
    custom = {"a": "1"}
    metadata = Metadata(custom=custom)
    custom["a"] = "2"
    assert metadata == Metadata(custom={"a": "1"})
    with pytest.raises(TypeError):
        metadata.custom["a"] = "3"  # type: ignore[index]


@given(
    st.lists(st.text(st.sampled_from("a./\x01\x7f\n\u0301\u00e9 ") | st.characters()), max_size=4)
)
def test_one_look_at_many_names_believes_no_wrong_one(names: list[str]) -> None:
    if surely_file_names(names):
        assert all(map(is_file_name, names))


def test_one_look_is_enough_for_ordinary_names() -> None:
    assert surely_file_names(["a", "photos/2026/image 1.jpg", "\u65e5\u672c\u8a9e/\u30d5"])
    assert surely_file_names([])

"""Signed links: what is accepted is exactly what was signed."""

from __future__ import annotations

import base64
import random
import string
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_uploader.errors import InvalidLink, StorageTimeout
from file_uploader.links import MAX_SIZE, Link, LinkKeys, LinkMethod, Links
from file_uploader.model.names import Container, FileName
from tests.support.double import StorageDouble, raise_

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CONTAINER = Container.of(uuid.UUID("0a1b2c3d-4e5f-4a6b-8c7d-9e8f7a6b5c4d"))
OTHER = Container.of(uuid.UUID("f0e1d2c3-b4a5-4968-8778-695a4b3c2d1e"))
LINK = Link(CONTAINER, FileName("dir/a.txt"), LinkMethod.GET, NOW + timedelta(hours=1))
PUT = replace(LINK, method=LinkMethod.PUT, max_size=1000)
KEY, OTHER_KEY = b"a" * 32, b"b" * 32
KEYS = LinkKeys([KEY])
LETTERS = string.ascii_letters + string.digits + "-_"

names = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=50
).filter(lambda name: name not in (".", ".."))
links = st.builds(
    Link,
    container=st.uuids().map(Container.of),
    name=names.map(FileName),
    method=st.sampled_from(LinkMethod),
    expires=st.integers(1, 2**32).map(lambda number: NOW + timedelta(seconds=number)),
    max_size=st.none() | st.integers(0, MAX_SIZE),
    overwrite=st.booleans(),
)


@given(links)
def test_what_was_signed_comes_back(link: Link) -> None:
    text = KEYS.sign(link)
    assert set(text) <= set(LETTERS + ".")
    assert KEYS.verify(text, link.name, NOW) == link


@given(links, links)
def test_two_links_never_have_one_text(one: Link, two: Link) -> None:
    assert (one == two) == ((KEYS.sign(one), one.name) == (KEYS.sign(two), two.name))


def tampered(now: datetime) -> Iterator[tuple[str, FileName]]:
    """Links without end that nobody has signed, each close to one that is valid ``now``."""
    pick = random.Random(1)
    expires = now + timedelta(hours=1)
    made = [replace(each, expires=expires) for each in (LINK, PUT, replace(PUT, overwrite=True))]
    signed = [(KEYS.sign(link), link) for link in made]
    assert [KEYS.verify(text, link.name, now) for text, link in signed] == made
    forged = LinkKeys([OTHER_KEY])
    while True:
        text, link = pick.choice(signed)
        version, fields, mac = text.split(".")
        changes: list[dict[str, Any]] = [
            {"container": OTHER},
            {"container": Container(uuid.UUID(int=pick.getrandbits(128)).hex)},
            {"name": FileName("dir/a.txt" + pick.choice(LETTERS))},
            {"method": LinkMethod.GET if link.method == "PUT" else LinkMethod.PUT},
            {"expires": link.expires + timedelta(seconds=pick.randint(1, 10**9))},
            {"max_size": pick.randint(1001, MAX_SIZE)},
            {"max_size": None if link.max_size else 0},
            {"overwrite": not link.overwrite},
        ]
        changed = replace(link, **pick.choice(changes))
        bits = bytearray(base64.urlsafe_b64decode(f"{fields}=="))
        bits[pick.randrange(len(bits))] ^= 1 << pick.randrange(8)
        flipped = base64.urlsafe_b64encode(bits).rstrip(b"=").decode()
        place = pick.randrange(len(text))
        letter = pick.choice([each for each in LETTERS + "." if each != text[place]])
        # Other fields under the same MAC, and the MAC of another name.
        yield f"{version}.{KEYS.sign(changed).split('.')[1]}.{mac}", changed.name
        yield text, FileName(pick.choice(["a.txt", "dir/a.tx", "dir/A.txt", "dir/a.txt/x", "1"]))
        # Signed by a key that is not ours.
        yield forged.sign(link), link.name
        # One bit, one letter, a piece less, a piece more.
        yield f"{version}.{flipped}.{mac}", link.name
        yield text[:place] + letter + text[place + 1 :], link.name
        yield text[:place], link.name
        yield text[place + 1 :], link.name
        yield text[:place] + letter + text[place:], link.name
        yield text[:place] + text[place + 1 :], link.name
        # Other versions and other places of the dots.
        yield f"{pick.choice(['0', '2', '01', '', '1.1', ' 1'])}.{fields}.{mac}", link.name
        yield f"{version}.{mac}.{fields}", link.name
        yield text + pick.choice(["=", "==", " ", "\n", "/", "\0", "é", "."]), link.name


def test_of_ten_thousand_tampered_links_none_is_accepted() -> None:
    tries = tampered(NOW)
    accepted = []
    for _ in range(10_000):
        text, name = next(tries)
        try:
            accepted.append((text, name, KEYS.verify(text, name, NOW)))
        except InvalidLink:
            continue
    assert accepted == []


@given(st.binary(min_size=34, max_size=34), st.binary(min_size=32, max_size=32))
def test_nothing_made_up_is_accepted(fields: bytes, mac: bytes) -> None:
    parts = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (fields, mac)]
    with pytest.raises(InvalidLink):
        KEYS.verify(".".join(["1", *parts]), LINK.name, NOW)


@pytest.mark.parametrize("part", [1, 2])
def test_bits_of_the_last_letter_that_do_not_count_are_no_second_way_to_write_it(part: int) -> None:
    text = KEYS.sign(LINK)
    parts = text.split(".")
    spellings = 0
    for letter in LETTERS:
        changed = [*parts]
        changed[part] = parts[part][:-1] + letter
        if ".".join(changed) == text:
            continue
        padded = [each + "=" * (-len(each) % 4) for each in (changed[part], parts[part])]
        spellings += base64.urlsafe_b64decode(padded[0]) == base64.urlsafe_b64decode(padded[1])
        with pytest.raises(InvalidLink):
            KEYS.verify(".".join(changed), LINK.name, NOW)
    assert spellings


def test_it_ends_with_its_second() -> None:
    text = KEYS.sign(LINK)
    almost = LINK.expires - timedelta(microseconds=1)
    assert KEYS.verify(text, LINK.name, almost) == LINK
    for late in (timedelta(0), timedelta(microseconds=1), timedelta(days=9000)):
        with pytest.raises(InvalidLink, match="expired"):
            KEYS.verify(text, LINK.name, LINK.expires + late)


def test_only_whoever_has_a_valid_link_learns_that_it_has_expired() -> None:
    text = KEYS.sign(LINK)
    with pytest.raises(InvalidLink, match="not valid"):
        KEYS.verify(text, FileName("b"), LINK.expires)


def test_keys_are_replaced_without_ending_links() -> None:
    before, between, after = LinkKeys([KEY]), LinkKeys([OTHER_KEY, KEY]), LinkKeys([OTHER_KEY])
    old, new = before.sign(LINK), between.sign(LINK)
    assert new == after.sign(LINK) != old
    for keys, text in ((before, old), (between, old), (between, new), (after, new)):
        assert keys.verify(text, LINK.name, NOW) == LINK
    for keys, text in ((before, new), (after, old)):
        with pytest.raises(InvalidLink):
            keys.verify(text, LINK.name, NOW)


def test_a_link_and_keys_show_no_key() -> None:
    text = KEYS.sign(LINK)
    for secret in (KEY.decode(), base64.urlsafe_b64encode(KEY).decode()[:20], KEY.hex()):
        assert secret not in text
        assert secret not in repr(KEYS)


async def test_the_stores_key_is_fetched_once_and_only_when_it_is_needed() -> None:
    double = StorageDouble()
    kept = Links(double, [])
    assert double.calls["kept_key"] == 0
    text = (await kept.keys()).sign(LINK)
    assert (await kept.keys()).verify(text, LINK.name, NOW) == LINK
    assert text == LinkKeys([double.key]).sign(LINK)
    assert double.calls["kept_key"] == 1


async def test_configured_keys_leave_the_store_alone() -> None:
    double = StorageDouble()
    configured = Links(double, [KEY])
    assert (await configured.keys()).sign(LINK) == KEYS.sign(LINK)
    with pytest.raises(InvalidLink):
        (await configured.keys()).verify(LinkKeys([double.key]).sign(LINK), LINK.name, NOW)
    assert double.calls["kept_key"] == 0


async def test_a_store_that_failed_is_asked_again() -> None:
    double = StorageDouble()
    double.before["kept_key"] = raise_(StorageTimeout("late"))
    kept = Links(double, [])
    with pytest.raises(StorageTimeout):
        await kept.keys()
    del double.before["kept_key"]
    assert (await kept.keys()).sign(LINK)

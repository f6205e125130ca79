"""A record that is damaged is told from one that can be read, however it is damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_uploader.errors import InvalidName
from file_uploader.model.names import FileName, is_file_name
from file_uploader.storage.records import UnreadableRecord, dumps, loads
from file_uploader.storage.s3.uploads.layout import StoredPart, Tail, UploadLayout
from tests.contract.uploading import record

UPLOAD = replace(
    record(), held=UploadLayout(5, "id", (StoredPart(1, "a"),), (Tail(1, "b"),)).to_json()
)
GOOD = dumps(UPLOAD)


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    """The record, with one thing changed."""
    said = json.loads(GOOD)
    change(said)
    return json.dumps(said).encode()


DAMAGED = {
    "nothing": b"",
    "cut": GOOD.encode()[:-1],
    "bytes": b"\xff\xfe\x00{",
    "a list": b"[]",
    "a number": b"9" * 5000,
    "deep": b"[" * 100_000,
    "another upload": changed(lambda said: said.update(id="0" * 32)),
    "a member less": changed(lambda said: said.pop("plan")),
    "a member more": changed(lambda said: said.update(colour="blue")),
    "a state that there is not": changed(lambda said: said.update(state="lost")),
    "an offset in words": changed(lambda said: said.update(offset="five")),
    "an offset below nothing": changed(lambda said: said.update(offset=-1)),
    "a time of no zone": changed(lambda said: said.update(expires="2026-01-01T00:00:00")),
    "a time in seconds": changed(lambda said: said.update(created=5)),
    "a name that no file may have": changed(lambda said: said["plan"].update(name="a/../b")),
    "no name at all": changed(lambda said: said["plan"].update(name=5)),
    "a digest that is none": changed(lambda said: said["plan"]["digests"].update(sha256="x")),
    "metadata that is none": changed(lambda said: said["plan"]["metadata"].update(custom=[1])),
    "numbers in it": changed(lambda said: said["plan"]["metadata"].update(content_type=5)),
    "a condition of a number": changed(
        lambda said: said["plan"]["precondition"].update(if_match=5)
    ),
    "a list of what is held": changed(lambda said: said.update(held=[])),
}


def test_what_is_not_damaged_is_read() -> None:
    assert loads(GOOD, "1", UPLOAD.id) == UPLOAD


@pytest.mark.parametrize("kind", DAMAGED)
def test_what_is_damaged_is_said_to_be(kind: str) -> None:
    with pytest.raises(UnreadableRecord, match="of this upload cannot be"):
        loads(DAMAGED[kind], "1", UPLOAD.id)


@pytest.mark.parametrize(
    "held",
    [
        {"parts": 5},
        {"parts": [[1]]},
        {"tails": ["ab", "c"]},
        {"multipart": []},
        {"copy": {}},
        {"colour": "blue"},
    ],
)
def test_so_is_what_s3_is_to_have(held: dict[str, Any]) -> None:
    with pytest.raises(UnreadableRecord):
        UploadLayout.of(replace(UPLOAD, held=held))


def test_notes_are_written_beside_the_plan_as_they_always_were() -> None:
    """A version that knows two notes by name reads a record of this one, and the reverse."""
    said = json.loads(GOOD)
    assert (said["plan"]["tus_metadata"], said["plan"]["tus_concat"]) == (None, None)
    assert "notes" not in said["plan"]
    said["plan"].update(tus_metadata="filename YQ==", tus_concat="partial")
    read = loads(json.dumps(said), "1", UPLOAD.id)
    assert read.plan.notes == {"tus_metadata": "filename YQ==", "tus_concat": "partial"}
    assert json.loads(dumps(read)) == said
    noted = replace(UPLOAD, plan=replace(UPLOAD.plan, notes={"of_another": "x"}))
    assert loads(dumps(noted), "1", UPLOAD.id) == noted


def test_a_moment_has_its_zone() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=1)
    assert loads(dumps(replace(UPLOAD, expires=moment)), "1", UPLOAD.id).expires == moment


@given(st.lists(st.sampled_from(["a", ".", "/", "\x1f", "\x7f", "é", "\udcff", "\n"])).map("".join))
def test_the_quick_look_at_a_name_sees_what_the_long_one_sees(text: str) -> None:
    for name in (text, f"{text}{'x' * 300}", text + "é" * 480):
        try:
            FileName(name)
        except InvalidName:
            valid = False
        else:
            valid = True
        assert is_file_name(name) == valid

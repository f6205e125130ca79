"""What may be stored is the same on every store, and known before the body."""

from __future__ import annotations

import string
from contextlib import closing, suppress
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from file_uploader.errors import InvalidHeader, InvalidName, NoSuchFile
from file_uploader.model import storable
from file_uploader.model.files import Metadata
from file_uploader.model.names import Container, FileName
from file_uploader.model.uploads import UploadPlan
from file_uploader.storage.base import Storage
from file_uploader.uploads.rules import Uploads
from tests.contract.stores import Place, S3Place, clean
from tests.support.bodies import MIB, body_of, content
from tests.support.files import new_container, put, read
from tests.support.listing import names_in
from tests.support.names import NOT_STORABLE
from tests.support.s3_servers import admin_of

TOKEN = "!#$%&'*+-.^_`|~" + string.digits + string.ascii_lowercase

NOT_STORABLE_METADATA = {
    "tab": Metadata(custom={"k": "a\tb"}),
    "spaces around it": Metadata(custom={"k": " a"}),
    "a space behind it": Metadata(content_type="text/plain "),
    "not ASCII": Metadata(content_disposition="attachment; filename=\u00e9"),
    "a control character": Metadata(cache_control="a\x01"),
    "a line": Metadata(content_language="de\r\nX-Evil: 1"),
    "no name": Metadata(custom={"": "v"}),
    "no token": Metadata(custom={"a b": "v"}),
    "too many": Metadata(custom={str(number): "" for number in range(65)}),
    "too long": Metadata(custom={"k": "v" * 1536}),
    "the others too long": Metadata(content_type="t" * 1537),
    "a coding of S3's": Metadata(content_encoding="gzip, aws-chunked"),
}

ODD_METADATA = {
    "every sign": Metadata(custom={TOKEN: "=" + string.punctuation + "="}),
    "a long name": Metadata(custom={"n" * 79: "v", "m" * 300: ""}),
    "a name to the byte": Metadata(custom={"_" * 1535: "v"}),
    "many": Metadata(custom={f"k_{number}": "v" * 8 for number in range(64)}),
    "names that look alike": Metadata(custom={"a_b": "1", "a-b": "2", "a.b": "3", "a.5fb": "4"}),
    "spaces within": Metadata(custom={"k": "a  b   c"}, content_type='text/x; a="b  c"'),
    "empty": Metadata(custom={"k": "", "l_": ""}),
    "the others": Metadata(
        "a/b", "gzip, identity", "de,  en", 'inline; filename="a  b=c,d;e"', "public,  max-age=1"
    ),
}


@pytest.mark.parametrize("name", NOT_STORABLE, ids=ascii)
async def test_a_name_that_is_refused(
    store: Storage, uploads: Uploads, container: Container, name: str
) -> None:
    body = body_of(b"x")
    with pytest.raises(InvalidName, match="U\\+FFFE"):
        await put(store, container, name, body)
    assert body.received == 0
    with pytest.raises(InvalidName):
        await uploads.create(container, UploadPlan(FileName(name)), 1)
    assert [each async for each in store.uploads.list(container)] == []


@pytest.mark.parametrize("what", NOT_STORABLE_METADATA)
async def test_metadata_that_is_refused(
    store: Storage, uploads: Uploads, container: Container, what: str
) -> None:
    metadata = NOT_STORABLE_METADATA[what]
    body = body_of(b"x")
    with pytest.raises(InvalidHeader):
        await put(store, container, "a", body, metadata=metadata)
    assert body.received == 0
    with pytest.raises(InvalidHeader):
        await uploads.create(container, UploadPlan(FileName("a"), metadata), 1)


async def test_odd_metadata_is_kept(place: Place, store: Storage, container: Container) -> None:
    for name, metadata in ODD_METADATA.items():
        await put(store, container, name, b"x", metadata=metadata)
    other = await place.open()
    for name, metadata in ODD_METADATA.items():
        assert (await other.head(container, FileName(name))).metadata == metadata
    in_parts = Metadata("a/b", custom=ODD_METADATA["every sign"].custom)
    await put(store, container, "parts", content(9 * MIB), metadata=in_parts)
    assert (await other.head(container, FileName("parts"))).metadata == in_parts


async def test_names_that_an_older_version_took(
    place: Place, store: Storage, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = content(9 * MIB)
    with monkeypatch.context() as older:
        older.setattr(storable, "check", lambda _name, _metadata: None)
        for name in NOT_STORABLE:
            await put(store, container, name, name.encode())
        await put(store, container, "\uffff/parts", data)
    everything = sorted([*NOT_STORABLE, "\uffff/parts"], key=str.encode)
    assert await names_in(store, container) == everything
    for name in NOT_STORABLE:
        assert await read(store, container, name) == name.encode()
    assert await read(store, container, "\uffff/parts") == data
    for name in everything:
        await store.delete(container, FileName(name))
        with pytest.raises(NoSuchFile):
            await store.head(container, FileName(name))
    await clean(place, store, {})


@pytest.mark.parametrize("place", ["moto", "ceph"], indirect=True)
async def test_metadata_that_an_older_version_wrote_to_s3(
    place: S3Place, store: Storage, container: Container
) -> None:
    admin = admin_of(place.server)
    user = {"m-a.5fb": "1", "m-plain": "2", "id": "0" * 32, "sha256": "x"}
    admin.put_object(**place.address(container, "old"), Body=b"x", Metadata=user)
    found = await store.head(container, FileName("old"))
    assert found.metadata.custom == {"a_b": "1", "plain": "2"}
    assert found.sha256 is None


@pytest.mark.parametrize("place", ["moto", "ceph"], indirect=True)
async def test_a_sweep_removes_what_has_been_stuck(place: S3Place, container: Container) -> None:
    """Multipart uploads of names that no XML can hold once made every list of them unreadable."""
    with closing(place.server.client(attempts=1)) as admin:
        for name in [*NOT_STORABLE, "\x01", "a\x1fb", "&#xFFFE;", "plain"] * 2:
            with suppress(ClientError):  # It was done, and the answer cannot be read.
                admin.create_multipart_upload(**place.address(container, name))
        others = new_container()
        admin.create_multipart_upload(**place.address(others, "another client's"))
    store = await place.open(upload_expiry=timedelta(0))
    swept = await store.sweep()
    assert swept is not None
    assert sum(amount.count for amount in swept.amounts.values()) == 2 * 8 + 1
    await store.aclose()
    place._opened.remove(store)
    assert place.strays({}) == []

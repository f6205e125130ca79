"""Uploads in several requests on S3: lost replies, late parts, and what is left in the end."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta

import pytest

from file_uploader.errors import (
    BodyInterrupted,
    NoSuchUpload,
    ResumableUnsupported,
    StorageFailed,
    StorageUnavailable,
    Superseded,
)
from file_uploader.model.names import Container, FileName
from file_uploader.model.uploads import UploadPlan, UploadState, upload_created
from file_uploader.storage.s3.client.retry import FAILING
from file_uploader.storage.s3.upkeep import sweep as sweeping
from file_uploader.storage.s3.write.conditions import Support
from file_uploader.uploads.append import Piece
from tests.contract.stores import S3Place
from tests.contract.uploading import PLAN, begun, piece, send
from tests.integration.s3.proxied import Node, Proxied, proxied, proxied_node
from tests.support import s3_proxy
from tests.support.bodies import KIB, MIB, Source, content, pieces
from tests.support.files import put, read
from tests.support.s3_proxy import Break, Request
from tests.support.s3_servers import S3Server

DATA = content(9 * MIB + 100 * KIB)
TWO_PIECES = [100 * KIB, 9 * MIB]
"""The first one becomes a tail; the second one two parts."""


@pytest.fixture(params=["moto", "ceph"])
def server(request: pytest.FixtureRequest) -> S3Server:
    found: S3Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def both(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxied]:
    monkeypatch.setattr("file_uploader.storage.s3.client.client.FAILING", replace(FAILING, tries=2))
    async with proxied(server) as made:
        yield made


def key_of(container: Container) -> str:
    return f"files/{container.name}/file"


def completes_file(request: Request) -> bool:
    return s3_proxy.complete_upload(request) and "/files/" in request.target


EACH = {
    "records": (s3_proxy.put_record, 6),  # its creation, and of each piece the claim and the end
    "tail": (s3_proxy.put_held, 1),
    "multipart": (s3_proxy.create_upload, 1),
    "parts": (s3_proxy.upload_part, 2),
    "completion": (s3_proxy.complete_upload, 1),
}
"""What an upload in `TWO_PIECES` asks of S3, and how often."""

FAULTS = [
    *((what, how) for what in EACH for how in (Break.CUT_REPLY, Break.BUSY)),
    ("completion", Break.ERROR_IN_200),
]


@pytest.mark.parametrize(("what", "how"), FAULTS, ids=lambda each: getattr(each, "name", each))
async def test_each_request_fails_once(
    both: Proxied, container: Container, what: str, how: Break
) -> None:
    """The creation of a multipart upload whose reply is lost is nobody's: the sweep's, by age."""
    matches, times = EACH[what]
    both.proxy.breaks(s3_proxy.first_tries(matches), how, times=99)
    node = both.broken.uploads
    upload_id = await begun(node, container, len(DATA))
    upload = await send([node], container, upload_id, DATA, TWO_PIECES)
    assert both.proxy.count(matches) == 2 * times
    assert upload.state is UploadState.COMPLETE
    assert upload.result == await both.direct.store.head(container, FileName("file"))
    assert await read(both.direct.store, container, "file") == DATA
    completions = filter(completes_file, both.proxy.requests)
    assert len({str(each) for each in completions}) == 1, "S3 does one only once"
    lost = [key_of(container)] if (what, how) == ("multipart", Break.CUT_REPLY) else []
    left = await both.forgotten(container, upload_id)
    assert (left.objects, left.uploads) == ([key_of(container)], lost)


@pytest.mark.parametrize("what", EACH)
@pytest.mark.parametrize("how", [Break.CUT_REPLY, Break.BUSY], ids=lambda how: how.name)
async def test_another_node_goes_on_where_one_finds_s3_failing_for_too_long(
    both: Proxied, container: Container, what: str, how: Break
) -> None:
    data = content(12 * MIB)
    matches, _ = EACH[what]
    upload_id = await begun(both.broken.uploads, container, len(data))
    both.proxy.breaks(matches, how, times=99)
    asked = how is Break.CUT_REPLY and what in ("records", "completion")
    # What S3 has done of these can be seen there, so that no reply is needed.
    with nullcontext() if asked else pytest.raises(StorageUnavailable):
        await send([both.broken.uploads], container, upload_id, data, TWO_PIECES)
    assert both.proxy.count(matches) >= 2
    upload = await both.direct.uploads.look(container, upload_id)
    if upload.state is UploadState.OPEN:
        rest = piece(data[upload.offset :])
        await both.direct.uploads.append(container, upload_id, rest, offset=upload.offset)
    assert await read(both.direct.store, container, "file") == data
    await both.sweep(timedelta(0))
    left = await both.forgotten(container, upload_id)
    assert (left.objects, left.uploads) == ([key_of(container)], [])


async def test_an_upload_is_not_lost_where_its_content_cannot_be_looked_at(
    both: Proxied, container: Container
) -> None:
    """It is put together out of sight, since it has a digest to be compared with."""

    def of_content(method: str) -> Callable[[Request], bool]:
        return lambda request: request.method == method and "/content" in request.target

    plan = replace(PLAN, digests={"sha256": hashlib.sha256(DATA).digest()})
    upload_id = await begun(both.broken.uploads, container, len(DATA), plan)
    both.proxy.breaks(of_content("POST"), Break.CUT_REPLY, times=99, spared=1)
    both.proxy.breaks(of_content("HEAD"), Break.BUSY, times=99)
    with pytest.raises(StorageUnavailable):
        await send([both.broken.uploads], container, upload_id, DATA, TWO_PIECES)
    assert both.proxy.count(of_content("HEAD")) >= 1
    upload = await both.direct.uploads.look(container, upload_id)
    assert upload.state is UploadState.COMPLETE
    assert await read(both.direct.store, container, "file") == DATA


@pytest.mark.parametrize("when", ["before", "during", "after"])
@pytest.mark.parametrize("known", [0, 8 * MIB], ids=["no-multipart-yet", "multipart"])
async def test_a_part_that_comes_late(
    both: Proxied, container: Container, known: int, when: str
) -> None:
    """Before the completion, after S3 has all parts for it, and after it.

    Where the record knows the multipart upload, the late part is one of it, by a number that the
    content has too. Else the late one has begun a multipart upload that nobody else knows of,
    and takes it along.
    """
    size = 26 * MIB
    old, new = content(size, "old"), content(size, "new")
    upload_id = await begun(both.broken.uploads, container, size)
    await both.broken.uploads.append(container, upload_id, piece(new[:known]), offset=0)
    both.proxy.breaks(s3_proxy.upload_part, Break.HOLD)
    source = Source(pieces(old[known : known + 9 * MIB], 64 * KIB), stall=True)
    late = asyncio.create_task(
        both.broken.uploads.append(container, upload_id, Piece(source, size - known), offset=known)
    )
    await both.proxy.held.wait()
    assert (await both.direct.uploads.look(container, upload_id)).offset == known
    half = 20 * MIB
    await both.direct.uploads.append(container, upload_id, piece(new[known:half]), offset=known)
    if when == "before":
        await _released(both, late)
    async with proxied_node(both.server, both.bucket) as (proxy, node):
        if when == "during":
            proxy.breaks(completes_file, Break.HOLD)
        completing = asyncio.create_task(
            node.uploads.append(container, upload_id, piece(new[half:]), offset=half)
        )
        if when == "during":
            await proxy.held.wait()
            await _released(both, late)
            proxy.release()
        await completing
        assert proxy.count(completes_file) == (2 if known and when == "during" else 1)
    if when == "after":
        await _released(both, late)
    assert await read(both.direct.store, container, "file") == new
    left = await both.forgotten(container, upload_id)
    assert (left.objects, left.uploads) == ([key_of(container)], [])


async def _released(both: Proxied, late: asyncio.Task[object]) -> None:
    """Let the part that is held go on, and wait until its append has found out."""
    both.proxy.release()
    # Moto fails on parts of what is complete, instead of answering that there is no such upload.
    # Ceph answers that at once, and closes: what still sends may see no more than that.
    with pytest.raises(
        (BodyInterrupted, Superseded, NoSuchUpload, StorageFailed, StorageUnavailable)
    ):
        await late


async def test_a_tail_goes_once_a_part_has_it(both: Proxied, container: Container) -> None:
    node = both.direct
    upload_id = await begun(node.uploads, container, 20 * MIB)
    for offset in (0, 5 * MIB):
        await node.uploads.append(container, upload_id, piece(content(5 * MIB)), offset=offset)
    await both.close()
    [_tail, record] = both.leftovers().objects
    assert record.endswith("/record")


async def test_without_conditions_there_are_no_uploads_but_files(
    both: Proxied, container: Container
) -> None:
    store = both.direct.store
    found = await store._context.probe.conditions()
    store._context.probe._found = replace(found, put=Support(if_none_match=True))
    with pytest.raises(ResumableUnsupported):
        await both.direct.uploads.create(container, PLAN, 10)
    await put(store, container, "file", b"data")
    assert await read(store, container, "file") == b"data"
    assert both.leftovers().objects == [key_of(container)]


async def test_a_bucket_for_each_container(server: S3Server, container: Container) -> None:
    place = S3Place.fresh(server, own_buckets=True)
    node = await Node.of(place)
    digests = {"sha256": hashlib.sha256(DATA).digest()}
    sources = []
    for plan in (
        UploadPlan(None),
        UploadPlan(None),
        PLAN,
        UploadPlan(FileName("d"), digests=digests),
    ):
        upload_id = await begun(node.uploads, container, len(DATA), plan)
        await send([node.uploads], container, upload_id, DATA, TWO_PIECES)
        sources.append(upload_id)
    plan = UploadPlan(FileName("both"), sources=tuple(sources[:2]))
    whole = await node.uploads.concatenate(container, plan)
    expected = {"file": DATA, "d": DATA, "both": DATA + DATA}
    for name, data in expected.items():
        assert await read(node.store, container, name) == data
    for upload_id in (*sources, whole.id):
        await node.uploads.cancel(container, upload_id)
    await node.close()
    assert place.strays({(container, name): len(data) for name, data in expected.items()}) == []


async def test_the_sweep_takes_what_no_record_names(both: Proxied, container: Container) -> None:
    node = both.direct
    upload_id = await begun(node.uploads, container, 20 * MIB)
    await node.uploads.append(container, upload_id, piece(content(9 * MIB)), offset=0)
    await node.store.uploads._records.remove(container, upload_id)
    there = both.leftovers()
    assert (len(there.objects), there.uploads) == (1, [key_of(container)])
    await both.sweep(timedelta(hours=1))
    assert both.leftovers().objects == there.objects
    if both.server.name != "moto":  # by which every multipart upload was begun in 2010
        assert both.leftovers() == there
    await both.sweep(timedelta(0))
    assert not both.leftovers()


async def test_the_sweep_leaves_what_a_living_record_names(
    both: Proxied, container: Container
) -> None:
    data = content(20 * MIB)
    node = both.direct
    upload_id = await begun(node.uploads, container, len(data))
    await node.uploads.append(container, upload_id, piece(data[: 9 * MIB]), offset=0)
    there = both.leftovers()
    assert there.uploads == [key_of(container)]
    await both.sweep(timedelta(0))
    assert both.leftovers() == there
    await node.uploads.append(container, upload_id, piece(data[9 * MIB :]), offset=9 * MIB)
    assert await read(node.store, container, "file") == data


async def test_a_slow_sweep_leaves_what_has_begun_since(
    both: Proxied, container: Container
) -> None:
    """It is old by the time that multipart uploads are listed, and records were read before."""
    short = timedelta(seconds=2)
    data = content(20 * MIB)
    node = both.direct
    await begun(node.uploads, container, len(data))
    both.proxy.breaks(s3_proxy.list_uploads, Break.HOLD)
    slow = await both.broken.place.open(upload_expiry=short)
    sweep = asyncio.create_task(slow.sweep())
    await both.proxy.held.wait()
    upload_id = await begun(node.uploads, container, len(data))
    await node.uploads.append(container, upload_id, piece(data[: 9 * MIB]), offset=0)
    await asyncio.sleep(short.total_seconds() + 1.5)
    both.proxy.release()
    await sweep
    if both.server.name != "moto":  # by which every multipart upload was begun in 2010
        await node.uploads.append(container, upload_id, piece(data[9 * MIB :]), offset=9 * MIB)
        assert await read(node.store, container, "file") == data


async def test_the_sweep_leaves_what_a_node_whose_clock_is_ahead_has_begun(
    both: Proxied, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its id it is younger than its multipart upload, whose age the store tells."""
    short = timedelta(seconds=2)
    data = content(20 * MIB)
    node = both.direct
    upload_id = await begun(node.uploads, container, len(data))
    await node.uploads.append(container, upload_id, piece(data[: 9 * MIB]), offset=0)
    await asyncio.sleep(short.total_seconds() + 1.5)
    await node.uploads.append(container, upload_id, piece(data[9 * MIB : -1]), offset=9 * MIB)
    ahead = upload_created(upload_id) + timedelta(minutes=14)
    monkeypatch.setattr(sweeping, "upload_created", lambda _: ahead)
    await both.sweep(short)
    await node.uploads.append(container, upload_id, piece(data[-1:]), offset=len(data) - 1)
    assert await read(node.store, container, "file") == data


@pytest.mark.parametrize("verified", [False, True], ids=["no-digest", "digest"])
async def test_the_sweep_leaves_what_is_being_completed(
    both: Proxied, container: Container, verified: bool
) -> None:
    digests = {"sha256": hashlib.sha256(DATA).digest()} if verified else {}
    upload_id = await begun(
        both.broken.uploads, container, len(DATA), replace(PLAN, digests=digests)
    )
    both.proxy.breaks(completes_file, Break.HOLD)
    sending = asyncio.create_task(
        send([both.broken.uploads], container, upload_id, DATA, TWO_PIECES)
    )
    await both.proxy.held.wait()
    await both.sweep(timedelta(0))
    both.proxy.release()
    await sending
    assert await read(both.direct.store, container, "file") == DATA

"""What the tests of uploads in several requests begin with."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from file_uploader.errors import ClientDisconnected
from file_uploader.model.files import Metadata
from file_uploader.model.names import Container, FileName
from file_uploader.model.uploads import Upload, UploadPlan, new_upload_id
from file_uploader.uploads.append import Piece
from file_uploader.uploads.rules import Uploads
from tests.support.bodies import KIB, Source, pieces

NAME = FileName("file")
METADATA = Metadata(content_type="text/plain", custom={"colour": "blue_1"})
PLAN = UploadPlan(NAME, METADATA)
EXPIRY = timedelta(days=7)


def piece(data: bytes, **more: dict[str, bytes]) -> Piece:
    return Piece(Source(pieces(data, 64 * KIB)), len(data), **more)


def cut(data: bytes, sent: int) -> Piece:
    """What arrives of ``data`` when its client goes away after ``sent`` bytes."""
    return Piece(Source(pieces(data[:sent], 64 * KIB), error=ClientDisconnected("gone")), len(data))


async def begun(
    uploads: Uploads, container: Container, length: int | None, plan: UploadPlan = PLAN
) -> str:
    return (await uploads.create(container, plan, length)).id


async def send(
    nodes: Iterable[Uploads], container: Container, upload_id: str, data: bytes, sizes: list[int]
) -> Upload:
    """Append ``data`` in pieces of these sizes, over and over, each to the next of the nodes."""
    nodes = list(nodes)
    offset = turn = 0
    upload = await nodes[0].peek(container, upload_id)
    while offset < len(data):
        part = data[offset : offset + sizes[turn % len(sizes)]]
        node = nodes[turn % len(nodes)]
        upload = await node.append(container, upload_id, piece(part), offset=offset)
        offset, turn = offset + len(part), turn + 1
        assert upload.offset == offset
    return upload


def record(length: int | None = 10, plan: UploadPlan = PLAN) -> Upload:
    now = datetime.now(UTC)
    return Upload(new_upload_id(now), plan, now, now + EXPIRY, length)

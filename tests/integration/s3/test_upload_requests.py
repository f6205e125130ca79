"""How many requests an upload in several requests makes to S3, and how many bytes it sends."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from file_uploader.model.names import Container
from file_uploader.storage.s3.buffers.sizes import MIN_PART
from file_uploader.uploads import receive
from tests.contract.uploading import begun, send
from tests.integration.s3.proxied import Proxied, proxied
from tests.support import s3_proxy
from tests.support.bodies import KIB, MIB, content
from tests.support.files import read
from tests.support.s3_proxy import Request

KINDS = [
    s3_proxy.get_record,
    s3_proxy.put_record,
    s3_proxy.get_held,
    s3_proxy.put_held,
    s3_proxy.create_upload,
    s3_proxy.upload_part,
    s3_proxy.complete_upload,
    s3_proxy.head_object,
    s3_proxy.list_objects,
    s3_proxy.delete_object,
]


@pytest.fixture(params=["moto", "ceph"])
async def both(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Proxied]:
    monkeypatch.setattr(receive, "WATCH", 3600)  # it looks at the record where S3 is slow
    async with proxied(request.getfixturevalue(request.param)) as made:
        yield made


def kind_of(request: Request) -> str:
    return next((kind.__name__ for kind in KINDS if kind(request)), str(request))


def expected(count: int, size: int, tails: int) -> dict[str, int]:
    """The requests of an upload in ``count`` pieces of ``size`` bytes.

    What a piece leaves that is less than a part is a tail: written, and read and removed later.
    """
    return {
        "get_record": 1 + count + 1,  # the first look is the test's own; one for the completion
        "put_record": 1 + 2 * count + 1,  # begun; for each piece claimed and acknowledged; complete
        "put_held": tails,
        "get_held": tails,
        "delete_object": tails,
        "create_upload": 1,
        "upload_part": -(-count * size // MIN_PART),
        "complete_upload": 1,
        "head_object": 1,
        "list_objects": 1,
    }


@pytest.mark.parametrize(
    ("count", "size", "tails"),
    [(40, KIB, 39), (40, 64 * KIB, 39), (6, 5 * MIB + 1, 5), (6, 8 * MIB, 0)],
    ids=["1-KiB", "64-KiB", "5-MiB+1", "8-MiB"],
)
async def test_an_upload_in_pieces(
    both: Proxied, container: Container, count: int, size: int, tails: int
) -> None:
    data = content(count * size)
    upload_id = await begun(both.broken.uploads, container, len(data))
    await send([both.broken.uploads], container, upload_id, data, [size])
    await both.broken.close()
    assert await read(both.direct.store, container, "file") == data
    requests = Counter(map(kind_of, both.proxy.requests))
    wanted = expected(count, size, tails)
    # Some tails are removed twice if they are found while they are being removed.
    surplus = requests["delete_object"] - wanted["delete_object"]
    assert 0 <= surplus <= tails
    assert requests == Counter(wanted) + Counter(delete_object=surplus)
    assert both.proxy.sent(s3_proxy.upload_part) == len(data)
    assert both.proxy.sent(s3_proxy.put_held) <= (len(data) if tails else 0)

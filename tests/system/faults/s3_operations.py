"""What clients do with the service, each as a whole; between them they use S3 in every way.

Each is a generator: what comes before its one ``yield`` only prepares it, and is not disturbed.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from file_uploader.http.operations.health import FRESH
from file_uploader.model.names import FileName
from file_uploader.model.uploads import UploadPlan
from file_uploader.storage.base import Storage
from file_uploader.uploads.rules import Uploads
from tests.contract.uploading import piece
from tests.integration.service.clients.wire import IETF, TUS
from tests.support.bodies import KIB, MIB
from tests.support.s3_servers import admin_of
from tests.support.waiting import until
from tests.system.faults.s3_clients import ONLY_CREATE, Client

SMALL = 3 * KIB
ONE_CALL = 300 * KIB
LARGE = 9 * MIB + 1234
"""Two parts."""

EXPIRY = 2
"""Seconds after which a node that is to sweep takes uploads for over."""

Operation = Callable[[Client, str], Iterator[None]]

_chance = random.Random()


def data(size: int) -> bytes:
    """Bytes that nobody has seen before."""
    return _chance.randbytes(size)


def put_small(client: Client, name: str) -> Iterator[None]:
    client.put(name, data(SMALL))
    yield
    client.put(name, data(ONE_CALL))
    client.put(f"{name}-new", data(SMALL))
    client.put(f"{name}-empty", b"")


def put_large(client: Client, name: str) -> Iterator[None]:
    client.put(name, data(SMALL))
    yield
    client.put(name, data(LARGE))
    client.put(f"{name}-new", data(17 * MIB))


def put_if_there_is_none(client: Client, name: str) -> Iterator[None]:
    yield
    for kind, size in (("small", SMALL), ("large", LARGE)):
        new = f"{name}-{kind}"
        client.put(new, data(size), ONLY_CREATE)
        client.cannot_create(new)


def put_if_unchanged(client: Client, name: str) -> Iterator[None]:
    first = client.put(name, data(SMALL))
    yield
    for size in (SMALL, LARGE):
        etag = client.get(f"/api/files/{name}", method="HEAD").header("etag") or ""
        client.put(name, data(size), {"If-Match": etag})
    stale = {"If-Match": first.header("etag") or ""}
    client.refused(name, lambda: client.ask("PUT", f"/api/files/{name}", stale, b"!"), 412)


def read(client: Client, name: str) -> Iterator[None]:
    content = data(ONE_CALL)
    etag = client.put(name, content).header("etag") or ""
    yield
    path = f"/api/files/{name}"
    for fields, wanted in (({}, content), ({"Range": "bytes=1000-250999"}, content[1000:251000])):
        found = client.download(name, fields)
        assert found is None or wanted.startswith(found)
    answer = client.get(path, method="HEAD")
    assert (answer.status, answer.header("content-length")) == (200, str(len(content))), answer
    assert client.get(path, {"If-None-Match": etag}).status == 304
    assert client.get(f"{path}-none").status == 404


def delete(client: Client, name: str) -> Iterator[None]:
    client.put(name, data(SMALL))
    etag = client.put(f"{name}-tagged", data(SMALL)).header("etag") or ""
    yield
    client.delete(name)
    client.delete(f"{name}-tagged", {"If-Match": etag})
    client.refused(name, lambda: client.ask("DELETE", f"/api/files/{name}"), 404)


def listing(client: Client, name: str) -> Iterator[None]:
    names = [f"{name}/{number}" for number in range(3)]
    for each in names:
        client.put(each, data(10))
    yield
    answer = client.get(f"/api/files?prefix={name}/")
    assert (answer.status, json.loads(answer.body)) == (200, names), answer
    answer = client.get(f"/api/files?prefix={name}/&details=true&limit=2")
    assert [each["size"] for each in json.loads(answer.body)] == [10, 10], answer
    answer = client.get("/api/files", method="HEAD")
    used = str(sum(map(len, client.attacked.live.values())))
    assert answer.header("x-container-bytes-used") == used, answer
    assert json.loads(client.get("/api/uploads").body) == []


def upload_by_tus(client: Client, name: str) -> Iterator[None]:
    """A tail first, which the next piece takes along."""
    client.put(name, data(SMALL))
    yield
    content = data(LARGE)
    upload = client.begin(TUS, name, len(content))
    upload.send(content, [100 * KIB, 10 * KIB])
    assert upload.look() == len(content)
    upload.forget()


def upload_by_ietf(client: Client, name: str) -> Iterator[None]:
    yield
    content = data(LARGE)
    upload = client.begin(IETF, name, len(content), ONLY_CREATE)
    upload.send(content, [8 * MIB, 50 * KIB])
    assert upload.look() == len(content)
    upload.forget()


def upload_small(client: Client, name: str) -> Iterator[None]:
    """One that never has as much as a part."""
    client.put(name, data(SMALL))
    yield
    content = data(ONE_CALL)
    upload = client.begin(TUS, name, len(content))
    upload.send(content, [100 * KIB])
    upload.forget()


def upload_with_digest(client: Client, name: str) -> Iterator[None]:
    """Completed out of sight, compared and copied."""
    yield
    content = data(LARGE)
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    upload = client.begin(TUS, name, len(content), {"Repr-Digest": f"sha-256=:{digest}:"})
    upload.send(content, [6 * MIB])
    upload.forget()


def put_together(client: Client, name: str) -> Iterator[None]:
    contents = [data(LARGE), data(100 * KIB), data(8 * MIB)]
    parts = []
    for content in contents[:2]:
        part = client.begin(TUS, name, len(content), {"Upload-Concat": "partial"}, partial=True)
        part.send(content, [])
        parts.append(part)
    yield
    last = client.begin(TUS, name, len(contents[2]), {"Upload-Concat": "partial"}, partial=True)
    last.send(contents[2], [])
    whole = client.put_together(name, [*parts, last], b"".join(contents))
    for upload in (*parts, last, whole):
        upload.forget()


def refuse_large(client: Client, name: str) -> Iterator[None]:
    """A body that is not what it was said to be, found out when S3 has most of it."""
    client.put(name, data(SMALL))
    yield
    wrong = {"Content-MD5": base64.b64encode(bytes(16)).decode()}
    path = f"/api/files/{name}"
    client.refused(name, lambda: client.ask("PUT", path, wrong, data(LARGE)), 400)


def give_up(client: Client, name: str) -> Iterator[None]:
    client.put(name, data(SMALL))
    yield
    content = data(17 * MIB)
    upload = client.begin(TUS, name, len(content))
    while not upload.told:
        if client.may_repeat(upload.append(content[: 9 * MIB], last=False)):
            upload.told = upload.look()
            continue
        upload.told = 9 * MIB
    upload.forget()
    assert client.ask("HEAD", upload.path, {"Tus-Resumable": "1.0.0"}).status == 404


def ready(client: Client, _name: str) -> Iterator[None]:
    """It tells how the store is now, and so is the one that shows a single failure."""
    yield
    time.sleep(FRESH)  # for so long each process tells what it has found before
    answer = client.ask("GET", "/ready")
    assert answer.status in (200, 502, 503, 504), answer
    assert client.ask("GET", "/health").status == 200


def start(client: Client, name: str) -> Iterator[None]:
    """A process that starts, learns what the store can do, and makes a key for links."""
    admin, bucket = admin_of(client.attacked.server), client.attacked.bucket
    admin.delete_object(Bucket=bucket, Key="keys/links")
    yield
    with client.attacked.another(f"{name.replace('/', '-')}.log") as node:
        fresh = Client(client.attacked, node, strict=client.strict)
        fresh.put(name, data(SMALL), ONLY_CREATE)
        fresh.cannot_create(name)
        upload = fresh.begin(TUS, f"{name}-up", 10)
        upload.send(data(10), [])
        upload.forget()
        made = json.dumps({"name": name}).encode()
        as_json = {"Content-Type": "application/json"}
        while fresh.may_repeat(answer := fresh.ask("POST", "/api/links", as_json, made)):
            pass
        path = urlsplit(json.loads(answer.body)["url"]).path
        assert fresh.get(path).body == client.attacked.live[name]
        said = node.log.read_text()
        client.failed += fresh.failed
    # What Ceph decides, as docs/operations.md has it; the probe says the same whatever fails.
    assert "put=Support(if_none_match=True, if_match='{}')" in said
    assert "complete=Support(if_none_match=False, if_match=None)" in said
    assert "delete=Support(if_none_match=False, if_match=None)" in said


def sweep(client: Client, name: str) -> Iterator[None]:
    """A node that starts removes what others have left: every kind of it."""
    attacked = client.attacked
    admin, bucket = admin_of(attacked.server), attacked.bucket
    client.put(name, data(SMALL))
    before = set(attacked.strays())
    attacked.loop.run(_leave(attacked.store, client))
    admin.create_multipart_upload(Bucket=bucket, Key=attacked.key(f"{name}-left"))
    admin.put_object(Bucket=bucket, Key=f"uploads/.probe/{name.replace('/', '-')}", Body=b"probe")
    left = set(attacked.strays()) - before
    assert len(left) == 6, left
    time.sleep(EXPIRY)
    yield
    settings = {"UPLOAD_EXPIRY": f"{EXPIRY}s"}
    with attacked.another(f"{name.replace('/', '-')}.log", settings=settings):
        until(lambda: not left & set(attacked.strays()), "the sweep is done", patience=40)


async def _leave(store: Storage, client: Client) -> None:
    """Two uploads whose clients never came back, one of which lost its record."""
    container = client.attacked.container
    hour = timedelta(hours=1)  # so long may this take, and so long ago was it
    uploads = Uploads(store, expiry=hour, now=lambda: datetime.now(UTC) - hour)
    for keeps_record in (True, False):
        upload = await uploads.create(container, UploadPlan(FileName("left")), 20 * MIB)
        size = 9 * MIB if keeps_record else 100 * KIB
        await uploads.append(container, upload.id, piece(data(size)), offset=0)
        if not keeps_record:
            admin = admin_of(client.attacked.server)
            key = f"uploads/{container.name}/{upload.id}/record"
            await asyncio.to_thread(admin.delete_object, Bucket=client.attacked.bucket, Key=key)
    await uploads.aclose()

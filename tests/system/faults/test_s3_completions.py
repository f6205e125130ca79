"""The reply that says that a large file is complete is lost, and the verdict is right all the same.

S3 completes a multipart upload once: whoever asks again is told that there is no such upload. What
others do with the file before that makes it harder still: on another node, which sees S3 well.
"""

from __future__ import annotations

import base64
import hashlib
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.integration.service.clients.wire import DIALECTS, TUS, Dialect
from tests.support.raw import Answer
from tests.support.rounds import rounds
from tests.support.s3_proxy import (
    LOSES_REPLY,
    Break,
    Request,
    complete_upload,
    head_object,
    put_object,
)
from tests.support.s3_servers import S3Server
from tests.support.service import Service
from tests.support.waiting import until
from tests.system.faults.s3_attacked import Attacked, attacked
from tests.system.faults.s3_clients import ONLY_CREATE, Client, Fields, Uploading
from tests.system.faults.s3_operations import LARGE, data

SEED = int(os.environ.get("SEED", "0")) or random.randrange(1, 2**32)


@dataclass
class Nodes:
    """``stage.node`` has a way to S3 that loses replies, ``other`` has one of its own."""

    stage: Attacked
    other: Service

    @property
    def here(self) -> Client:
        return Client(self.stage, self.stage.node, strict=False)

    @property
    def there(self) -> Client:
        return Client(self.stage, self.other)


@pytest.fixture(scope="module")
def nodes(ceph: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with (
        attacked(ceph, tmp_path_factory.mktemp("completions")) as stage,
        stage.another("other.log", direct=True) as other,
    ):
        both = Nodes(stage, other)
        for client in (both.here, both.there):  # each probes S3 now, and not later
            client.put("probe", data(10), conditioned(both, "probe", "unchanged"))
        stage.remove_files()
        yield both


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as thread:
        yield thread


@dataclass
class Write:
    """One way to send a large file. ``finish`` makes the request that completes it."""

    finish: Callable[[], Answer]
    upload: Uploading | None = None


Way = Callable[[Client, str, bytes, Fields], Write]


def at_once(client: Client, name: str, content: bytes, fields: Fields) -> Write:
    return Write(lambda: client.ask("PUT", f"/api/files/{name}", fields, content))


def in_pieces(dialect: Dialect, *, verified: bool = False) -> Way:
    def way(client: Client, name: str, content: bytes, fields: Fields) -> Write:
        if verified:
            digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
            fields = {**fields, "Repr-Digest": f"sha-256=:{digest}:"}
        upload = client.begin(dialect, name, len(content), fields)
        half = len(content) // 2
        answer = upload.append(content[:half], last=False)
        assert answer.status in (201, 204), answer
        upload.told = half
        return Write(lambda: upload.append(content[half:], last=True), upload)

    return way


WAYS: dict[str, Way] = {
    "PUT": at_once,
    **{dialect.name: in_pieces(dialect) for dialect in DIALECTS},
    "verified": in_pieces(TUS, verified=True),
}
CONDITIONS = ("none", "absent", "unchanged")


def completes_file(request: Request) -> bool:
    return complete_upload(request) and "/files/" in request.target


def conditioned(nodes: Nodes, name: str, condition: str) -> Fields:
    """Make the file what the condition demands, and return its header."""
    if condition != "unchanged":
        return ONLY_CREATE if condition == "absent" else {}
    return {"If-Match": nodes.there.put(name, data(100)).header("etag") or ""}


@pytest.mark.parametrize("way", WAYS)
def test_a_reply_is_lost(nodes: Nodes, way: str) -> None:
    """It is done, and so it is told; a condition has not failed because it is done."""
    chance = random.Random(f"{SEED}/{way}")
    stage, seen = nodes.stage, Counter[str]()
    for number in range(rounds(1, 25)):
        name, content = f"{way}/{number}", data(LARGE)
        condition = chance.choice(CONDITIONS)
        how, times = chance.choice(LOSES_REPLY), chance.choice((1, 1, 1, 2, rounds(3, 99)))
        print(f"seed {SEED}: {name} {condition} {how.name} {times}")
        write = WAYS[way](nodes.here, name, content, conditioned(nodes, name, condition))
        stage.proxy.breaks(completes_file, how, times=times)
        answer = write.finish()
        assert (answer.status, stage.proxy.broken[-1].method) == (204, "POST"), answer
        stage.proxy.heal()
        assert stage.stored(name) == content
        stage.live[name] = content
        for client in (nodes.here, nodes.there):
            found = client.get(f"/api/files/{name}")
            assert (found.header("etag"), found.body) == (answer.header("etag"), content)
        if write.upload is not None:
            assert write.upload.look() == len(content)
            write.upload.forget()
        stage.remove_files()
        seen[condition] += 1
    stage.leaves_nothing()
    print(dict(seen))


def replace(nodes: Nodes, name: str, _write: Write) -> None:
    nodes.there.put(name, data(1000))


def replace_by_large(nodes: Nodes, name: str, _write: Write) -> None:
    nodes.there.put(name, data(LARGE))


def remove(nodes: Nodes, name: str, _write: Write) -> None:
    nodes.there.delete(name)


def create(nodes: Nodes, name: str, _write: Write) -> None:
    nodes.there.cannot_create(name)


def ask(nodes: Nodes, _name: str, write: Write) -> None:
    """The client asks for the offset already, on the other node, which completes what is left."""
    if write.upload is not None:
        assert write.upload.at(nodes.there).look() > write.upload.told


MEANWHILE = {each.__name__: each for each in (replace, replace_by_large, remove, create, ask)}


@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_a_reply_is_lost_and_others_go_on(
    nodes: Nodes, beside: ThreadPoolExecutor, meanwhile: str
) -> None:
    """Whatever they do with the file that was made: its writer is never told that it was not.

    Where the file is another one by now, nobody can tell any more whether it had been made (`503`).
    What was done since stays done.
    """
    chance = random.Random(f"{SEED}/{meanwhile}")
    stage, seen = nodes.stage, Counter[tuple[str, int]]()
    ways = list(WAYS)
    for number in range(rounds(1, 20)):
        way = chance.choice(ways)
        name, content = f"{meanwhile}/{number}", data(LARGE)
        condition = chance.choice(CONDITIONS)
        print(f"seed {SEED}: {name} {way} {condition}")
        write = WAYS[way](nodes.here, name, content, conditioned(nodes, name, condition))
        stage.loop.run(stage.proxy.hold_anew())
        stage.proxy.breaks(completes_file, Break.HOLD_AND_CUT)
        finishing = beside.submit(write.finish)
        try:
            until(stage.proxy.held.is_set, "the file is complete, and nobody told so")
            assert stage.stored(name) == content
            stage.live[name] = content
            MEANWHILE[meanwhile](nodes, name, write)
        finally:
            stage.loop.call(stage.proxy.release)
            answer = finishing.result()
        as_written = stage.live.get(name) == content
        assert answer.status == 204 or (answer.status == 503 and not as_written), answer
        assert stage.stored(name) == stage.live.get(name)
        if write.upload is not None:
            # It is over in any case, and asking writes nothing a second time.
            head = write.upload.dialect.look(stage.node.token, write.upload.path)
            assert nodes.there.send("HEAD", head).status in (200, 204, 404)
            assert stage.stored(name) == stage.live.get(name)
            write.upload.at(nodes.there).forget(may_be_gone=True)
        stage.remove_files()
        seen[way, answer.status] += 1
    stage.leaves_nothing()
    print(dict(seen))


@pytest.mark.parametrize(("condition", "looks"), [("absent", 1), ("unchanged", 2)])
def test_a_reply_is_lost_and_what_was_made_cannot_be_seen(
    nodes: Nodes, condition: str, looks: int
) -> None:
    """The second try is refused since the first one was done. Nobody can tell, so nobody does.

    ``looks``: as often the condition is compared with the file beforehand.
    """
    stage, client = nodes.stage, nodes.here
    for number in range(rounds(1, 10)):
        name, content = f"unseen/{condition}/{number}", data(1000)
        fields = conditioned(nodes, name, condition)
        stage.proxy.breaks(put_object, Break.CUT_REPLY)
        stage.proxy.breaks(head_object, Break.BUSY, times=10**6, spared=looks)
        answer = client.ask("PUT", f"/api/files/{name}", fields, content)
        stage.proxy.heal()
        assert answer.status == 503, answer
        assert stage.stored(name) == content
        again = client.ask("PUT", f"/api/files/{name}", fields, content)
        assert again.status == 412, again
        stage.live[name] = content
        stage.remove_files()
    stage.leaves_nothing()


@pytest.mark.parametrize("way", ["tus", "ietf", "verified"])
def test_what_is_forgotten_is_not_completed_any_more(nodes: Nodes, way: str) -> None:
    """Its last byte was there, S3 failed, and the client has stored something else since."""
    stage, client = nodes.stage, nodes.here
    for number in range(rounds(1, 5)):
        name = f"forgotten/{way}/{number}"
        write = WAYS[way](client, name, data(LARGE), {})
        stage.proxy.breaks(completes_file, Break.BUSY, times=10**6)
        answer = write.finish()
        assert (answer.status, stage.stored(name)) == (503, None), answer
        newer = data(1000)
        nodes.there.put(name, newer)
        stage.proxy.heal()
        assert write.upload is not None
        write.upload.at((nodes.here, nodes.there)[number % 2]).forget()
        assert stage.stored(name) == newer
        stage.remove_files()
    stage.leaves_nothing()

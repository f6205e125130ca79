"""Every request that the service makes to S3 fails in every way, and no client is told a lie."""

from __future__ import annotations

import itertools
import json
import os
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

import pytest

from tests.integration.service.clients.wire import connected
from tests.support import raw, s3_proxy
from tests.support.raw import BrokenAnswerError
from tests.support.rounds import LONG, rounds
from tests.support.s3_proxy import LOSES_REPLY, Break, Matcher, Request
from tests.support.s3_servers import S3Server, admin_of
from tests.support.waiting import until
from tests.system.faults.s3_attacked import Attacked, attacked
from tests.system.faults.s3_clients import PATIENCE, Client
from tests.system.faults.s3_operations import (
    Operation,
    delete,
    give_up,
    listing,
    put_if_there_is_none,
    put_if_unchanged,
    put_large,
    put_small,
    put_together,
    read,
    ready,
    refuse_large,
    start,
    sweep,
    upload_by_ietf,
    upload_by_tus,
    upload_small,
    upload_with_digest,
)

SEED = int(os.environ.get("SEED", "0")) or random.randrange(1, 2**32)


def _put_file(request: Request) -> bool:
    return s3_proxy.put_object(request) and "/files/" in request.target


def _of_probe(request: Request) -> bool:
    return "/uploads/.probe/" in request.target or request.target.endswith("/keys/links")


def _part_itself(request: Request) -> bool:
    return s3_proxy.upload_part(request) and not s3_proxy.copy_part(request)


def _of_file(matches: Matcher) -> Matcher:
    return lambda request: matches(request) and "/files/" in request.target


def _of_upload(matches: Matcher) -> Matcher:
    """Of what an upload in several requests keeps."""
    return lambda request: (
        matches(request) and "/uploads/" in request.target and not _of_probe(request)
    )


def _of_readiness(request: Request) -> bool:
    return "/.probe/ready" in request.target


@dataclass(frozen=True)
class Verb:
    """What the service asks of S3, and which operations make it ask."""

    matches: Matcher
    users: Sequence[Operation]


LARGE_UPLOADS = (upload_by_tus, upload_by_ietf, upload_with_digest)
UPLOADS = (*LARGE_UPLOADS, upload_small)

VERBS: Mapping[str, Verb] = {
    "PutObject": Verb(_put_file, [put_small, put_if_there_is_none, put_if_unchanged]),
    "PutObject-record": Verb(s3_proxy.put_record, [*UPLOADS, put_together, give_up]),
    "PutObject-tail": Verb(
        _of_upload(s3_proxy.put_held), [upload_by_tus, upload_small, upload_with_digest]
    ),
    "GetObject": Verb(_of_file(s3_proxy.get_object), [read]),
    "GetObject-record": Verb(s3_proxy.get_record, [*UPLOADS, put_together, give_up]),
    "GetObject-tail": Verb(
        _of_upload(s3_proxy.get_held), [upload_by_tus, upload_with_digest, put_together]
    ),
    "HeadObject": Verb(s3_proxy.head_object, [put_large, put_if_unchanged, read, *UPLOADS]),
    "DeleteObject": Verb(_of_file(s3_proxy.delete_object), [delete]),
    "DeleteObject-tail": Verb(_of_upload(s3_proxy.delete_object), [*UPLOADS, put_together]),
    "ListObjectsV2": Verb(s3_proxy.list_objects, [listing, *UPLOADS, sweep]),
    "CreateMultipartUpload": Verb(
        s3_proxy.create_upload, [put_large, put_if_unchanged, *LARGE_UPLOADS, give_up]
    ),
    "UploadPart": Verb(_part_itself, [put_large, put_if_there_is_none, *LARGE_UPLOADS]),
    "UploadPartCopy": Verb(s3_proxy.copy_part, [upload_with_digest, put_together]),
    "CompleteMultipartUpload": Verb(
        s3_proxy.complete_upload, [put_large, put_if_there_is_none, *LARGE_UPLOADS, put_together]
    ),
    "AbortMultipartUpload": Verb(s3_proxy.abort_upload, [refuse_large, give_up, sweep]),
    "ListMultipartUploads": Verb(s3_proxy.list_uploads, [sweep]),
    "ListParts": Verb(s3_proxy.list_parts, [refuse_large, give_up]),
    "FirstList": Verb(s3_proxy.first_list, [start]),
    "of-readiness": Verb(_of_readiness, [ready]),
    "of-the-probe": Verb(_of_probe, [start]),
}

FAULTS = [how for how in Break if how not in (Break.HOLD, Break.HOLD_AND_CUT)]

NOTICED = {
    ("GetObject", Break.CUT_REPLY_BODY): "the client has its beginning already",
    ("GetObject-tail", Break.CUT_REPLY_BODY): "it is read back to be compared; asking completes it",
}
"""A single failure that a client may notice: as an answer by which it makes the request again."""

UNHURRIED = ("ListMultipartUploads", "FirstList")
"""What only the sweep asks for, which comes again in an hour; and what stops a start, if it never
is an answer of S3's."""


@pytest.fixture(scope="module")
def stage(ceph: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    with attacked(ceph, tmp_path_factory.mktemp("verbs"), workers=2) as made:
        for worker in made.node.workers():  # each probes S3 now, and not later
            until(partial(_probed, made, worker), "S3 is probed", patience=60)
            made.live[f"probed-{worker}"] = b""
        made.remove_files()
        yield made


def _probed(stage: Attacked, worker: int) -> bool:
    """Whether this worker knows what S3 can do: a Ceph that has just started may be slow."""
    fields = {"If-None-Match": "*", "Content-Length": "0"}
    head = raw.head("PUT", f"/api/files/probed-{worker}", stage.node.token, fields)
    with connected(stage.node, worker, PATIENCE) as connection:
        connection.send(head)
        return connection.read_answer("PUT").status in (204, 412)


@cache
def _asked(stage: Attacked, operation: Operation) -> Counter[str]:
    """How often an operation makes the service ask what: found out by doing it once."""
    acting = operation(Client(stage, stage.node), f"{operation.__name__}/counted")
    next(acting)
    stage.proxy.requests.clear()
    assert next(acting, None) is None
    stage.leaves_nothing()
    stage.remove_files()
    return Counter({name: stage.proxy.count(verb.matches) for name, verb in VERBS.items()})


_numbers = itertools.count()


def disturbed(
    stage: Attacked, operation: Operation, verb: str, how: Break, *, spared: int, times: int
) -> int:
    """Do one operation while requests fail; return how many of its answers were that they did."""
    name = f"{operation.__name__}/{next(_numbers)}"
    client = Client(stage, stage.node, strict=times == 1 and (verb, how) not in NOTICED)
    try:
        acting = operation(client, name)
        next(acting)
        stage.proxy.broken.clear()
        stage.proxy.breaks(VERBS[verb].matches, how, times=times, spared=spared)
        assert next(acting, None) is None
        until(lambda: bool(stage.proxy.broken), "what was to be broken is asked for")
        stage.proxy.heal()
        for each, content in stage.live.items():
            answer = client.get(f"/api/files/{each}")
            assert (answer.status, answer.body) == (200, content)
            assert stage.stored(each) == content
        for upload in json.loads(client.get("/api/uploads").body):
            # Begun, and its client was told that nobody knows.
            assert client.failed, upload
            answer = client.ask("DELETE", f"/api/uploads/{upload['id']}")
            assert answer.status == 204, answer
            assert stage.stored(upload["name"]) == stage.live.get(upload["name"])
    finally:
        stage.proxy.heal()
        stage.remove_files()
    return client.failed


@pytest.mark.parametrize("verb", VERBS)
def test_a_request_that_fails_is_made_again_and_nobody_notices(stage: Attacked, verb: str) -> None:
    """But for what `NOTICED` lists, a client never learns of a single failure."""
    chance = random.Random(f"{SEED}/{verb}")
    for how in FAULTS if LONG else chance.sample(FAULTS, 1):
        for _ in range(rounds(1, 20)):
            operation = chance.choice(VERBS[verb].users) if LONG else VERBS[verb].users[0]
            # Late ones may come or not, where things are looked at again: the first half is sure.
            spared = chance.randrange(-(-_asked(stage, operation)[verb] // 2)) if LONG else 0
            print(f"seed {SEED}: {verb} {how.name} {operation.__name__} after {spared}")
            disturbed(stage, operation, verb, how, spared=spared, times=1)
    stage.leaves_nothing()


@pytest.mark.parametrize("part", range(rounds(1, 4)))
def test_a_request_that_fails_for_good_is_told_for_what_it_is(stage: Attacked, part: int) -> None:
    """`502`: nothing has changed. `503` and `504`: nobody knows, and it can be made again."""
    chance = random.Random(SEED)
    lasting = [how for how in FAULTS if how is not Break.DELAY]
    cells = [(verb, how) for verb in VERBS for how in lasting if verb not in UNHURRIED]
    chance.shuffle(cells)
    told = Counter[str]()
    for verb, how in cells[part :: rounds(len(cells), 4)]:
        operation = chance.choice([each for each in VERBS[verb].users if each is not sweep])
        print(f"seed {SEED}: {verb} {how.name} {operation.__name__} for good")
        failed = disturbed(stage, operation, verb, how, spared=0, times=10**6)
        told["told" if failed else "done"] += 1
    stage.leaves_nothing()
    print(dict(told))


def test_a_list_that_fails_on_the_way_never_looks_complete(stage: Attacked) -> None:
    """Its first page has gone out by then."""
    admin = admin_of(stage.server)
    names = [f"many/{number:03}" for number in range(130)]
    for name in names:
        admin.put_object(Bucket=stage.bucket, Key=stage.key(name), Body=b"")
        stage.live[name] = b""
    client = Client(stage, stage.node)
    for how in random.Random(SEED).sample((Break.BUSY, *LOSES_REPLY), rounds(1, 6)):
        stage.proxy.breaks(s3_proxy.list_objects, how, times=10**6, spared=1)
        with pytest.raises(BrokenAnswerError):
            client.ask("GET", "/api/files?prefix=many/")
        stage.proxy.heal()
        assert json.loads(client.get("/api/files?prefix=many/").body) == names
    stage.remove_files()

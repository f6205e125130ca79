"""The policies of ``deploy/aws``: what the code asks of S3 is allowed, and nothing else is."""

from __future__ import annotations

import ast
import contextlib
import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from tests.integration.service.clients.wire import TUS, append, create
from tests.support import raw, streams
from tests.support.bodies import content
from tests.support.ceph import Ceph
from tests.support.checkout import ROOT
from tests.support.raw import Connection
from tests.support.service import S3Backend, Service, service
from tests.support.witness import fetch, store

MIB = 2**20
PACKAGE = ROOT / "file_uploader/storage/s3"
ACTIONS = {
    "head_bucket": {"s3:ListBucket"},
    "list_objects_v2": {"s3:ListBucket"},
    "list_multipart_uploads": {"s3:ListBucketMultipartUploads"},
    "get_object": {"s3:GetObject"},
    "head_object": {"s3:GetObject"},
    "put_object": {"s3:PutObject"},
    "create_multipart_upload": {"s3:PutObject"},
    "upload_part": {"s3:PutObject"},
    "upload_part_copy": {"s3:PutObject", "s3:GetObject"},
    "complete_multipart_upload": {"s3:PutObject"},
    "abort_multipart_upload": {"s3:AbortMultipartUpload"},
    "list_parts": {"s3:ListMultipartUploadParts"},
    "delete_object": {"s3:DeleteObject"},
    "create_bucket": {"s3:CreateBucket"},
    "list_buckets": {"s3:ListAllMyBuckets"},
}
"""What AWS demands for each operation that the package knows by name."""
FOR_OWN_BUCKETS = {"create_bucket", "list_buckets"}


def _policy(name: str) -> Any:
    return json.loads((ROOT / f"deploy/aws/{name}.json").read_text())


def _allowed(policy: Any) -> set[str]:
    found: set[str] = set()
    for statement in policy["Statement"]:
        actions = statement["Action"]
        found |= {actions} if isinstance(actions, str) else set(actions)
    return found


def _operations() -> set[str]:
    """The names of S3's operations, as botocore has them, that occur anywhere in the package."""
    session = botocore.session.get_session()
    client = session.create_client("s3", region_name="us-east-1")
    known = set(client.meta.method_to_api_mapping)
    used = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                used.add(node.value)
            elif isinstance(node, ast.Attribute):
                used.add(node.attr)
    return used & known


def test_the_policies_allow_what_the_code_asks_for_and_no_more() -> None:
    operations = _operations()
    assert operations == ACTIONS.keys()
    plain = operations - FOR_OWN_BUCKETS
    for name, needed in (("policy", plain), ("policy-container-buckets", operations)):
        actions = {action for operation in needed for action in ACTIONS[operation]}
        assert _allowed(_policy(name)) == actions


@pytest.fixture
def guest(ceph_node: Ceph, request: pytest.FixtureRequest) -> S3Backend:
    """A bucket for a user who is not its owner and may do what the policy says."""
    owner, user = ceph_node.new_user(), ceph_node.new_user()
    bucket = owner.fresh_bucket()
    text = json.dumps(_policy("policy")).replace("my-bucket", bucket)
    for action in getattr(request, "param", ()):
        text = text.replace(f'"{action}"', '"s3:GetBucketLocation"')
    policy = json.loads(text)
    for statement in policy["Statement"]:
        statement["Principal"] = {"AWS": [f"arn:aws:iam:::user/{user.access_key}"]}
    with contextlib.closing(owner.client()) as client:
        client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    return S3Backend(user, bucket)


def _everything(running: Service) -> None:
    """Small and large files, lists, links, ranges, deletions, and an upload in two pieces."""
    store(running, "small", b"content")
    assert fetch(running, "small") == b"content"
    assert streams.put(running, "large", 20 * MIB).status == 204
    assert streams.is_what_was_put(running, "large", 20 * MIB)
    data = content(20 * MIB, "pieces")
    with Connection(running.port, 60) as client:
        path = create(client, TUS, running.token, "pieces", len(data))
        append(client, TUS, running.token, path, 0, data[: 9 * MIB], last=False)
        answer = append(client, TUS, running.token, path, 9 * MIB, data[9 * MIB :], last=True)
        assert answer.status == 204, answer
        once = {"If-None-Match": "*", "Content-Length": "1"}
        client.send(raw.head("PUT", "/api/files/once", running.token, once) + b"x")
        assert client.read_answer("PUT").status == 204
        wanted = json.dumps({"method": "GET", "name": "small"}).encode()
        fields = {"Content-Type": "application/json", "Content-Length": str(len(wanted))}
        client.send(raw.head("POST", "/api/links", running.token, fields) + wanted)
        assert client.read_answer("POST").status == 201
        client.send(raw.head("GET", "/api/files", running.token))
        names = ["large", "once", "pieces", "small"]
        assert json.loads(client.read_answer().body) == names
    for name in names:
        assert streams.delete(running, name) == 204


def test_everything_works_with_no_more_than_the_policy(guest: S3Backend, log: Path) -> None:
    with service(guest, log) as running:
        _everything(running)
    assert "AccessDenied" not in log.read_text()


@pytest.mark.parametrize("guest", [["s3:PutObject"]], indirect=True)
def test_who_may_not_write_is_told_at_the_start(guest: S3Backend, log: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="BUCKET: nothing can be stored there"),
        service(guest, log),
    ):
        pass


@pytest.mark.parametrize("guest", [["s3:DeleteObject"]], indirect=True)
def test_less_than_the_policy_is_noticed(guest: S3Backend, log: Path) -> None:
    with service(guest, log) as running, pytest.raises(AssertionError):
        _everything(running)

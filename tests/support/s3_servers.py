"""An S3 server to test against, as its users see it, and moto, which runs in this process."""

from __future__ import annotations

import contextlib
import logging
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import botocore.session
from botocore.config import Config
from moto.server import ThreadedMotoServer


@dataclass(frozen=True)
class Leftovers:
    """Everything in a bucket: the keys of its objects and of its open multipart uploads."""

    objects: list[str]
    uploads: list[str]

    def __bool__(self) -> bool:
        return bool(self.objects or self.uploads)


@dataclass(frozen=True)
class S3Server:
    """Where a server listens and how to get in."""

    name: str
    endpoint: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"

    def client(self, attempts: int = 5) -> Any:
        """A plain blocking botocore client, independent of the code under test."""
        return botocore.session.get_session().create_client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": attempts},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def fresh_bucket(self) -> str:
        """Make an empty bucket and return its name."""
        bucket = f"test-{uuid.uuid4().hex[:16]}"
        admin_of(self).create_bucket(Bucket=bucket)
        return bucket

    def buckets(self) -> list[str]:
        """The names of all buckets of this user."""
        return [bucket["Name"] for bucket in admin_of(self).list_buckets()["Buckets"]]

    def leftovers(self, bucket: str) -> Leftovers:
        """Everything that is in the bucket now."""
        client = admin_of(self)
        objects = [
            item["Key"]
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
            for item in page.get("Contents", ())
        ]
        uploads = [
            item["Key"]
            for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
            for item in page.get("Uploads", ())
        ]
        return Leftovers(objects, uploads)

    def forget_all(self) -> None:
        """Remove every bucket with everything in it at once, where that can be done: on moto.

        It keeps all that it was ever given in the memory of the process that runs the tests.
        """
        if self.name == "moto":
            request = urllib.request.Request(f"{self.endpoint}/moto-api/reset", method="POST")
            with urllib.request.urlopen(request, timeout=30):
                pass

    def empty_bucket(self, bucket: str) -> None:
        """Remove everything in a bucket."""
        client = admin_of(self)
        for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads", ()):
            # One that was being aborted anyway may be gone by now.
            with contextlib.suppress(client.exceptions.NoSuchUpload):
                client.abort_multipart_upload(
                    Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            if keys := [{"Key": item["Key"]} for item in page.get("Contents", ())]:
                client.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})

    def remove_bucket(self, bucket: str) -> None:
        """Remove a bucket with everything in it."""
        self.empty_bucket(bucket)
        admin_of(self).delete_bucket(Bucket=bucket)


_admins: dict[S3Server, Any] = {}


def admin_of(server: S3Server) -> Any:
    """A client of the tests' own; making one takes longer than most tests."""
    if server not in _admins:
        _admins[server] = server.client()
    return _admins[server]


def close_admins() -> None:
    while _admins:
        _admins.popitem()[1].close()


@contextlib.contextmanager
def moto_server() -> Iterator[S3Server]:
    """Moto's S3 on a thread of this process; all such servers of a process share their buckets."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield S3Server("moto", f"http://{host}:{port}", "test", "testsecret")
    finally:
        server.stop()

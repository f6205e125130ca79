"""Which peers there are, and which loads say something about which of them."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.clients import MIB
from bench.loads import Load, large, listing, memory, small
from bench.peers import WORKERS, Contender, copyparty, direct, nginx, ours, rclone, swift, tus
from bench.programs import UnavailableError, said
from tests.support.ceph import MissingProgramsError, ceph_rgw
from tests.support.s3_servers import S3Server

KIB = 1024
US, NGINX, RCLONE, COPYPARTY = ours.NAME, "nginx DAV", "rclone", "copyparty"
TUS, SWIFT, DISK = tus.NAME, "Swift", "raw disk"
AIOBOTOCORE, BOTO3, AWS = "aiobotocore", "boto3", "aws s3 cp"


@dataclass(frozen=True)
class Suite:
    """Peers on one store, and their loads in the order in which they are run."""

    name: str
    contenders: Callable[[], contextlib.AbstractContextManager[Sequence[Contender]]]
    loads: Sequence[Load]


def full(source: Path) -> list[Suite]:
    """All there is, in under half an hour; ``source`` has 1 GiB."""
    seconds, brief = 3.0, 2.0
    web = (US, NGINX, RCLONE, COPYPARTY)
    both = (US, NGINX)
    part = source.with_name("part.bin")
    with source.open("rb") as file:
        part.write_bytes(file.read(64 * MIB))
    disk = [
        memory.slow_uploads(1000, 10, web),
        large.whole(source, (US, NGINX, RCLONE, COPYPARTY, SWIFT, DISK)),
        large.by_tus(source, (US, TUS)),
        small.put_and_get(4 * KIB, 1, brief, web),
        small.put_and_get(4 * KIB, 32, seconds, (*web, SWIFT)),
        small.put_and_get(4 * KIB, 256, brief, web),
        small.put(4 * KIB, 32, seconds, (US, DISK)),
        small.put_and_get(64 * KIB, 1, brief, both),
        small.put_and_get(64 * KIB, 32, brief, (*web, SWIFT)),
        small.put_and_get(64 * KIB, 256, brief, both),
        small.put_and_get(MIB, 1, brief, both),
        small.put_and_get(MIB, 32, brief, (*web, SWIFT)),
        small.put_and_get(MIB, 256, brief, both),
        small.by_tus(4 * KIB, 32, seconds, (US, TUS)),
        small.delete(32, seconds, web),
        small.mixed(32, seconds, (*web, SWIFT)),
        listing.listing(1_000, 10, (*web, SWIFT)),
        listing.listing(100_000, 1, (*web, SWIFT)),
        listing.listing(1_000_000, 1, (US,)),
    ]
    s3 = [
        memory.slow_uploads(1000, 10, (US, RCLONE)),
        large.whole(source, (US, AIOBOTOCORE, BOTO3, AWS, RCLONE)),
        large.whole(part, (US, AIOBOTOCORE, BOTO3), count=64, parallel=4, rounds=2),
        large.by_tus(source, (US, TUS)),
        small.put_and_get(4 * KIB, 32, seconds, (US, AIOBOTOCORE, RCLONE)),
        small.put_and_get(64 * KIB, 32, brief, (US, AIOBOTOCORE)),
        small.put_and_get(MIB, 32, brief, (US, AIOBOTOCORE)),
        small.by_tus(4 * KIB, 32, 2 * seconds, (US, TUS)),
    ]
    return [Suite("Local disk", on_disk, disk), Suite("S3", on_s3, s3)]


def quick(source: Path) -> list[Suite]:
    """What says most, in under three minutes."""
    seconds = 2.0
    web = (US, NGINX, RCLONE, COPYPARTY)
    disk = [
        large.whole(source, (*web, DISK)),
        large.by_tus(source, (US, TUS)),
        small.put_and_get(4 * KIB, 32, seconds, web),
    ]
    s3 = [
        large.whole(source, (US, AIOBOTOCORE, BOTO3)),
        small.put_and_get(4 * KIB, 32, seconds, (US, AIOBOTOCORE)),
    ]
    return [Suite("Local disk", on_disk, disk), Suite("S3", on_s3, s3)]


@contextlib.contextmanager
def on_disk() -> Iterator[Sequence[Contender]]:
    """Everybody on the same disk."""
    disk = Contender(
        DISK, direct.of_directory, lambda: said("uname", "-r"), "write, fdatasync", durable=True
    )
    yield [
        Contender(
            US,
            ours.embedded,
            ours.version,
            f"{WORKERS} workers",
            durable=True,
            digest=True,
            private=True,
        ),
        Contender(NGINX, nginx.start, nginx.version, f"{WORKERS} workers, no access log, sendfile"),
        Contender(RCLONE, rclone.of_directory, rclone.version, "serve webdav, no cache of files"),
        Contender(
            COPYPARTY, copyparty.start, copyparty.version, f"{WORKERS} processes, no log, no index"
        ),
        Contender(
            SWIFT,
            swift.start,
            swift.version,
            f"proxy, account, container and object server, {WORKERS} workers each; memcached",
            durable=True,
            private=True,
        ),
        Contender(TUS, tus.in_directory, tus.file_version, "1 process"),
        disk,
    ]


def _warm_up(server: S3Server) -> None:
    """Upload in parts for a first time: Ceph makes a pool then, which takes seconds."""
    bucket = server.fresh_bucket()
    with contextlib.closing(server.client()) as client:
        upload = client.create_multipart_upload(Bucket=bucket, Key="first")
        client.upload_part(
            Bucket=bucket, Key="first", UploadId=upload["UploadId"], PartNumber=1, Body=b"x"
        )
    server.remove_bucket(bucket)


@contextlib.contextmanager
def on_s3() -> Iterator[Sequence[Contender]]:
    """Everybody on one Ceph gateway, which has its data in memory. Raises `UnavailableError`."""
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(ceph_rgw()).new_user()
        except MissingProgramsError as error:
            raise UnavailableError(str(error)) from error
        _warm_up(server)
        bind = functools.partial
        installed = importlib.metadata.version
        yield [
            Contender(
                US,
                bind(ours.on_s3, server=server),
                ours.version,
                f"{WORKERS} workers",
                digest=True,
                private=True,
            ),
            Contender(
                AIOBOTOCORE,
                bind(direct.of_bucket, "aio", server=server),
                lambda: installed("aiobotocore"),
                "a client; parts of 8 MiB, 10 at once, uvloop",
            ),
            Contender(
                BOTO3,
                bind(direct.of_bucket, "boto", server=server),
                lambda: installed("boto3"),
                "a client; its transfer manager as it comes",
            ),
            Contender(
                AWS,
                bind(direct.aws, server=server),
                lambda: said("aws", "--version"),
                "a client, started for each file",
            ),
            Contender(
                RCLONE,
                bind(rclone.of_bucket, server=server),
                rclone.version,
                "serve webdav, no cache of files",
            ),
            Contender(
                TUS,
                bind(tus.in_bucket, server=server),
                tus.s3_version,
                "1 process, parts of 8 MiB",
            ),
        ]

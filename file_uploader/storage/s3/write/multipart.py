"""What can be done with a multipart upload that exists at S3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from file_uploader.errors import FileUploaderError, NoSuchFile
from file_uploader.storage.s3.client.client import Client
from file_uploader.storage.s3.client.errors import NoSuchMultipart

_ABORT_ROUNDS = 3

Address = Mapping[str, str]
"""The parameters that name one to botocore: bucket, key and its id."""


def listed(etags: Mapping[int, str]) -> dict[str, Any]:
    """The parts of a multipart upload as its completion names them."""
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in sorted(etags.items())]
    return {"Parts": parts}


async def check_there(client: Client, address: Address) -> None:
    """Raise `errors.NoSuchMultipart` if S3 does not have it, or not any more."""
    try:
        await client.call("list_parts", **address, MaxParts=1)
    except NoSuchFile:  # Ceph 16 calls it so
        raise NoSuchMultipart("The object store does not have this upload.") from None


async def abort(client: Client, address: Address) -> None:
    """Remove a multipart upload with its parts.

    A part that S3 had nearly received may be stored after an abort, so look, and repeat. What
    cannot be removed now is left to the sweep.
    """
    for _ in range(_ABORT_ROUNDS):
        try:
            await client.call("abort_multipart_upload", **address)
            await client.call("list_parts", **address)
        except FileUploaderError:
            return

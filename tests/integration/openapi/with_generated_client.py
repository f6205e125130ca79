"""What somebody does who has nothing but a client generated from the contract.

Run as a program: the directory of the package ``generated``, the service's URL and a token.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import os
import sys
from io import BytesIO
from typing import Any

NAME = "2026/a b/ü#?%2F.bin"


def main(directory: str, url: str, token: str) -> None:
    """Store, list, read, refuse and delete a file; and store one in two requests."""
    sys.path.insert(0, directory)
    types = importlib.import_module("generated.types")
    client_class = importlib.import_module("generated.client").AuthenticatedClient
    client = client_class(
        base_url=url, token=token, prefix="", auth_header_name="X-Auth-Token", timeout=60
    )

    def call(operation: str, *arguments: Any, **parameters: Any) -> Any:
        api = importlib.import_module(f"generated.api.{operation}")
        return api.sync_detailed(*arguments, client=client, **parameters)

    data = os.urandom(3_000_000)
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"
    stored = call("files.store_file", NAME, body=types.File(BytesIO(data)), repr_digest=digest)
    assert stored.status_code == 204, stored
    assert stored.headers["Repr-Digest"] == digest

    names = call("files.list_files")
    assert names.parsed == [NAME]
    (entry,) = call("files.list_files", details=True, prefix="2026/").parsed
    assert (entry.name, entry.size, entry.etag) == (NAME, len(data), stored.headers["ETag"])

    assert call("files.read_file", NAME).parsed.payload.read() == data
    part = call("files.read_file", NAME, range_="bytes=10-19")
    assert (part.status_code, part.parsed.payload.read()) == (206, data[10:20])

    refused = call("files.store_file", NAME, body=types.File(BytesIO(b"x")), if_none_match="*")
    assert refused.status_code == 412
    assert refused.parsed.type_ == "/docs/api.md#precondition-failed"

    metadata = f"filename {base64.b64encode(b'tus.bin').decode()}"
    begun = call(
        "uploads.begin_upload", tus_resumable="1.0.0", upload_length=10, upload_metadata=metadata
    )
    assert begun.status_code == 201, begun
    upload = begun.headers["Location"].rpartition("/")[2]
    for offset in (0, 5):
        piece = types.File(BytesIO(b"hello"))
        where = {"tus_resumable": "1.0.0", "upload_offset": offset}
        assert call("uploads.append_to_upload", upload, body=piece, **where).status_code == 204
    assert call("files.read_file", "tus.bin").parsed.payload.read() == b"hellohello"

    assert call("files.delete_file", NAME).status_code == 204
    gone = call("files.read_file", NAME)
    assert (gone.status_code, gone.parsed.type_) == (404, "/docs/api.md#no-such-file")
    assert call("files.list_files").parsed == ["tus.bin"]


if __name__ == "__main__":
    main(*sys.argv[1:])

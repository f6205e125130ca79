"""Upload a file with tuspy: ``with_tuspy.py URL TOKEN NAME PATH PIECE [checksum]``."""

from __future__ import annotations

import sys
from pathlib import Path

from tusclient.client import TusClient


def main(url: str, token: str, name: str, path: str, piece: str, checksum: str = "") -> None:
    """Upload in pieces of ``piece`` bytes; each time it fails, ask for the offset and go on."""
    client = TusClient(f"{url}/api/uploads", headers={"X-Auth-Token": token})
    with Path(path).open("rb") as file:
        uploader = client.uploader(
            file_stream=file,
            chunk_size=int(piece),
            metadata={"filename": name},
            retries=600,
            retry_delay=0.1,  # it is handed to sleep
            upload_checksum=bool(checksum),
        )
        uploader.upload()


if __name__ == "__main__":
    main(*sys.argv[1:])

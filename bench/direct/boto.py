"""boto3's transfer manager as it comes: parts of 8 MiB, ten at once for each file."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from bench.clients import MIB, Result, large
from bench.direct.driver import all_of, serve


class Boto:
    """One client for all threads."""

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket
        most = Config(max_pool_connections=40)
        self._s3 = boto3.client("s3", config=most)
        self._settings = TransferConfig()

    def put_large(self, source: str, count: int, parallel: int) -> Result:
        """``upload_file``."""

        def put(number: int) -> None:
            self._s3.upload_file(source, self._bucket, large(number), Config=self._settings)

        size = Path(source).stat().st_size
        return Result(count * size / MIB, all_of(put, count, parallel))

    def get_large(self, size: int, count: int, parallel: int) -> Result:
        """``download_file``, into memory (a tmpfs)."""
        with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:

            def get(number: int) -> None:
                target = Path(directory) / large(number)
                self._s3.download_file(
                    self._bucket, large(number), str(target), Config=self._settings
                )
                target.unlink()

            return Result(count * size / MIB, all_of(get, count, parallel))


if __name__ == "__main__":
    serve(Boto(sys.argv[1]))

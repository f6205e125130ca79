"""``aws s3 cp``, a process for each file; the time that it takes to start counts."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.clients import MIB, Result, large
from bench.direct.driver import all_of, serve


class Aws:
    """The command line."""

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket

    def put_large(self, source: str, count: int, parallel: int) -> Result:
        """From a file."""
        seconds = all_of(lambda number: self._copy(source, self._url(number)), count, parallel)
        return Result(count * Path(source).stat().st_size / MIB, seconds)

    def get_large(self, size: int, count: int, parallel: int) -> Result:
        """Into memory (a tmpfs)."""
        with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:

            def get(number: int) -> None:
                target = Path(directory) / large(number)
                self._copy(self._url(number), str(target))
                target.unlink()

            return Result(count * size / MIB, all_of(get, count, parallel))

    def _url(self, number: int) -> str:
        return f"s3://{self._bucket}/{large(number)}"

    def _copy(self, source: str, target: str) -> None:
        endpoint = os.environ["AWS_ENDPOINT_URL_S3"]
        command = [
            # The kernel ends it if this process is ended.
            *("setpriv", "--pdeathsig", "TERM"),
            *("aws", "--endpoint-url", endpoint, "s3", "cp", "--quiet", source, target),
        ]
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    serve(Aws(sys.argv[1]))

"""aiobotocore on uvloop: parts of 8 MiB, ten at once, as boto3 has them; small ones in one go."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from bench.clients import KEPT, MIB, Result, kept, large
from bench.direct.driver import serve, told

PART = 8 * MIB
AT_ONCE = 10
_MOST = 256


class Aiobotocore:
    """One client with its pool of connections."""

    def __init__(self, s3: Any, bucket: str, runner: asyncio.Runner) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._run = runner.run

    def put_large(self, source: str, count: int, parallel: int) -> Result:
        """Multipart uploads."""
        room = asyncio.Semaphore(AT_ONCE)
        size = Path(source).stat().st_size

        async def put(number: int) -> None:
            key = {"Bucket": self._bucket, "Key": large(number)}
            upload = {
                **key,
                "UploadId": (await self._s3.create_multipart_upload(**key))["UploadId"],
            }

            async def part(number: int) -> dict[str, Any]:
                async with room:
                    data = await asyncio.to_thread(_read, source, (number - 1) * PART)
                    sent = await self._s3.upload_part(**upload, PartNumber=number, Body=data)
                return {"PartNumber": number, "ETag": sent["ETag"]}

            numbers = range(1, -(-size // PART) + 1)
            parts = await asyncio.gather(*map(part, numbers))
            await self._s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})

        seconds = self._run(_all_of(put, count, parallel))
        return Result(count * size / MIB, seconds)

    def get_large(self, size: int, count: int, parallel: int) -> Result:
        """Streamed, and thrown away."""

        async def get(number: int) -> None:
            answer = await self._s3.get_object(Bucket=self._bucket, Key=large(number))
            async with answer["Body"] as body:
                async for _ in body.iter_chunks(MIB):
                    pass

        seconds = self._run(_all_of(get, count, parallel))
        return Result(count * size / MIB, seconds)

    def keep(self, size: int) -> None:
        """Store what `get_small` reads."""
        data = os.urandom(size)

        async def put(number: int) -> None:
            key = kept(size, number)
            await self._s3.put_object(Bucket=self._bucket, Key=key, Body=data)

        self._run(_all_of(put, KEPT, 8))

    def put_small(self, size: int, connections: int, seconds: float) -> Result:
        """``PutObject``."""
        data = os.urandom(size)
        run = time.time_ns()

        async def put(number: int) -> None:
            key = f"new-{run}-{number}"
            await self._s3.put_object(Bucket=self._bucket, Key=key, Body=data)

        return self._run(_again_and_again(put, connections, seconds))

    def get_small(self, size: int, connections: int, seconds: float) -> Result:
        """``GetObject``."""

        async def get(number: int) -> None:
            key = kept(size, number % KEPT)
            answer = await self._s3.get_object(Bucket=self._bucket, Key=key)
            async with answer["Body"] as body:
                await body.read()

        return self._run(_again_and_again(get, connections, seconds))


def _read(path: str, offset: int) -> bytes:
    with Path(path).open("rb") as file:
        file.seek(offset)
        return file.read(PART)


async def _all_of(do: Callable[[int], Awaitable[None]], count: int, parallel: int) -> float:
    """Do something with each number below ``count``, ``parallel`` at once; seconds."""
    room = asyncio.Semaphore(parallel)

    async def one(number: int) -> None:
        async with room:
            await do(number)

    began = time.perf_counter()
    await asyncio.gather(*map(one, range(count)))
    return time.perf_counter() - began


async def _again_and_again(
    do: Callable[[int], Awaitable[None]], connections: int, seconds: float
) -> Result:
    numbers = itertools.count()
    latencies = []
    began = time.perf_counter()

    async def client() -> None:
        while (start := time.perf_counter()) < began + seconds:
            await do(next(numbers))
            latencies.append(time.perf_counter() - start)

    await asyncio.gather(*(client() for _ in range(connections)))
    return told(latencies, time.perf_counter() - began)


def main() -> None:
    """Serve calls for a bucket."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        config = AioConfig(max_pool_connections=_MOST)
        context = get_session().create_client("s3", config=config)
        s3 = runner.run(context.__aenter__())
        serve(Aiobotocore(s3, sys.argv[1], runner))
        runner.run(context.__aexit__(None, None, None))


if __name__ == "__main__":
    main()

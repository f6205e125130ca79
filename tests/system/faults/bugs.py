"""Bugs to be put in on purpose: a bench that does not find them finds nothing."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.service import ROOT


@dataclass(frozen=True)
class Change:
    """A piece of a source file, which is there once, and what is to stand there instead."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Bug:
    """What is wrong, and the changes that make it so."""

    name: str
    changes: Sequence[Change]

    def copy_into(self, directory: Path) -> Path:
        """A copy of the service with this bug; returns where it is."""
        tree = directory / "tree"
        shutil.copytree(
            ROOT / "file_uploader",
            tree / "file_uploader",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        for name in ("app.py", "gunicorn.conf.py"):
            shutil.copy(ROOT / name, tree / name)
        for change in self.changes:
            source = tree / "file_uploader" / change.path
            text = source.read_text()
            assert text.count(change.old) == 1, f"{self.name}: {change.path} has changed"
            source.write_text(text.replace(change.old, change.new))
        return tree


ROW_FIRST = Bug(
    "the row is committed before the content is on disk",
    [
        Change("storage/local/blobs/intake.py", "                await gatherer.finish()\n", ""),
        Change(
            "storage/local/blobs/intake.py", "            await self.threads.run(blob.sync)\n", ""
        ),
    ],
)
NOT_DISCARDED = Bug(
    "what a cut upload has written stays",
    [
        Change(
            "storage/local/blobs/intake.py", "            self.threads.detach(blob.discard)\n", ""
        ),
    ],
)
NOT_ABORTED = Bug(
    "the multipart upload of a cut upload stays open",
    [
        Change(
            "storage/s3/write/put.py",
            "                await tasks.finish(self._discard(upload_id))\n",
            "",
        ),
    ],
)
ACKNOWLEDGED_FIRST = Bug(
    "an append is acknowledged before its record is swapped",
    [
        Change(
            "uploads/receive.py",
            """                self.upload = await self.storage.swap(self.container, record)
""",
            """                swapping = self.storage.swap(self.container, record)
                if record.state is UploadState.COMPLETING:
                    self.upload = await swapping
                else:

                    async def swap_later(swapping: object = swapping) -> None:
                        await asyncio.sleep(1)
                        await swapping

                    self._later = asyncio.ensure_future(swap_later())
                    self.upload = record
""",
        ),
    ],
)
NO_SLASH = Bug(
    "the prefix of a container does not end in a slash",
    [Change("storage/s3/keys.py", '{FILES}{container.name}/"', '{FILES}{container.name}"')],
)
LENGTH_UNCHECKED = Bug(
    "the end of the connection is taken for the end of the body",
    [
        Change(
            "http/streams.py",
            '            raise ClientDisconnected("The connection ended before the body did.")\n',
            "            return\n",
        ),
        Change(
            "transfer/body.py",
            "        if self.length is not None and self.received != self.length:\n",
            "        if self.length is not None and self.received > self.length:\n",
        ),
    ],
)
EMBEDDED = (ROW_FIRST, NOT_DISCARDED, ACKNOWLEDGED_FIRST, LENGTH_UNCHECKED)
ON_S3 = (NOT_ABORTED, NO_SLASH)

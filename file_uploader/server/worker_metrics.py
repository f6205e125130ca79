"""Where the workers of one master keep their figures, so that any of them can add all up.

The files are those of Prometheus' own client. They belong to numbers, which workers get and leave
behind: there are no more of them than there ever were workers at once, and what an ended worker has
done still counts.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import multiprocess, values

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
MASTER = -1
"""The number of what is no worker."""

_PREFIX = "file-uploader-metrics-"


@dataclass
class _Place:
    """Of this process: the directory, and its own number."""

    directory: Path | None = None
    number: int = MASTER


_here = _Place()


def begin(place: Path) -> None:
    """Make a directory for this master and what it forks, and remove those of killed ones.

    Before anything that counts is imported. Does nothing the second time.
    """
    if _here.directory is not None:
        return
    for path in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            unused = _lock(path)
            shutil.rmtree(path)
            os.close(unused)
    _here.directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    _lock(_here.directory)
    os.environ[_VARIABLE] = str(_here.directory)
    values.ValueClass = values.MultiProcessValue(lambda: _here.number)  # type: ignore[no-untyped-call]


def begin_worker(number: int) -> None:
    """Count under this number from now on."""
    _here.number = number


def end_worker(number: int) -> None:
    """Forget what a worker that has ended had under way."""
    if _here.directory is not None:
        multiprocess.mark_process_dead(number)  # type: ignore[no-untyped-call]


def end() -> None:
    """Remove the directory."""
    if _here.directory is not None:
        shutil.rmtree(_here.directory, ignore_errors=True)


def _lock(directory: Path) -> int:
    """Lock a directory until the descriptor is closed, here and in whatever is forked.

    Raises `BlockingIOError` where others have locked it.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    return descriptor

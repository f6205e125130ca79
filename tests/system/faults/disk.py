"""The volatile disk, from the side of a test: made, given a file system, and told what to do."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from ctypes.util import find_library
from dataclasses import dataclass
from pathlib import Path

from tests.support.ceph import MissingProgramsError
from tests.support.mounts import mounted, run
from tests.support.service import ROOT
from tests.support.waiting import until

MIB = 1024 * 1024
SIZE = 384 * MIB
"""Bytes of the disk; XFS wants no less than 300 MiB."""

_LARGEST = MIB
"""Bytes that FUSE passes on at once."""

INSTALL = "apt-get install --no-install-recommends libfuse3-3 e2fsprogs xfsprogs"
_PATIENCE = 90.0


@dataclass(frozen=True)
class FileSystem:
    """One of the kernel's: how it is made, and mounted with its defaults."""

    name: str
    make: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


# What is made now is not made later, while the service is looked at. The journal is small, so that
# it is used again and again.
EXT4 = FileSystem(
    "ext4",
    (
        *("mkfs.ext4", "-q", "-F", "-b", "4096", "-N", "8192", "-J", "size=4"),
        *("-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"),
    ),
)
XFS = FileSystem("xfs", ("mkfs.xfs", "-q", "-K"))


class Disk:
    """A disk that runs. What it is told is done when a method returns."""

    def __init__(
        self, process: subprocess.Popen[str], file_system: FileSystem, platter: Path, target: Path
    ) -> None:
        self._process = process
        self.file_system = file_system
        self._platter = platter
        self._target = target

    @contextlib.contextmanager
    def mounted(self) -> Iterator[Path]:
        """Its file system, mounted: the kernel repairs from the journal what is to be repaired.

        Afterwards the disk is as good as new, and has what was durable.
        """
        try:
            with mounted(self.file_system.name, "loop", self._platter, self._target):
                self._keep_requests_whole()
                yield self._target
        finally:
            until(self._is_free, "the loop device is gone")
            self._tell("power-on")

    def settle(self) -> None:
        """Have the file system write all that it has to, so that it writes nothing by itself."""
        run("sync", "--file-system", str(self._target))

    def stand_still(self, after: int = 0) -> None:
        """Let it finish so many flushes more; at the next one, everybody waits for it."""
        assert self._tell("stand-still", after) == "True\n", f"{after} flushes did not come"

    def lose_power(self, survivors: str, seed: int, *, after: int = 0) -> int:
        """Let it finish so many flushes more; then everything fails, and its cache is lost.

        Of what is in the cache then only the survivors become durable. Returns how many writes are
        in it now.
        """
        return int(self._tell("lose-power", after, survivors, seed))

    def lie(self) -> None:
        """Ignore flushes from now on."""
        self._tell("lie")

    def fail(self, kind: str, times: float = float("inf")) -> None:
        """Answer so many writes or flushes with an error from now on."""
        self._tell("fail", kind, times)

    def _tell(self, *command: object) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(*command, file=self._process.stdin, flush=True)
        ready, _, _ = select.select([self._process.stdout], [], [], _PATIENCE)
        assert ready, f"the disk took more than {_PATIENCE:g} s: {command}"
        answer = self._process.stdout.readline()
        assert answer, f"the disk has ended: {command}"
        return answer

    def _keep_requests_whole(self) -> None:
        """Have no request be larger than what FUSE passes on at once.

        The loop device takes one for done of which only the second half has failed.
        """
        device = self._target.stat().st_dev
        limit = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/queue/max_sectors_kb")
        limit.write_text(str(_LARGEST // 1024))

    def _is_free(self) -> bool:
        """The kernel lets go of a loop device some time after its file system."""
        found = Path("/sys/block").glob("loop*/loop/backing_file")
        return not any(_text(path) == str(self._platter) for path in found)


@contextlib.contextmanager
def volatile_disk(directory: Path, file_system: FileSystem) -> Iterator[Disk]:
    """A disk with an empty file system. To be used within `private_mounts`.

    Raises `MissingProgramsError` where that cannot be done.
    """
    _check_machine(file_system)
    image, below, above = directory / "image", directory / "disk", directory / "mounted"
    below.mkdir()
    above.mkdir()
    with image.open("xb") as file:
        file.truncate(SIZE)
    run(*file_system.make, str(image))
    with contextlib.ExitStack() as undo:
        # The kernel ends it if this process is killed and cannot do it itself.
        process = undo.enter_context(
            subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL"),
                    *(sys.executable, "-m", "tests.system.faults.volatile_disk"),
                    *(str(below), str(image)),
                ],
                cwd=ROOT,
                env={**os.environ, "FUSE_LIBRARY_NAME": "fuse3"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        undo.callback(process.kill)
        platter = below / "platter"
        until(platter.exists, "the disk is there")
        undo.callback(run, "umount", str(below))
        image.unlink()  # Its memory goes with the process.
        yield Disk(process, file_system, platter, above)


def _check_machine(file_system: FileSystem) -> None:
    program = file_system.make[0]
    if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None:
        raise MissingProgramsError(f"{program} not found: {INSTALL}")
    if find_library("fuse3") is None:
        raise MissingProgramsError(f"libfuse3 not found: {INSTALL}")
    if (
        os.geteuid() != 0
        or not Path("/dev/fuse").exists()
        or not Path("/dev/loop-control").exists()
    ):
        raise MissingProgramsError("only root can mount, and only where there is FUSE and loop")


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # Gone meanwhile.
        return ""

"""What is done in a long run: the campaigns, and what the machine needs for each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support import ceph


@dataclass(frozen=True)
class Campaign:
    """Tests with ``FAULTS=long``: pytest's arguments, and what they attack in a few words.

    ``minutes`` is about how long it takes: of two that have waited as long, the shorter comes
    first, and one that takes several times as long is ended. Without arguments it is torture, for
    just as long.
    """

    name: str
    about: str
    minutes: float
    tests: str = ""
    needs: tuple[str, ...] = ()

    @property
    def is_torture(self) -> bool:
        """Whether there are no tests to it: everything that can go wrong, mixed."""
        return not self.tests

    def lacking(self) -> list[str]:
        """What it needs, and this machine lacks."""
        return [need for need in self.needs if not NEEDS[need]()]


NEEDS: Mapping[str, Callable[[], bool]] = {
    "root": lambda: os.geteuid() == 0,
    "FUSE": lambda: Path("/dev/fuse").exists() and Path("/dev/loop-control").exists(),
    "Ceph": lambda: all(map(shutil.which, ceph.PROGRAMS)),
    "Chromium": lambda: shutil.which("chromium") is not None,
    "nginx": lambda: shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") is not None,
}

_CEPH = ("Ceph",)
_ROOT = ("root",)
_DISK = ("root", "FUSE")

TORTURE = Campaign(
    "torture", "everything that can go wrong, mixed", 60, needs=("root", "FUSE", "Ceph")
)

CAMPAIGNS = (
    # The process.
    Campaign(
        "kills",
        "everything is killed, hangs, is stopped",
        90,
        "tests/system/faults/test_process.py",
        _CEPH,
    ),
    Campaign(
        "calls-killed",
        "killed at every call that changes the disk",
        40,
        "tests/system/faults/test_killed_at_a_call.py",
    ),
    # The disk.
    Campaign(
        "calls-failing",
        "each call to the disk fails, with EIO and ENOSPC",
        40,
        "tests/system/faults/test_failing_calls.py",
    ),
    Campaign("disks-full", "full disks", 60, "tests/system/faults/test_full_disk.py", _ROOT),
    Campaign(
        "power",
        "losses of power, ext4 and XFS",
        120,
        "tests/system/faults/test_power_loss.py",
        _DISK,
    ),
    # The index.
    Campaign(
        "index",
        "processes, checkpoints, endless readers and kills at the index; the length of its log",
        40,
        "tests/system/faults/test_index_processes.py tests/faults/test_index_log.py",
    ),
    # S3.
    Campaign(
        "s3-verbs",
        "each verb of S3 fails in each way",
        60,
        "tests/system/faults/test_s3_verbs.py",
        _CEPH,
    ),
    Campaign(
        "s3-completions",
        "lost replies to completions of uploads",
        30,
        "tests/system/faults/test_s3_completions.py",
        _CEPH,
    ),
    Campaign(
        "s3-outages",
        "S3 refuses connections, or says nothing",
        10,
        "tests/system/faults/test_s3_outages.py",
        _CEPH,
    ),
    # Clients.
    Campaign("cuts", "connections cut", 60, "tests/system/faults/test_random_cuts.py", _CEPH),
    Campaign(
        "clients-slow",
        "thousands of slow clients",
        30,
        "tests/system/faults/test_slow_clients.py",
        _CEPH,
    ),
    Campaign(
        "descriptors",
        "a process without descriptors",
        10,
        "tests/system/faults/test_no_descriptors.py",
    ),
    Campaign(
        "malformed",
        "malformed HTTP, with and without nginx",
        30,
        "tests/system/faults/test_malformed.py",
        ("nginx",),
    ),
    Campaign(
        "pipelining", "pipelined requests", 10, "tests/system/faults/test_pipelining.py", ("nginx",)
    ),
    # Who may do what.
    Campaign("matrix", "who may do what", 40, "tests/unit/security/test_matrix.py", _CEPH),
    Campaign("injection", "injection", 30, "tests/integration/security/test_injection.py"),
    Campaign(
        "ranges", "ranges of all kinds", 15, "tests/integration/security/test_ranges.py", _CEPH
    ),
    Campaign(
        "heads",
        "huge heads and numbers, slow patterns",
        15,
        "tests/integration/security/test_heads.py tests/integration/security/test_numbers.py"
        " tests/unit/security/test_patterns.py",
    ),
    Campaign(
        "contract-read",
        "requests made from the contract of the API",
        60,
        "tests/system/openapi/test_schemathesis.py",
    ),
    # Names, commands, backups.
    Campaign("names", "names and metadata", 60, "tests/system/test_same_on_both.py", _CEPH),
    Campaign("backups", "backups under load", 30, "tests/system/faults/test_backup.py", _CEPH),
    Campaign(
        "moving",
        "moving between stores, killed",
        40,
        "tests/integration/cli/test_migrate.py",
        _CEPH,
    ),
    # What is measured.
    Campaign(
        "memory",
        "memory: thousands of uploads at once, large files, slow appends, long lists",
        30,
        "tests/system/service/test_many_uploads.py tests/system/service/test_large_files.py"
        " tests/system/service/test_resumable_memory.py tests/integration/service/test_resumable_abandoned.py",
        _CEPH,
    ),
    # The same once more, on other stores.
    Campaign(
        "contracts-moto",
        "the promises of a store, on moto",
        15,
        "tests/contract --stores=moto,moto-own-buckets",
    ),
    Campaign(
        "contracts-ceph",
        "the promises of a store, on Ceph",
        30,
        "tests/contract --stores=ceph,ceph-own-buckets",
        _CEPH,
    ),
    Campaign(
        "http-ceph",
        "the rules of HTTP, on Ceph",
        30,
        "tests/integration/service --stores=ceph",
        _CEPH,
    ),
    Campaign(
        "page-ceph",
        "the page, on Ceph",
        20,
        "tests/system/browser --stores=ceph",
        (*_CEPH, "Chromium"),
    ),
    TORTURE,
)

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

FAULTS = "tests/system/faults"
SECURITY = "tests/integration/security"
SERVICE = "tests/system/service"

TORTURE = Campaign(
    "torture", "everything that can go wrong, mixed", 60, needs=("root", "FUSE", "Ceph")
)

CAMPAIGNS = (
    Campaign(
        name="kills",
        about="everything is killed, hangs, is stopped and replaced",
        minutes=90,
        tests=f"{FAULTS}/test_process.py",
        needs=("Ceph",),
    ),
    Campaign(
        name="killed-calls",
        about="killed at every call that changes the disk",
        minutes=40,
        tests=f"{FAULTS}/test_killed_at_a_call.py",
    ),
    Campaign(
        name="failing-calls",
        about="each call to the disk fails, with EIO and ENOSPC",
        minutes=40,
        tests=f"{FAULTS}/test_failing_calls.py",
    ),
    Campaign(
        name="full-disks",
        about="full disks, tmpfs and ext4",
        minutes=60,
        tests=f"{FAULTS}/test_full_disk.py",
        needs=("root",),
    ),
    Campaign(
        name="power",
        about="losses of power, ext4 and XFS, and disks that fail",
        minutes=120,
        tests=f"{FAULTS}/test_power_loss.py",
        needs=("root", "FUSE"),
    ),
    Campaign(
        name="index",
        about="four processes, checkpoints, endless readers and kills at the index; its log",
        minutes=40,
        tests=f"{FAULTS}/test_index_processes.py {FAULTS}/test_index_log.py",
    ),
    Campaign(
        name="s3-verbs",
        about="each verb of S3 fails in each way",
        minutes=60,
        tests=f"{FAULTS}/test_s3_verbs.py",
        needs=("Ceph",),
    ),
    Campaign(
        name="s3-completions",
        about="lost replies to completions of uploads",
        minutes=30,
        tests=f"{FAULTS}/test_s3_completions.py",
        needs=("Ceph",),
    ),
    Campaign(
        name="s3-outages",
        about="S3 refuses connections, or says nothing",
        minutes=10,
        tests=f"{FAULTS}/test_s3_outages.py",
        needs=("Ceph",),
    ),
    Campaign(
        name="cuts",
        about="connections cut",
        minutes=60,
        tests=f"{FAULTS}/test_random_cuts.py",
        needs=("Ceph",),
    ),
    Campaign(
        name="slow-clients",
        about="thousands of slow and idle clients",
        minutes=30,
        tests=f"{FAULTS}/test_slow_clients.py",
    ),
    Campaign(
        name="descriptors",
        about="a process without descriptors",
        minutes=10,
        tests=f"{FAULTS}/test_no_descriptors.py",
    ),
    Campaign(
        name="malformed",
        about="malformed HTTP, alone and behind nginx",
        minutes=30,
        tests=f"{FAULTS}/test_malformed.py",
        needs=("nginx",),
    ),
    Campaign(
        name="pipelining",
        about="pipelined requests",
        minutes=10,
        tests=f"{FAULTS}/test_pipelining.py",
    ),
    Campaign(
        name="backups",
        about="backups under load",
        minutes=30,
        tests=f"{FAULTS}/test_backup.py",
    ),
    Campaign(
        name="migrations",
        about="migrations between the stores, killed twice on the way",
        minutes=40,
        tests="tests/integration/cli/test_migrate.py",
        needs=("Ceph",),
    ),
    Campaign(
        name="matrix",
        about="who may do what: every route, method, token and link",
        minutes=40,
        tests="tests/unit/security/test_matrix.py",
        needs=("Ceph",),
    ),
    Campaign(
        name="injection",
        about="injection",
        minutes=30,
        tests=f"{SECURITY}/test_injection.py",
    ),
    Campaign(
        name="ranges",
        about="ranges",
        minutes=15,
        tests=f"{SECURITY}/test_ranges.py",
        needs=("Ceph",),
    ),
    Campaign(
        name="heads",
        about="huge heads and numbers, slow patterns",
        minutes=15,
        tests=f"{SECURITY}/test_heads.py {SECURITY}/test_numbers.py"
        " tests/unit/security/test_patterns.py",
    ),
    Campaign(
        name="names",
        about="any names and metadata, on the embedded store and on Ceph",
        minutes=60,
        tests="tests/system/test_same_on_both.py",
        needs=("Ceph",),
    ),
    Campaign(
        name="openapi",
        about="requests made from the contract of the API, by Schemathesis",
        minutes=60,
        tests="tests/system/openapi/test_schemathesis.py",
        needs=("Ceph",),
    ),
    Campaign(
        name="memory",
        about="memory: many uploads at once, slow ones, abandoned ones, large files",
        minutes=30,
        tests=f"{SERVICE}/test_many_uploads.py {SERVICE}/test_resumable_memory.py"
        f" {SERVICE}/test_large_files.py tests/integration/service/test_resumable_abandoned.py",
        needs=("Ceph",),
    ),
    Campaign(
        name="contract-moto",
        about="the promises of a store, on moto",
        minutes=15,
        tests="tests/contract --stores=moto,moto-own-buckets",
    ),
    Campaign(
        name="contract-ceph",
        about="the promises of a store, on Ceph",
        minutes=30,
        tests="tests/contract --stores=ceph,ceph-own-buckets",
        needs=("Ceph",),
    ),
    Campaign(
        name="http-ceph",
        about="the rules of HTTP, on Ceph",
        minutes=30,
        tests="tests/integration/service --stores=ceph",
        needs=("Ceph",),
    ),
    Campaign(
        name="page-ceph",
        about="the page, on Ceph",
        minutes=20,
        tests="tests/system/browser --stores=ceph",
        needs=("Ceph", "Chromium"),
    ),
    TORTURE,
)

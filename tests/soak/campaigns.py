"""What is done in a long run: the campaigns, and what the machine needs for each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support import ceph, proxies


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
    "nginx": lambda: proxies.program("nginx") is not None,
    "HAProxy": lambda: proxies.program("haproxy") is not None,
}

FAULTS = "tests/system/faults"
SYSTEM = "tests/system/service"

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
        tests=f"{FAULTS}/test_index_processes.py {FAULTS}/test_index_log.py"
        f" {FAULTS}/test_index_hangs.py",
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
        name="bench",
        about="what is put in on purpose, and has to be found",
        minutes=10,
        tests=f"{FAULTS}/test_the_bench.py",
        needs=("root", "FUSE", "Ceph"),
    ),
    Campaign(
        name="matrix",
        about="who may do what: every route, method, token and link",
        minutes=40,
        tests="tests/unit/security",
        needs=("Ceph",),
    ),
    Campaign(
        name="requests",
        about="injection, ranges, huge heads and numbers, slow patterns, secrets",
        minutes=60,
        tests="tests/integration/security tests/system/security",
        needs=("Ceph", "nginx"),
    ),
    Campaign(
        name="stores",
        about="what a store promises, on each: also on moto, and with a bucket for each container",
        minutes=40,
        tests="tests/contract tests/integration/s3 tests/integration/local",
        needs=("Ceph",),
    ),
    Campaign(
        name="commands",
        about="the commands on both stores; migrations killed twice on the way",
        minutes=40,
        tests="tests/integration/cli",
        needs=("Ceph",),
    ),
    Campaign(
        name="service",
        about="the service and its clients, on both stores",
        minutes=40,
        tests=f"tests/integration/service {SYSTEM}/test_resumable_nodes.py"
        f" {SYSTEM}/test_rolling_restart.py {SYSTEM}/test_behind_a_proxy.py"
        f" {SYSTEM}/test_older_version.py",
        needs=("Ceph", "nginx", "HAProxy"),
    ),
    Campaign(
        name="memory",
        about="memory: many uploads at once, slow ones, large files",
        minutes=20,
        tests=f"{SYSTEM}/test_many_uploads.py {SYSTEM}/test_resumable_memory.py"
        f" {SYSTEM}/test_large_files.py",
        needs=("Ceph",),
    ),
    Campaign(
        name="page",
        about="the page, on both stores",
        minutes=30,
        tests="tests/system/browser",
        needs=("Ceph", "Chromium"),
    ),
    TORTURE,
)

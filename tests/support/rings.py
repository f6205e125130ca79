"""Which tests belong to which ring, and on which stores each of them runs there.

A ring is a command: ``make check``, ``make test``, ``.ci/run``, ``make soak``. It names the
folders; here stands what of them it leaves out, by the stores that a test uses. Rings pair, and do
not multiply: what a store promises is tried on every store, what HTTP promises on one.
"""

from __future__ import annotations

import sys
from enum import StrEnum

import pytest


class Ring(StrEnum):
    """One of the four, each holding all before it."""

    CHECK = "check"
    TEST = "test"
    CI = "ci"
    SOAK = "soak"


LATER = {
    Ring.CHECK: "see `make test`",
    Ring.TEST: "and tests/system: see `.ci/run`",
    Ring.CI: "see `make soak`",
    Ring.SOAK: "nothing runs them",
}
"""Where to find what a ring leaves out."""

STORES = {"local", "moto", "ceph", "moto-own-buckets", "ceph-own-buckets"}
CEPH = {"ceph", "ceph-own-buckets"}
_FIXTURES = {"moto": "moto", "ceph": "ceph", "ceph_node": "ceph", "ceph_backend": "ceph"}
"""By asking for one of these, a test says which store it is about."""

SMOKE = (
    "tests/contract/test_durable.py",
    "tests/contract/test_storable.py",
    "tests/integration/s3/",
)
"""What runs on moto where no real S3 is asked for."""

ON_CEPH = (
    "tests/contract/",
    "tests/integration/cli/",
    "tests/integration/s3/",
    "tests/integration/service/test_cut_uploads.py",
    "tests/integration/service/test_races.py",
    "tests/integration/service/test_resumable_abandoned.py",
    "tests/integration/service/test_resumable_races.py",
    "tests/integration/service/test_resumable_takeover.py",
    "tests/system/faults/",
)
"""What is tried on Ceph, too: all else is HTTP's, and a store is none of its business.

Of each area of HTTP a test or two with the mark ``smoke`` run there all the same, and what has no
other store than Ceph wherever it stands.
"""


def add_option(parser: pytest.Parser) -> None:
    """``--ring``, which decides what `select` leaves."""
    parser.addoption(
        "--ring",
        type=Ring,
        choices=list(Ring),
        default=Ring.TEST,
        help="what the run is for: check, test (the default), ci or soak",
    )


def forbid_sockets() -> None:
    """From now on an attempt to listen or to connect fails, for as long as this process lives."""
    sys.addaudithook(_refuse)


def _refuse(event: str, _arguments: tuple[object, ...]) -> None:
    if event in {"socket.bind", "socket.connect"}:
        raise AssertionError("`make check` runs what needs no socket: see tests/support/rings.py")


def select(ring: Ring, items: list[pytest.Item]) -> list[pytest.Item]:
    """Take what does not belong to the ring out of ``items``, and return it."""
    belongs = [_belongs(ring, item) for item in items]
    left_out = [item for item, kept in zip(items, belongs, strict=True) if not kept]
    items[:] = [item for item, kept in zip(items, belongs, strict=True) if kept]
    return left_out


def _belongs(ring: Ring, item: pytest.Item) -> bool:
    if ring is Ring.SOAK:
        return True
    if item.get_closest_marker("soak"):
        return False
    if item.get_closest_marker("alone") and ring is not Ring.CI:
        return False
    chosen, fixed = _stores(item)
    path = item.nodeid
    if ring is Ring.CHECK:
        return not fixed and chosen <= {"local"}
    if ring is Ring.TEST:
        allowed = {"local", "moto"} if path.startswith(SMOKE) else {"local"}
        return chosen | fixed <= allowed
    there = path.startswith(ON_CEPH) or item.get_closest_marker("smoke")
    allowed = {"local", *CEPH} if there else {"local"}
    return chosen <= allowed and fixed <= {"local", *CEPH}


def _stores(item: pytest.Item) -> tuple[set[str], set[str]]:
    """The stores among the parameters of a test, and those that it has without any choice."""
    assert isinstance(item, pytest.Function)
    callspec = getattr(item, "callspec", None)
    given = callspec.params.values() if callspec else ()
    chosen = {value for value in given if isinstance(value, str) and value in STORES}
    fixed = {_FIXTURES[name] for name in item.fixturenames if name in _FIXTURES}
    return chosen, fixed


def said_of(left_out: list[pytest.Item]) -> str:
    """What was left out, in a few words; empty if that is nothing."""
    on_ceph = on_moto = others = 0
    for item in left_out:
        chosen, fixed = _stores(item)
        stores = chosen | fixed
        on_ceph += bool(stores & CEPH)
        on_moto += bool(stores - CEPH - {"local"})
        others += stores <= {"local"}
    counts = {"on Ceph": on_ceph, "on moto": on_moto, "that take long": others}
    return ", ".join(f"{count} tests {what}" for what, count in counts.items() if count)

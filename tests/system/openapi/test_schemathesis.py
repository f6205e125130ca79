"""All that Schemathesis knows to try, against the real server on both stores."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.service import Backend, service
from tests.system.openapi.attack import METRICS_TOKEN, Attack, attack
from tests.unit.openapi.document import Operation, operations

SETTINGS = {
    "METRICS_TOKEN": METRICS_TOKEN,
    # The library that Schemathesis sends with takes 104 for the final answer.
    "INTERIM_RESPONSES": "false",
}

# Of the connection, or made by the server itself for every answer.
OF_HTTP = {"connection", "content-length", "content-type", "date", "server", "transfer-encoding"}


def test_it_finds_nothing(backend: Backend, tmp_path: Path, log: Path) -> None:
    """The same each time, and short."""
    _find_nothing(backend, tmp_path, log, examples=3, seed=1)


@pytest.mark.soak
def test_it_finds_nothing_in_long(backend: Backend, tmp_path: Path, log: Path) -> None:
    """Another each time; ``SEED`` repeats one."""
    seed = int(os.environ.get("SEED", random.randrange(2**32)))
    _find_nothing(backend, tmp_path, log, examples=50, seed=seed)


def _find_nothing(
    backend: Backend, directory: Path, log: Path, *, examples: int, seed: int
) -> None:
    print(f"SEED={seed}")
    with service(backend, log, settings=SETTINGS) as running:
        done = attack(running, directory / "attack", examples=examples, seed=seed)
    assert done.status == 0, done.output
    _assert_all_was_reached(done)
    _assert_headers_are_known(done)
    _assert_no_fault_is_of_the_server(done)


def _assert_all_was_reached(done: Attack) -> None:
    """Every operation was asked, and succeeded at least once."""
    statuses: dict[str, set[int]] = defaultdict(set)
    for exchange in done.exchanges():
        statuses[exchange.operation].add(exchange.status)
    expected = {operation.label for operation in operations()}
    assert expected <= statuses.keys()
    assert {label for label in expected if min(statuses[label]) >= 300} == set()


def _assert_headers_are_known(done: Attack) -> None:
    """No answer has a header that its operation does not tell of."""
    known = {operation.label: operation for operation in operations()}
    unknown = {
        (exchange.operation, exchange.status, name)
        for exchange in done.exchanges()
        if exchange.operation in known
        for name in exchange.headers - _told(known[exchange.operation], exchange.status)
        if not name.startswith("x-object-meta-")
    }
    assert unknown == set()


def _assert_no_fault_is_of_the_server(done: Attack) -> None:
    """Whatever is asked for, nothing of it is beyond the server."""
    faults = {
        (exchange.operation, exchange.status)
        for exchange in done.exchanges()
        if exchange.status >= 500
    }
    assert faults == set()


def _told(operation: Operation, status: int) -> set[str]:
    return OF_HTTP | {name.lower() for name in operation.headers_of(str(status))}

"""Clients at work on a cluster, for one round or many."""

from __future__ import annotations

import contextlib
import random
import threading
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.support.service import LocalBackend
from tests.system.faults import checker
from tests.system.faults.actor import Actor, Reader
from tests.system.faults.checker import Client
from tests.system.faults.cluster import Cluster
from tests.system.faults.ledger import Ledger
from tests.system.faults.manners import EMBEDDED, OBJECTS, Manners

ACTORS = 2
"""For each client."""
CLIENTS = 2
"""They use the same names."""


class Run:
    """All clients of a run, and what they were promised, from its first round to its last."""

    def __init__(self, cluster: Cluster, seed: str, sizes: Sequence[int] | None = None) -> None:
        self.cluster = cluster
        self.chance = random.Random(seed)
        if sizes is None:
            sizes = EMBEDDED if isinstance(cluster.backend, LocalBackend) else OBJECTS
        self.manners = Manners(sizes)
        self._seed = seed
        self.clients = [self._client(number) for number in range(CLIENTS)]
        self._readers = [
            Reader(client.ledger, f"{seed}/{number}") for number, client in enumerate(self.clients)
        ]

    def _client(self, number: int) -> Client:
        token = str(uuid.UUID(int=random.Random(f"{self._seed}/{number}").getrandbits(128)))
        ledger = Ledger(token, f"client-{number}")
        actors = [
            Actor(each, ledger, f"{self._seed}/{number}", self.manners) for each in range(ACTORS)
        ]
        return Client(ledger, actors)

    @property
    def acknowledged(self) -> int:
        """How many writes were acknowledged so far."""
        return sum(client.ledger.acknowledged for client in self.clients)

    @property
    def wrong(self) -> list[str]:
        """The promises that were broken so far."""
        return [wrong for client in self.clients for wrong in client.ledger.wrong]

    @contextlib.contextmanager
    def traffic(self) -> Iterator[None]:
        """Everybody asks for the whole of this block; at its end each ends its last request."""
        stop = threading.Event()
        everybody = [actor for client in self.clients for actor in client.actors] + self._readers
        with ThreadPoolExecutor(len(everybody)) as threads:
            running = [threads.submit(each.run, self.cluster.ports, stop) for each in everybody]
            try:
                yield
            finally:
                stop.set()
        for each in running:
            each.result()

    def check(self) -> None:
        """Look at everything, in quiet; fail with the first of all broken promises."""
        self.fail_if_wrong()
        self.cluster.wait_ready()
        checker.check(self.cluster, self.clients)
        self.fail_if_wrong()

    def check_nothing_left(self, patience: float = checker.CLEANING) -> None:
        """See before the first kill that only files are left, and no sweep is needed."""
        checker.check_nothing_left(self.cluster, self.clients, patience)
        self.fail_if_wrong()

    def check_swept(self) -> None:
        """See at the end that a sweep leaves files alone."""
        checker.check_swept(self.cluster, self.clients)
        self.fail_if_wrong()

    def fail_if_wrong(self) -> None:
        """Raise `ViolationError` if a promise was broken."""
        if wrong := self.wrong:
            raise ViolationError(f"{len(wrong)} broken promises, the first: {wrong[0]}")


class ViolationError(AssertionError):
    """The service has broken a promise."""

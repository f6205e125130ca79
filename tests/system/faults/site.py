"""A data directory, what a client was promised of it, and the service that is run on it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from tests.support.raw import Answer, Connection
from tests.support.service import LocalBackend, Service, start, wait_ready
from tests.system.faults.held import Begun, Held, location_of, version
from tests.system.faults.operations import Append, Begin, Operation
from tests.system.faults.syscalls import Watch, watched


@dataclass
class Site:
    """``held`` is what one client was promised, whose token is ``token``."""

    directory: Path
    log: Path
    token: str = field(default_factory=lambda: str(uuid4()))
    held: Held = field(default_factory=Held)

    @contextmanager
    def running(self) -> Iterator[tuple[Service, Watch]]:
        """Start the service, with its system calls watched; what runs at the end is killed."""
        backend = LocalBackend(self.directory)
        starting = partial(start, backend, self.log)
        with watched(self.directory, starting) as (running, watch):
            running.token = self.token
            wait_ready(running)
            yield running, watch

    @contextmanager
    def copied(self) -> Iterator[Site]:
        """The same in another directory beside it, for a while."""
        with TemporaryDirectory(dir=self.directory.parent) as place:
            directory = Path(place) / "data"
            shutil.copytree(self.directory, directory)
            yield replace(self, directory=directory)

    def send(self, client: Connection, operation: Operation) -> Answer:
        """Send the request of an operation; what is held stays as it was."""
        client.send(operation.request(self.token, self.held))
        return client.read_answer()

    def put_old(self, client: Connection, name: str, kind: str) -> None:
        """Store what is to be there before something else."""
        client.send(version(kind, "old").put(self.token, name))
        answer = client.read_answer()
        assert answer.status == 204, answer
        self.held = self.held.with_file(name, version(kind, "old"))

    def begin(self, client: Connection, name: str, kind: str, offset: int) -> None:
        """Begin an upload, and send it up to but not including a byte."""
        answer = self.send(client, Begin(name, kind))
        assert answer.status == 201, answer
        begun = Begun(location_of(answer), version(kind, "new"), 0)
        self.held = self.held.with_upload(name, begun)
        append = Append(name, offset)
        answer = self.send(client, append)
        assert answer.status == 204, answer
        self.held = append.states(self.held)[-1]

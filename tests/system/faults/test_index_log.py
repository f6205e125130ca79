"""The index's write-ahead log: how long it gets, who is told, and how it comes back."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

import pytest

from bench.fill import fill
from file_uploader.storage.local.index.checkpoints import ALARM_SIZE
from file_uploader.storage.local.index.rows import WAL_LIMIT
from tests.support import raw
from tests.support.bodies import MIB
from tests.support.raw import Connection
from tests.support.rounds import rounds
from tests.support.service import LocalBackend, service
from tests.support.waiting import until
from tests.system.faults.index import RelayReaders, endless_reader, integrity, wal_size
from tests.system.faults.index_load import SIZE, Load

WORKERS = 4
BACK = 5.0
"""Seconds within which the log is short again, once nobody reads an old state of the index."""
TOO_LONG = "the index's log has grown to"
SHORT_AGAIN = "the index's log is short again"


@pytest.mark.alone
@pytest.mark.parametrize("turn", range(rounds(1, 5)))
def test_a_reader_that_never_ends_is_told_of_and_the_log_comes_back(
    tmp_path: Path, log: Path, turn: int
) -> None:
    data = tmp_path / "data"

    def told(line: str) -> int:
        return log.read_text().count(line)

    with service(LocalBackend(data), log, workers=WORKERS) as running:
        with endless_reader(data):
            with Load(running, "first") as load:
                until(lambda: wal_size(data) > ALARM_SIZE, "the log gets long", patience=60)
                until(lambda: told(TOO_LONG) == 1, "it is told of")
                load.wait_for_more(200)
            time.sleep(1)  # Whoever has seen the last commit has tried to shorten the log by now.
            size = wal_size(data)
        assert told(TOO_LONG) == 1, "other workers have said so as well"
        began = time.monotonic()
        until(lambda: wal_size(data) <= WAL_LIMIT, "it is short without any write", BACK)
        back = time.monotonic() - began
        until(lambda: told(SHORT_AGAIN) == 1, "that is told, too")
        print(f"{size / MIB:.0f} MiB, back after {back:.2f} s; {load.described()}")
        with Load(running, "second") as load:
            with endless_reader(data):
                until(lambda: wal_size(data) > WAL_LIMIT * 1.2, "the log gets long", patience=60)
                size = wal_size(data)
            began = time.monotonic()
            until(lambda: wal_size(data) <= WAL_LIMIT, "it is short beside writes", BACK)
            back = time.monotonic() - began
            load.wait_for_more(200)
        print(f"{size / MIB:.0f} MiB, back after {back:.2f} s; {load.described()}")
    assert integrity(data) == "ok"


@pytest.mark.alone
def test_neither_a_list_that_nobody_takes_nor_short_readers_hold_the_log_back(
    tmp_path: Path, log: Path
) -> None:
    names = rounds(100_000, 1_000_000)
    data, token = tmp_path / "data", str(uuid.uuid4())
    fill(data, token, names, size=1)
    patient = {"IDLE_TIMEOUT": "1h"}
    with (
        service(LocalBackend(data), log, workers=WORKERS, settings=patient) as running,
        Connection(running.port, patience=60) as client,
    ):
        running.token = token
        fields = {"Accept": "application/x-ndjson"}
        client.send(raw.head("GET", "/api/files?details=true", token, fields))
        longest = 0
        with RelayReaders(data), Load(running, "written") as load:

            def enough_written() -> bool:
                nonlocal longest
                longest = max(longest, wal_size(data))
                return len(load.took) * SIZE > WAL_LIMIT

            until(enough_written, "much is written while the client takes nothing", patience=120)
        # What was written last is in the list as well, so it was in its middle all the time.
        lines = client.read_answer().body.count(b"\n")
        assert lines == names + len(load.took)
        print(f"{lines} lines; log at most {longest / MIB:.1f} MiB; {load.described()}")
        assert longest <= WAL_LIMIT

"""Figures of real workers, as Prometheus reads them: all of them, right, and for nobody else."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support import raw
from tests.support.raw import Answer, Connection
from tests.support.service import (
    LocalBackend,
    S3Backend,
    Service,
    free_port,
    service,
)
from tests.support.services import CUSTOM, METRICS_TOKEN, Lend
from tests.support.waiting import until

TOKEN = METRICS_TOKEN
SETTINGS = {"METRICS_TOKEN": TOKEN}
CLIENTS, EACH = 8, 125
BODY = b"x" * 4000

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def ask(port: int, path: str = "/metrics", token: str | None = TOKEN) -> Answer:
    with Connection(port) as client:
        client.send(
            raw.head("GET", path, None, {"Authorization": f"Bearer {token}"} if token else {})
        )
        return client.read_answer()


def scraped(port: int, token: str | None = TOKEN) -> Figures:
    answer = ask(port, token=token)
    assert (answer.status, answer.header("cache-control")) == (200, "no-store")
    return {
        (sample.name.removeprefix("file_uploader_"), frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def total(figures: Figures, name: str, **labels: str) -> float:
    return sum(
        value
        for (found, having), value in figures.items()
        if found == name and having >= labels.items()
    )


@pytest.fixture(params=["local", "ceph"])
def running(request: pytest.FixtureRequest, shared_service: Lend) -> Service:
    return shared_service(request.param, CUSTOM)


def _load(running: Service, number: int) -> None:
    """So many requests, of five kinds in turn."""
    name = f"/api/files/{number}"
    put = raw.head("PUT", name, running.token, {"Content-Length": str(len(BODY))}) + BODY
    kinds = [
        ("PUT", put, 204),
        ("GET", raw.head("GET", name, running.token), 200),
        ("GET", raw.head("GET", f"{name}-none", running.token), 404),
        ("DELETE", raw.head("DELETE", name, running.token), 204),
        ("GET", raw.head("GET", "/api/files", None), 401),
    ]
    with Connection(running.port) as client:
        for turn in range(EACH):
            method, request, status = kinds[turn % len(kinds)]
            client.send(request)
            assert client.read_answer(method).status == status


def test_a_thousand_requests_are_a_thousand(tmp_path: Path, log: Path) -> None:
    """Of two workers, both of which had some; and none is lost with a worker that is killed."""
    count, each = CLIENTS * EACH, CLIENTS * EACH // 5
    with service(LocalBackend(tmp_path / "data"), log, workers=2, settings=SETTINGS) as running:
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(partial(_load, running), range(CLIENTS)))
        for _ in range(2):
            figures = scraped(running.port)
            files = "/api/files/{name}"
            assert total(figures, "requests_total", route=files) == 4 * each
            assert total(figures, "requests_total", route=files, method="PUT", status="204") == each
            assert total(figures, "requests_total", route=files, method="GET", status="200") == each
            assert total(figures, "requests_total", route=files, method="GET", status="404") == each
            assert total(figures, "requests_total", route=files, method="DELETE") == each
            assert total(figures, "requests_total", route="/api/files", status="401") == each
            load = ("/api/files", files)
            duration = "request_duration_seconds_count"
            assert sum(total(figures, duration, route=route) for route in load) == count
            assert total(figures, "received_bytes_total", route=files) == each * len(BODY)
            assert total(figures, "store_operations_total", operation="put", outcome="ok") == each
            assert (
                total(figures, "store_operations_total", operation="open", outcome="NoSuchFile")
                == each
            )
            assert total(figures, "requests_in_progress") == 1  # the one that asks for it
            workers = running.workers()
            os.kill(workers[0], signal.SIGKILL)
            until(
                lambda gone=workers[0]: (
                    gone not in running.workers() and len(running.workers()) == 2
                ),  # type: ignore[misc]
                "another worker is there",
            )
            until(lambda: ask(running.port, "/health").status == 200, "it answers")


def test_what_is_under_way_is_told_and_ends_with_its_worker(tmp_path: Path, log: Path) -> None:
    with service(LocalBackend(tmp_path / "data"), log, workers=2, settings=SETTINGS) as running:
        with Connection(running.port) as client:
            client.send(
                raw.head("PUT", "/api/files/a", running.token, {"Content-Length": "100000"})
            )
            client.send(b"x" * 50_000)
            until(
                lambda: total(scraped(running.port), "uploads_in_progress") == 1,
                "the upload is counted",
            )
            for worker in running.workers():
                os.kill(worker, signal.SIGKILL)
            until(lambda: len(running.workers()) == 2, "they are replaced")
        until(
            lambda: total(scraped(running.port), "uploads_in_progress") == 0,
            "the upload is not counted any more",
        )
        assert len(list(_figures_of(running).glob("*.db"))) <= 4 * 3, "of two and their master"


def _figures_of(running: Service) -> Path:
    maps = Path(f"/proc/{running.workers()[0]}/maps").read_text()
    mapped = {Path(line.split()[-1]).parent for line in maps.splitlines()}
    [directory] = {path for path in mapped if path.name.startswith("file-uploader-metrics-")}
    return directory


def test_the_figures_are_removed_in_the_end_and_those_of_killed_ones_later(
    tmp_path: Path, log: Path
) -> None:
    backend = LocalBackend(tmp_path / "data")
    with service(backend, log, settings=SETTINGS) as running:
        killed = _figures_of(running)
        running.kill()
    assert killed.exists()
    with service(backend, log, settings=SETTINGS) as running:
        stopped = _figures_of(running)
        assert not killed.exists()
        with service(LocalBackend(tmp_path / "other"), log, settings=SETTINGS):
            assert stopped.exists(), "those of who runs beside are left alone"
        assert running.stop() == 0
    assert not stopped.exists()


@pytest.mark.parametrize(
    "token", [None, "", "wrong", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), f" {TOKEN} x"]
)
def test_without_the_token_there_are_none(running: Service, token: str | None) -> None:
    answer = ask(running.port, token=token)
    assert answer.problem["type"] == "/docs/api.md#metrics-token"
    assert (answer.status, answer.header("www-authenticate")) == (401, "Bearer")


def test_by_default_there_is_nothing(shared_service: Lend) -> None:
    running = shared_service("local")
    for token in (None, TOKEN):
        assert ask(running.port, token=token).problem["type"] == "/docs/api.md#not-found"
    maps = Path(f"/proc/{running.workers()[0]}/maps").read_text()
    assert "file-uploader-metrics" not in maps


def test_at_their_own_address_there_is_nothing_else(tmp_path: Path, log: Path) -> None:
    own = free_port()
    settings = {"METRICS_ADDRESS": f"127.0.0.1:{own}"}
    backend = LocalBackend(tmp_path / "data")
    with service(backend, log, workers=2, settings=settings, besides=(own,)) as running:
        assert total(scraped(own, None), "build_info") == 1
        for path in ("/", "/health", "/api/files", "/api/files/a", "/metrics/a"):
            with Connection(own) as client:
                client.send(raw.head("GET", path, running.token))
                assert client.read_answer().status == 404, path
        assert ask(running.port, token=None).status == 404


def test_an_address_that_nobody_listens_at_stops_the_start(tmp_path: Path, log: Path) -> None:
    settings = {"METRICS_ADDRESS": f"127.0.0.1:{free_port()}"}
    with (
        pytest.raises(RuntimeError, match="METRICS_ADDRESS: with -b, say it there as well"),
        service(LocalBackend(tmp_path / "data"), log, settings=settings),
    ):
        pass


@pytest.mark.smoke
def test_what_an_operator_watches_is_there(running: Service) -> None:
    with Connection(running.port) as client:
        client.send(
            raw.head("PUT", "/api/files/a", running.token, {"Content-Length": "4000"}) + BODY
        )
        assert client.read_answer("PUT").status == 204
    until(lambda: total(scraped(running.port), "sweeps_total", outcome="ok") >= 1, "it has swept")
    figures = scraped(running.port)
    assert total(figures, "disk_free_bytes") > 2**20
    assert total(figures, "sweep_last_success_timestamp_seconds") > 1_700_000_000
    if isinstance(running.backend, S3Backend):
        assert total(figures, "build_info", store="s3") == 1
        budgets = 2 * 256 * 2**20
        until(
            lambda: total(scraped(running.port), "memory_budget_bytes") == budgets, "both are told"
        )
        assert total(figures, "memory_used_bytes") == 0
        assert total(figures, "s3_requests_total", operation="put_object", outcome="ok") >= 1
        assert total(figures, "wal_bytes") == 0
    else:
        assert total(figures, "build_info", store="local") == 1
        assert total(figures, "wal_bytes") > 0


def test_what_uploads_hold_on_s3_is_told(ceph_backend: S3Backend, log: Path) -> None:
    with service(ceph_backend, log, workers=2, settings=SETTINGS) as running:
        with Connection(running.port) as client:
            client.send(
                raw.head("PUT", "/api/files/a", running.token, {"Content-Length": "100000"})
            )
            client.send(b"x" * 50_000)
            until(lambda: total(scraped(running.port), "memory_used_bytes") > 50_000, "it is told")
        until(lambda: total(scraped(running.port), "memory_used_bytes") == 0, "it is given back")


def test_what_was_refused_before_it_was_a_request_is_counted(running: Service) -> None:
    before = total(scraped(running.port), "refused_requests_total", status="400")
    for _ in range(3):
        with Connection(running.port) as client:
            client.send(b"GET / HTTP/9.9\r\n\r\n")
            assert client.read_answer().problem["status"] == 400
    assert total(scraped(running.port), "refused_requests_total", status="400") == before + 3


def test_many_may_ask_at_once(running: Service) -> None:
    failed = threading.Event()

    def often(_number: int) -> None:
        for _ in range(5):
            if ask(running.port).status != 200:
                failed.set()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(often, range(8)))
    assert not failed.is_set()


def test_what_a_sweep_removes_is_told(tmp_path: Path, log: Path) -> None:
    backend = LocalBackend(tmp_path / "data")
    with service(backend, log) as running, Connection(running.port) as client:
        client.send(raw.head("PUT", "/api/files/a", running.token, {"Content-Length": "500000"}))
        client.send(b"x" * 300_000)
        until(
            lambda: any(Path(left).stat().st_size > 100_000 for left in backend.leftovers()),
            "some of it is on the disk",
        )
        running.kill()
    with service(backend, log, settings=SETTINGS) as running:
        until(
            lambda: total(scraped(running.port), "sweep_removed_total", kind="unfinished") == 1,
            "the sweep has removed it",
        )
        assert total(scraped(running.port), "sweep_removed_bytes_total") > 100_000
        assert backend.leftovers() == []

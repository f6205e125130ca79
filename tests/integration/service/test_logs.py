"""What the service's logs say, of a real server: a line for each request, and the start."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from file_uploader.model.names import Container
from file_uploader.tokens import parse_token
from tests.support import logs, raw
from tests.support.raw import Connection
from tests.support.service import LocalBackend, S3Backend, Service, service
from tests.support.services import CUSTOM, Lend
from tests.support.waiting import until

JSON = {"LOG_FORMAT": "json"}


def lines_of(log: Path) -> list[dict[str, Any]]:
    """All lines; each of them is one object."""
    return [json.loads(line) for line in log.read_text().splitlines()]


def _requests(log: Path) -> list[dict[str, Any]]:
    return [line for line in lines_of(log) if line["logger"] == "access"]


def _do(running: Service) -> list[tuple[str, str, int, str | None]]:
    """Some requests; returns method, route, status and id of each."""
    files, done = "/api/files/{name}", []
    with Connection(running.port) as client:
        for method, path, route, token in (
            ("PUT", "/api/files/a%20b?", files, running.token),
            ("GET", "/api/files/a%20b", files, running.token),
            ("GET", "/api/files?limit=1", "/api/files", running.token),
            ("GET", "/api/files/none", files, running.token),
            ("GET", "/api/files", "/api/files", None),
            ("GET", "/nothing", "-", None),
            ("GET", "/health", "/health", None),
        ):
            length = {"Content-Length": "5"} if method == "PUT" else {}
            client.send(raw.head(method, path, token, length) + b"x" * 5 * len(length))
            answer = client.read_answer(method)
            done.append((method, route, answer.status, answer.header("x-request-id")))
    return done


def _have_one_line_each(done: list[tuple[str, str, int, str | None]], said: str) -> bool:
    identities = [identity for *_, identity in done]
    return all(identity is not None and said.count(identity) == 1 for identity in identities)


def test_each_request_has_one_line(shared_service: Lend) -> None:
    running = shared_service("local")
    done = _do(running)
    until(lambda: _have_one_line_each(done, running.said()), "each request has a line")
    assert f" container={Container.of(parse_token(running.token)).name} " in running.said()


def test_each_request_has_one_object(tmp_path: Path, log: Path) -> None:
    """As has everything else that happens in a whole life: a start, a refusal, a stop."""
    with service(LocalBackend(tmp_path / "data"), log, workers=2, settings=JSON) as running:
        done = _do(running)
        with Connection(running.port) as client:
            client.send(b"no HTTP\r\n\r\n")
            refused = client.read_answer().problem["request-id"]
        assert running.stop() == 0
    assert _have_one_line_each(done, log.read_text())
    lines = lines_of(log)
    assert Counter(line["level"] for line in lines)["info"] > 10
    [line] = [line for line in lines if line.get("request_id") == refused]
    assert "before it was a request" in line["message"]
    assert "127.0.0.1" in line["message"]
    _tell_what_was_done(log, done, Container.of(parse_token(running.token)).name)


def _tell_what_was_done(
    log: Path, done: list[tuple[str, str, int, str | None]], container: str
) -> None:
    found = [line for line in _requests(log) if line["request_id"] in {each[3] for each in done}]
    assert [(x["method"], x["route"], x["status"], x["request_id"]) for x in found] == done
    assert [line["container"] for line in found] == [container] * 4 + [None] * 3
    put, get, *_ = found
    assert (put["received"], put["sent"], get["received"], get["sent"]) == (5, 0, 0, 5)
    assert put["target"] == "/api/files/a%20b"
    assert put["client"] == "127.0.0.1"
    assert 0 < put["duration"] < 10


def test_a_store_that_fails_is_found_by_the_id_of_the_answer(tmp_path: Path, log: Path) -> None:
    with service(LocalBackend(tmp_path / "data"), log, settings=JSON) as running:
        (tmp_path / "data" / "blobs").rename(tmp_path / "gone")
        with Connection(running.port) as client:
            large = b"x" * 100_000
            length = {"Content-Length": str(len(large)), "X-Request-ID": "look-for-this"}
            client.send(raw.head("PUT", "/api/files/a", running.token, length) + large)
            problem = client.read_answer("PUT").problem
            assert (problem["status"], problem["request-id"]) == (502, "look-for-this")

        def told() -> list[str]:
            return [
                x["message"]
                for x in lines_of(log)
                if x.get("request_id") == "look-for-this" and "message" in x
            ]

        until(lambda: bool(told()), "the log says why")
        assert any("No such file or directory" in message for message in told())


def test_the_start_says_what_was_set(shared_service: Lend) -> None:
    said = shared_service("local", CUSTOM).log.read_text()
    [line] = [line for line in said.splitlines() if " on the embedded store; settings: " in line]
    assert f"CORS_ORIGINS={tuple(CUSTOM['CORS_ORIGINS'].split(','))}" in line
    assert "METRICS_TOKEN=**********" in line
    assert "PORT" not in line


def test_the_start_says_the_store(log: Path, ceph_backend: S3Backend) -> None:
    settings = {
        **JSON,
        "LINK_KEYS": "a-secret-that-signs-links-and-is-long",
        "METRICS_TOKEN": "a-secret-for-figures",
        "MAX_FILE_SIZE": "5GiB",
    }
    with service(ceph_backend, log, workers=2, settings=settings):
        pass
    [line] = [line for line in lines_of(log) if "settings" in line]
    assert (line["store"], line["settings"]["BUCKET"]) == ("S3", ceph_backend.bucket)
    assert line["settings"]["MAX_FILE_SIZE"] == str(5 * 2**30)
    assert "PORT" not in line["settings"]
    hidden = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "LINK_KEYS", "METRICS_TOKEN")
    assert all("**" in line["settings"][name] for name in hidden)
    for secret in (ceph_backend.server.secret_key, ceph_backend.server.access_key):
        assert secret not in log.read_text()


@pytest.mark.parametrize(
    "line",
    [
        '127.0.0.1 "GET /api/files?x=F0E1D2C3-b4a5-4968-8778-695a4b3c2d1e HTTP/1.1" 200',
        f"GET /api/links/1.{'f' * 46}.{'m' * 43}/a",
        f"GET /api/links/1.{'f' * 46}{'m' * 43}",
        "settings: LINK_KEYS=a-secret-that-signs-links-and-is-long",
    ],
)
def test_secrets_in_the_logs_of_these_tests_would_be_seen(tmp_path: Path, line: str) -> None:
    """So that what is looked for in the logs of all tests can be found there."""
    log = tmp_path / "a.log"
    settings = {"LINK_KEYS": "another, a-secret-that-signs-links-and-is-long"}
    logs.watch(log, settings)
    log.write_text("nothing\n")
    assert not [each for each in logs.shown() if str(log) in each]
    log.write_text(f"before\n{line}\nafter\n")
    assert len([each for each in logs.shown() if str(log) in each]) == 1
    log.write_text(f"GET /api/links/1.{'f' * 46}.***/a\n")
    assert not [each for each in logs.shown() if str(log) in each]

"""A store that cannot be opened says which setting is wrong, or what else."""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import botocore.auth
import pytest
from pydantic import SecretStr

from file_uploader.errors import ConfigurationError, StorageUnavailable
from file_uploader.settings import Settings
from file_uploader.storage.s3 import S3Config, S3Storage
from file_uploader.stores import try_storage
from tests.support.ceph import Ceph
from tests.support.certificates import self_signed
from tests.support.s3_servers import S3Server


def _config(server: S3Server, bucket: str, /, **changed: Any) -> S3Config:
    said = {
        "bucket": bucket,
        "endpoint_url": server.endpoint,
        "region": server.region,
        "access_key": server.access_key,
        "secret_key": server.secret_key,
        "memory_budget": 64 * 2**20,
    }
    return S3Config(**{**said, **changed})


def _later(clock: Callable[[], float], seconds: float) -> float:
    return clock() + seconds


async def _refusal(config: S3Config) -> str:
    with pytest.raises(ConfigurationError) as refused:
        await S3Storage.connect(config)
    return str(refused.value)


@pytest.mark.parametrize(("minutes", "said"), [(20, "20 minutes ahead"), (-20, "20 minutes beh")])
async def test_a_clock_that_is_off(
    ceph: S3Server, monkeypatch: pytest.MonkeyPatch, minutes: int, said: str
) -> None:
    bucket = ceph.fresh_bucket()
    real = botocore.auth.get_current_datetime

    def off(*args: Any, **kwargs: Any) -> datetime.datetime:
        now: datetime.datetime = real(*args, **kwargs)
        return now + datetime.timedelta(minutes=minutes)

    monkeypatch.setattr("botocore.auth.get_current_datetime", off)
    monkeypatch.setattr("time.time", partial(_later, time.time, minutes * 60))
    assert f"The clock of this machine is {said}" in await _refusal(_config(ceph, bucket))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"access_key": "nobody"}, "AWS_ACCESS_KEY_ID: the object store does not know it."),
        ({"secret_key": "wrong"}, "AWS_SECRET_ACCESS_KEY: it is not that of AWS_ACCESS_KEY_ID."),
        ({"bucket": "not-there-at-all"}, "BUCKET: there is no such bucket."),
        ({"bucket": "no bucket's name"}, "BUCKET: no bucket can have this name."),
        ({"endpoint_url": "not a URL"}, "AWS_ENDPOINT_URL_S3: not a URL."),
        ({"endpoint_url": "http://127.0.0.1:99999"}, "AWS_ENDPOINT_URL_S3: not a URL."),
        ({"region": "no region"}, "AWS_REGION: missing, or not a region's name."),
    ],
    ids=lambda each: str(each)[:40],
)
async def test_a_setting_that_is_wrong(ceph: S3Server, changed: dict[str, str], said: str) -> None:
    assert await _refusal(_config(ceph, ceph.fresh_bucket(), **changed)) == said


async def test_a_bucket_of_others(ceph: S3Server, ceph_node: Ceph) -> None:
    others = ceph_node.new_user().fresh_bucket()
    said = await _refusal(_config(ceph, others))
    assert said == "BUCKET: the credentials have no access to it."


async def test_a_bucket_that_can_only_be_read(ceph: S3Server, ceph_node: Ceph) -> None:
    """A worker of a command that only reads may use it; a service may not."""
    owner, bucket = ceph_node.new_user(), "read-only"
    grant = {
        "Effect": "Allow",
        "Principal": {"AWS": [f"arn:aws:iam:::user/{ceph.access_key}"]},
        "Action": ["s3:ListBucket", "s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    with contextlib.closing(owner.client()) as client:
        client.create_bucket(Bucket=bucket)
        policy = json.dumps({"Version": "2012-10-17", "Statement": [grant]})
        client.put_bucket_policy(Bucket=bucket, Policy=policy)
    await (await S3Storage.connect(_config(ceph, bucket))).aclose()
    settings = Settings(
        bucket=bucket,
        aws_endpoint_url_s3=ceph.endpoint,
        aws_region=ceph.region,
        aws_access_key_id=ceph.access_key,
        aws_secret_access_key=SecretStr(ceph.secret_key),
    )
    with pytest.raises(
        ConfigurationError,
        match=r"^BUCKET: nothing can be stored there: The object store does not allow it\.$",
    ):
        await try_storage(settings)


Answer = tuple[int, str, str]

_ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>no</Message></Error>"

ANSWERS: dict[str, tuple[Answer, str]] = {
    "a web page": (
        (200, "text/html", "<!doctype html><p>Hello"),
        "AWS_ENDPOINT_URL_S3: what answers there does not speak S3.",
    ),
    "a page that is XML": (
        (200, "application/xhtml+xml", "<html><body/></html>"),
        "AWS_ENDPOINT_URL_S3: what answers there does not speak S3.",
    ),
    "a page that is not there": (
        (404, "text/html", "<h1>404</h1>"),
        "AWS_ENDPOINT_URL_S3: what answers there does not speak S3.",
    ),
    "JSON": (
        (400, "application/json", "{}"),
        "AWS_ENDPOINT_URL_S3: what answers there does not speak S3.",
    ),
    "https only": (
        (308, "text/html", "<h1>Moved</h1>"),
        "AWS_ENDPOINT_URL_S3: what answers there sends us elsewhere; is it https:// ?",
    ),
    "another region": (
        (301, "application/xml", _ERROR.format("PermanentRedirect")),
        "AWS_REGION: BUCKET is in another region.",
    ),
    "a signature for another region": (
        (400, "application/xml", _ERROR.format("AuthorizationHeaderMalformed")),
        "AWS_REGION: BUCKET is in another region.",
    ),
    "a path that is the bucket's": (
        (404, "application/xml", _ERROR.format("NoSuchKey")),
        "AWS_ENDPOINT_URL_S3: its path is wrong; the bucket is named by BUCKET alone.",
    ),
    "a session that is over": (
        (400, "application/xml", _ERROR.format("ExpiredToken")),
        "AWS_SESSION_TOKEN: it has expired, or is not that of AWS_ACCESS_KEY_ID.",
    ),
    "what nobody knows": (
        (403, "application/xml", _ERROR.format("AccountProblem")),
        "BUCKET: the credentials have no access to it.",
    ),
    "what nobody foresaw": (
        (400, "application/xml", _ERROR.format("Odd")),
        "BUCKET: the object store refuses it (Odd, 400).",
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_what_answers_is_no_store_or_refuses(name: str) -> None:
    answer, said = ANSWERS[name]
    with _server(answer) as server:
        assert await _refusal(_config(server, "bucket")) == said


@pytest.mark.parametrize(
    "answer",
    [
        (503, "application/xml", _ERROR.format("SlowDown")),
        (500, "application/xml", _ERROR.format("InternalError")),
        (502, "text/html", "<h1>Bad gateway</h1>"),
    ],
    ids=lambda answer: str(answer[0]),
)
async def test_what_may_pass_is_no_reason_not_to_start(
    answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    with _server(answer) as server:
        store = await S3Storage.connect(_config(server, "bucket"))
        await store.aclose()
    assert "starting without it" in caplog.text


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("http://127.0.0.1:9", "AWS_ENDPOINT_URL_S3: no connection (Connection refused)"),
        ("http://nowhere.invalid", "AWS_ENDPOINT_URL_S3: its host name cannot be found"),
    ],
)
async def test_what_cannot_be_reached_is_named(
    endpoint: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = _config(S3Server("none", endpoint, "key", "secret"), "bucket")
    await (await S3Storage.connect(config)).aclose()
    assert f"{said}" in caplog.text
    assert "starting without it" in caplog.text
    with pytest.raises(StorageUnavailable, match=re.escape(said)):
        await S3Storage.connect(config, patient=False)


async def test_a_certificate_that_nobody_knows(tmp_path: Path) -> None:
    def with_tls(server: ThreadingHTTPServer) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self_signed(tmp_path))
        server.socket = context.wrap_socket(server.socket, server_side=True)

    with _server((200, "text/html", ""), with_tls) as server:
        said = await _refusal(_config(server, "bucket", endpoint_url=_https(server)))
    assert said.startswith("AWS_ENDPOINT_URL_S3: the certificate there cannot be trusted (self")
    assert "AWS_CA_BUNDLE" in said


async def test_https_where_there_is_none() -> None:
    with _server((200, "text/html", "")) as server:
        said = await _refusal(_config(server, "bucket", endpoint_url=_https(server)))
    assert said == "AWS_ENDPOINT_URL_S3: what answers there does not speak TLS; is it http:// ?"


def _https(server: S3Server) -> str:
    return server.endpoint.replace("http://127.0.0.1", "https://localhost")


@contextlib.contextmanager
def _server(
    answer: Answer, changed: Callable[[ThreadingHTTPServer], None] = lambda _: None
) -> Iterator[S3Server]:
    """What answers the same to everything."""
    status, media_type, text = answer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(text.encode())

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        changed(server)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            endpoint = f"http://127.0.0.1:{server.server_port}"
            yield S3Server("fake", endpoint, "key", "secret")
        finally:
            server.shutdown()
            thread.join()

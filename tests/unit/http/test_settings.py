"""Settings: good values, and bad ones that stop the start with one line that names them."""

from __future__ import annotations

import os
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from file_uploader.errors import ConfigurationError
from file_uploader.settings import Settings, load_settings

SECRET = "do-not-show-this"  # what a test looks for, and must not find
ALIASES = ("AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the environment nor a ``.env`` of whoever runs the tests has a say."""
    for name in (*(field.upper() for field in Settings.model_fields), *ALIASES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def loaded(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def test_defaults() -> None:
    found = load_settings().model_dump()
    assert found == {
        "bucket": None,
        "container_bucket": None,
        "aws_access_key_id": None,
        "aws_secret_access_key": None,
        "aws_session_token": None,
        "aws_region": None,
        "aws_endpoint_url_s3": None,
        "aws_profile": None,
        "data_dir": Path("data"),
        "host": "0.0.0.0",
        "port": 8080,
        "web_concurrency": len(os.sched_getaffinity(0)),
        "max_file_size": None,
        "upload_expiry": timedelta(days=7),
        "idle_timeout": timedelta(seconds=60),
        "min_rate": 1024,
        "memory_budget": 256 * 2**20,
        "spool_dir": Path(tempfile.gettempdir()),
        "spool_limit": 4 * 2**30,
        "cors_origins": (),
        "root_path": "",
        "forwarded_allow_ips": ("127.0.0.1", "::1"),
        "interim_responses": True,
        "link_keys": (),
        "direct_downloads": False,
        "log_format": "console",
        "metrics_token": None,
        "metrics_address": None,
    }


GOOD: list[tuple[str, str, Any]] = [
    ("MAX_FILE_SIZE", "1", 1),
    ("MAX_FILE_SIZE", "5GiB", 5 * 2**30),
    ("MAX_FILE_SIZE", "5GB", 5 * 10**9),
    ("MAX_FILE_SIZE", "5G", 5 * 10**9),
    ("MAX_FILE_SIZE", "500 MB", 500 * 10**6),
    ("MAX_FILE_SIZE", "1kib", 1024),
    ("MAX_FILE_SIZE", "7B", 7),
    ("MAX_FILE_SIZE", " 1TiB ", 2**40),
    ("MAX_FILE_SIZE", "48PiB", 48 * 2**50),
    ("MAX_FILE_SIZE", "", None),
    ("MIN_RATE", "0", 0),
    ("SPOOL_LIMIT", "0", 0),
    ("MEMORY_BUDGET", "16MiB", 16 * 2**20),
    ("UPLOAD_EXPIRY", "7d", timedelta(days=7)),
    ("UPLOAD_EXPIRY", "12h", timedelta(hours=12)),
    ("UPLOAD_EXPIRY", "30 m", timedelta(minutes=30)),
    ("IDLE_TIMEOUT", "90", timedelta(seconds=90)),
    ("IDLE_TIMEOUT", "90S", timedelta(seconds=90)),
    ("IDLE_TIMEOUT", "", timedelta(seconds=60)),
    ("PORT", "1", 1),
    ("PORT", "65535", 65535),
    ("PORT", "", 8080),
    ("HOST", "::1", "::1"),
    ("DATA_DIR", "/srv/files", Path("/srv/files")),
    ("BUCKET", "acme", "acme"),
    ("BUCKET", "", None),
    ("CORS_ORIGINS", "", ()),
    ("CORS_ORIGINS", "*", ("*",)),
    ("CORS_ORIGINS", " https://a.example ", ("https://a.example",)),
    (
        "CORS_ORIGINS",
        "https://a.example,http://localhost:3000, http://[::1]:8080,capacitor://localhost",
        (
            "https://a.example",
            "http://localhost:3000",
            "http://[::1]:8080",
            "capacitor://localhost",
        ),
    ),
    ("ROOT_PATH", "", ""),
    ("ROOT_PATH", "/files", "/files"),
    ("ROOT_PATH", "/team/caf%C3%A9.v1~_-@", "/team/caf%C3%A9.v1~_-@"),
    ("ROOT_PATH", "/api/uploader", "/api/uploader"),
    ("ROOT_PATH", "/healthy", "/healthy"),
    ("FORWARDED_ALLOW_IPS", "", ()),
    ("FORWARDED_ALLOW_IPS", "*", ("*",)),
    ("FORWARDED_ALLOW_IPS", "10.0.0.5, 10.1.0.0/16,::1", ("10.0.0.5", "10.1.0.0/16", "::1")),
    ("INTERIM_RESPONSES", "false", False),
    ("INTERIM_RESPONSES", "0", False),
    ("INTERIM_RESPONSES", "true", True),
    ("INTERIM_RESPONSES", "", True),
    ("LINK_KEYS", "", ()),
    ("DIRECT_DOWNLOADS", "true", True),
    ("LOG_FORMAT", "json", "json"),
    ("LOG_FORMAT", "", "console"),
    ("METRICS_TOKEN", "a1b2c3d4e5f6g7h8", SecretStr("a1b2c3d4e5f6g7h8")),
    ("METRICS_TOKEN", "", None),
    ("METRICS_ADDRESS", "127.0.0.1:9090", ("127.0.0.1", 9090)),
    ("METRICS_ADDRESS", "[::1]:9090", ("::1", 9090)),
    ("METRICS_ADDRESS", "localhost:1", ("localhost", 1)),
    ("LINK_KEYS", "x" * 32, (SecretStr("x" * 32),)),
    ("LINK_KEYS", f" {'x' * 32} , {'y' * 99}", (SecretStr("x" * 32), SecretStr("y" * 99))),
    ("AWS_REGION", "ru-1", "ru-1"),
    ("AWS_DEFAULT_REGION", "ru-2", "ru-2"),
    ("AWS_ENDPOINT_URL_S3", "https://s3.example", "https://s3.example"),
    ("AWS_ENDPOINT_URL", "https://all.example", "https://all.example"),
]
FIELDS = {"AWS_DEFAULT_REGION": "aws_region", "AWS_ENDPOINT_URL": "aws_endpoint_url_s3"}


@pytest.mark.parametrize(("name", "value", "meant"), GOOD)
def test_good_values(monkeypatch: pytest.MonkeyPatch, name: str, value: str, meant: Any) -> None:
    found = loaded(monkeypatch, {name: value})
    assert getattr(found, FIELDS.get(name, name.lower())) == meant


BAD = [
    ("MAX_FILE_SIZE", "0"),
    ("MAX_FILE_SIZE", "-1"),
    ("MAX_FILE_SIZE", "big"),
    ("MAX_FILE_SIZE", "1.5GiB"),
    ("MAX_FILE_SIZE", "5XB"),
    ("MAX_FILE_SIZE", "5iB"),
    ("MAX_FILE_SIZE", "9" * 5000),
    ("MIN_RATE", "-1"),
    ("MEMORY_BUDGET", "1MiB"),
    ("MEMORY_BUDGET", "0"),
    ("SPOOL_LIMIT", "-1"),
    ("UPLOAD_EXPIRY", "0"),
    ("UPLOAD_EXPIRY", "0d"),
    ("UPLOAD_EXPIRY", "a week"),
    ("UPLOAD_EXPIRY", "1w"),
    ("UPLOAD_EXPIRY", "-1d"),
    ("IDLE_TIMEOUT", "0"),
    ("IDLE_TIMEOUT", "0s"),
    ("IDLE_TIMEOUT", "99999999999999d"),
    ("IDLE_TIMEOUT", "1.5s"),
    ("PORT", "0"),
    ("PORT", "65536"),
    ("PORT", "http"),
    ("PORT", "80.5"),
    ("WEB_CONCURRENCY", "0"),
    ("WEB_CONCURRENCY", "many"),
    ("CONTAINER_BUCKET", "acme-{container}"),
    ("ROOT_PATH", "files"),
    ("ROOT_PATH", "/"),
    ("ROOT_PATH", "/files/"),
    ("ROOT_PATH", "//files"),
    ("ROOT_PATH", "/a//b"),
    ("ROOT_PATH", "/a/../b"),
    ("ROOT_PATH", "/a b"),
    ("ROOT_PATH", "/a?b"),
    ("ROOT_PATH", "https://a.example/files"),
    ("ROOT_PATH", "/api"),
    ("ROOT_PATH", "/api/files"),
    ("ROOT_PATH", "/health"),
    ("FORWARDED_ALLOW_IPS", "proxy.example"),
    ("FORWARDED_ALLOW_IPS", "10.0.0.5/8"),
    ("CORS_ORIGINS", "a.example"),
    ("CORS_ORIGINS", "https://a.example/"),
    ("CORS_ORIGINS", "https://a.example/path"),
    ("CORS_ORIGINS", "https://A.example"),
    ("CORS_ORIGINS", "https://a.example:443"),
    ("CORS_ORIGINS", "http://a.example:80"),
    ("CORS_ORIGINS", "https://a.example:"),
    ("CORS_ORIGINS", "https://user@a.example"),
    ("CORS_ORIGINS", "https://*.example"),
    ("CORS_ORIGINS", "https://a.example,*"),
    ("CORS_ORIGINS", "https://a.example,"),
    ("CORS_ORIGINS", "https://a.example https://b.example"),
    ("CORS_ORIGINS", "null"),
    ("INTERIM_RESPONSES", "maybe"),
    ("LOG_FORMAT", "xml"),
    ("METRICS_TOKEN", "x" * 15),
    ("METRICS_TOKEN", "x" * 15 + " y"),
    ("METRICS_TOKEN", "x" * 16 + "\u00e9"),
    ("METRICS_ADDRESS", "9090"),
    ("METRICS_ADDRESS", ":9090"),
    ("METRICS_ADDRESS", "127.0.0.1"),
    ("METRICS_ADDRESS", "127.0.0.1:0"),
    ("METRICS_ADDRESS", "127.0.0.1:65536"),
    ("METRICS_ADDRESS", "::1:9090"),
    ("LINK_KEYS", "x" * 31),
    ("LINK_KEYS", f"{'x' * 32},"),
    ("LINK_KEYS", f"{'x' * 32},{'y' * 31}"),
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=lambda value: value[:20])
@pytest.mark.parametrize("source", ["environment", ".env"])
def test_bad_values_stop_the_start_with_a_line_that_names_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, source: str
) -> None:
    if source == ".env":
        (tmp_path / ".env").write_text(f"{name}={value}\n")
    else:
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as error:
        load_settings()
    message = str(error.value)
    assert message.startswith(name)
    assert "\n" not in message
    assert len(message) < 250


@pytest.mark.parametrize(
    "pattern",
    [
        "acme",
        "{container}-{container}",
        "Acme-{container}",
        "acme_{container}",
        "{container}-",
        "-{container}",
        "{client}",
        "a" * 32 + "{container}",
    ],
)
def test_bad_bucket_patterns(monkeypatch: pytest.MonkeyPatch, pattern: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^CONTAINER_BUCKET "):
        loaded(monkeypatch, {"BUCKET": "acme", "CONTAINER_BUCKET": pattern})


@pytest.mark.parametrize("pattern", ["acme-{container}", "{container}", "a" * 31 + "{container}"])
def test_good_bucket_patterns(monkeypatch: pytest.MonkeyPatch, pattern: str) -> None:
    found = loaded(monkeypatch, {"BUCKET": "acme", "CONTAINER_BUCKET": pattern})
    assert found.container_bucket == pattern


@pytest.mark.parametrize("alone", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_a_key_pair(monkeypatch: pytest.MonkeyPatch, alone: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        loaded(monkeypatch, {alone: SECRET})
    assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in str(error.value)
    assert SECRET not in str(error.value)


def test_several_bad_ones_are_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError) as error:
        loaded(monkeypatch, {"PORT": "x", "MAX_FILE_SIZE": "y", "UPLOAD_EXPIRY": "z"})
    message = str(error.value)
    assert all(name in message for name in ("PORT", "MAX_FILE_SIZE", "UPLOAD_EXPIRY"))
    assert "\n" not in message


@pytest.mark.parametrize(
    "bad", [{}, {"PORT": SECRET}, {"MAX_FILE_SIZE": SECRET}, {"LINK_KEYS": SECRET}]
)
def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch, bad: dict[str, str]) -> None:
    """Nor is what somebody put into the wrong line."""
    keys = {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": SECRET,
        "LINK_KEYS": SECRET * 2,
    }
    if bad:
        with pytest.raises(ConfigurationError) as error:
            loaded(monkeypatch, {**keys, **bad})
        assert SECRET not in repr(error.value)
        assert SECRET not in str(error.value)
        assert error.value.__cause__ is None
        assert error.value.__suppress_context__
        return
    found = loaded(monkeypatch, keys)
    assert found.aws_secret_access_key is not None
    assert found.aws_secret_access_key.get_secret_value() == SECRET
    for text in (repr(found), str(found), str(found.model_dump()), found.model_dump_json()):
        assert SECRET not in text


def test_a_password_in_an_endpoint_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    found = loaded(monkeypatch, {"AWS_ENDPOINT_URL_S3": f"http://me:{SECRET}@127.0.0.1:1"})
    assert found.shown() == {"AWS_ENDPOINT_URL_S3": "http://***@127.0.0.1:1"}


def test_the_environment_beats_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BUCKET=file\nPORT=1\nHOST=\nUNKNOWN=x\n")
    found = loaded(monkeypatch, {"BUCKET": "environment"})
    assert (found.bucket, found.port, found.host) == ("environment", 1, "0.0.0.0")


def test_an_empty_variable_overrides_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("BUCKET=file\n")
    assert loaded(monkeypatch, {"BUCKET": ""}).bucket is None


@pytest.mark.parametrize(
    ("specific", "general", "field"),
    [
        ("AWS_REGION", "AWS_DEFAULT_REGION", "aws_region"),
        ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "aws_endpoint_url_s3"),
    ],
)
def test_the_more_specific_name_wins(
    monkeypatch: pytest.MonkeyPatch, specific: str, general: str, field: str
) -> None:
    assert getattr(loaded(monkeypatch, {specific: "s", general: "g"}), field) == "s"


def test_they_cannot_be_changed_later() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().port = 1


def test_an_env_file_in_another_encoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes("BUCKET=bücket".encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"\.env has to be UTF-8"):
        load_settings()

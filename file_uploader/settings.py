"""The only reader of the environment and of ``.env``.

Sizes are written as ``5GiB`` or ``5GB`` (or a number of bytes), times as ``7d``, ``12h``, ``30m``,
``60s`` (or a number of seconds). Empty means unset.
"""

import os
import re
import tempfile
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, NamedTuple, Self

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from . import root_path
from .errors import ConfigurationError

_SIZE = re.compile(r"(\d{1,20})\s*(?:([KMGTP])(i)?)?B?", re.IGNORECASE)
_DURATION = re.compile(r"(\d{1,15})\s*(s|m|h|d)?", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_ORIGIN = re.compile(
    r"[a-z][a-z0-9+.-]*://(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::(?!0)\d{1,5})?", re.ASCII
)
_DEFAULT_PORT = re.compile(r"http:.*:80|https:.*:443")
_LEAST_KEY = 32
_LEAST_TOKEN = 16
# RFC 6750, 2.1.
_BEARER = re.compile(rf"[A-Za-z0-9._~+/-]{{{_LEAST_TOKEN},}}=*", re.ASCII)
_ADDRESS = re.compile(
    r"(?P<host>[a-z0-9_.-]+|\[[0-9a-f:.]+\]):(?P<port>[1-9]\d{0,4})", re.IGNORECASE | re.ASCII
)
_LAST_PORT = 65_535
_USER = re.compile(r"(?<=//)[^/@]*@")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def parse_size(text: str) -> int:
    """A size in bytes. Raises `ValueError`, which says how to write one."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("write a size as 5GiB, 500MB or a number of bytes")
    number, unit, binary = match.groups()
    base = 1024 if binary else 1000
    return int(number) * (base ** (" KMGTP".index(unit.upper())) if unit else 1)


class LogFormat(StrEnum):
    """How log lines look: for people, or a JSON object each."""

    CONSOLE = "console"
    JSON = "json"


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        """As it is written in settings, and for gunicorn."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError("write a time as 7d, 12h, 30m, 60s or a number of seconds")
    number, unit = match.groups()
    try:
        return timedelta(seconds=int(number) * _SECONDS[(unit or "s").lower()])
    except OverflowError:
        raise ValueError("that is too long a time") from None


def _listed(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(","))


def _link_keys(text: str) -> tuple[SecretStr, ...]:
    keys = _listed(text)
    if any(len(key) < _LEAST_KEY for key in keys):
        raise ValueError(
            f"write one secret, or several separated by commas, of at least {_LEAST_KEY} characters"
            " each, for example from `openssl rand -hex 32`"
        )
    return tuple(SecretStr(key) for key in keys)


def _origins(text: str) -> tuple[str, ...]:
    origins = _listed(text)
    if origins == ("*",):
        return origins
    for origin in origins:
        if not _ORIGIN.fullmatch(origin) or _DEFAULT_PORT.fullmatch(origin):
            raise ValueError(
                "write origins as browsers send them, separated by commas, for example"
                " https://app.example.com,http://localhost:3000 (lower case, no path, no default"
                " port), or * for all"
            )
    return origins


def _root_path(text: str) -> str:
    if text and root_path.is_own(root_path.check(text)):
        raise ValueError("the service has paths of its own that begin like this; choose another")
    return text


def _trusted(text: str) -> tuple[str, ...]:
    addresses = tuple(filter(None, _listed(text)))
    for each in addresses:
        try:
            if each != "*":
                ip_network(each)
        except ValueError:
            raise ValueError(
                "write addresses and networks, separated by commas, for example"
                " 10.0.0.5,10.1.0.0/16, or * for all"
            ) from None
    return addresses


def _metrics_token(text: str) -> SecretStr:
    if not _BEARER.fullmatch(text):
        raise ValueError(
            f"write a secret of at least {_LEAST_TOKEN} letters and digits, for example from"
            " `openssl rand -hex 32`"
        )
    return SecretStr(text)


def _address(text: str) -> Address:
    match = _ADDRESS.fullmatch(text.strip())
    if match is None or int(match["port"]) > _LAST_PORT:
        raise ValueError("write an address and a port, as 127.0.0.1:9090 or [::1]:9090")
    return Address(match["host"].strip("[]"), int(match["port"]))


def _read(parse: Callable[[str], object]) -> BeforeValidator:
    """Have a setting that is written read; one that is given by a program is what it is."""
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


Size = Annotated[int, _read(parse_size)]
Duration = Annotated[timedelta, _read(_duration)]


class Settings(BaseSettings):
    """Every setting of the service; ``docs/configuration.md`` tells what each means."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    bucket: str | None = None
    container_bucket: str | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None
    aws_session_token: SecretStr | None = None
    aws_region: str | None = Field(
        default=None, validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION")
    )
    aws_endpoint_url_s3: str | None = Field(
        default=None, validation_alias=AliasChoices("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    )
    aws_profile: str | None = None
    data_dir: Path = Path("data")
    host: str = "0.0.0.0"  # noqa: S104 (a server's default)
    port: int = Field(default=8080, ge=1, le=65535)
    web_concurrency: int = Field(default_factory=lambda: len(os.sched_getaffinity(0)), ge=1)
    max_file_size: Size | None = Field(default=None, ge=1)
    upload_expiry: Duration = Field(default=timedelta(days=7), gt=timedelta(0))
    idle_timeout: Duration = Field(default=timedelta(seconds=60), gt=timedelta(0))
    min_rate: Size = Field(default=1024, ge=0)
    memory_budget: Size = Field(default=256 * 2**20, ge=16 * 2**20)
    spool_dir: Path = Field(default_factory=lambda: Path(tempfile.gettempdir()))
    spool_limit: Size = Field(default=4 * 2**30, ge=0)
    cors_origins: Annotated[tuple[str, ...], NoDecode, _read(_origins)] = ()
    root_path: Annotated[str, _read(_root_path)] = ""
    forwarded_allow_ips: Annotated[tuple[str, ...], NoDecode, _read(_trusted)] = (
        "127.0.0.1",
        "::1",
    )
    interim_responses: bool = True
    link_keys: Annotated[tuple[SecretStr, ...], NoDecode, _read(_link_keys)] = ()
    direct_downloads: bool = False
    log_format: LogFormat = LogFormat.CONSOLE
    metrics_token: Annotated[SecretStr, _read(_metrics_token)] | None = None
    metrics_address: Annotated[Address | None, NoDecode, _read(_address)] = None

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, values: dict[str, object]) -> dict[str, object]:
        # After the sources are merged, so that an empty variable overrides one in .env. As of
        # gunicorn, of which that setting is, nobody is trusted where it is empty.
        return {
            name: value
            for name, value in values.items()
            if value != "" or name == "forwarded_allow_ips"
        }

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.container_bucket is not None:
            if self.bucket is None:
                raise ValueError("CONTAINER_BUCKET needs BUCKET as well")
            sample = self.container_bucket.replace("{container}", "0" * 32)
            if self.container_bucket.count("{container}") != 1 or not _BUCKET.fullmatch(sample):
                raise ValueError(
                    "CONTAINER_BUCKET has to be a bucket name (at most 63 characters) with"
                    " {container} in it once, for example acme-{container}"
                )
        if (self.aws_access_key_id is None) != (self.aws_secret_access_key is None):
            raise ValueError("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together")
        return self

    def shown(self) -> dict[str, str]:
        """What was set, by name, as a log may show it: secrets are hidden, also those in a URL."""
        values = {name: getattr(self, name) for name in sorted(self.model_fields_set)}
        values.update(dict.fromkeys({"aws_access_key_id"} & values.keys(), "***"))
        return {name.upper(): _USER.sub("***@", str(value)) for name, value in values.items()}


def load_settings() -> Settings:
    """Read the settings. Raises `ConfigurationError`, one line that names what is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        raise ConfigurationError("; ".join(map(_explain, error.errors()))) from None
    except UnicodeDecodeError:
        raise ConfigurationError(".env has to be UTF-8") from None


def _explain(problem: ErrorDetails) -> str:
    """One setting's problem in words that name it, and never its value: it may be a secret."""
    name = "_".join(str(part) for part in problem["loc"]).upper()
    message = problem["msg"].removeprefix("Value error, ")
    return f"{name}: {message}" if name else message

"""What the S3 store has to be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Config:
    """Where the bucket is, how to get in, and how much of this process an upload may use.

    ``container_bucket`` is a pattern such as ``acme-{container}``: then each container has a
    bucket of its own, made when first needed. What is None in the access fields is left to the
    standard AWS credential chain. ``memory_budget`` and ``spool_limit`` are bytes per process.
    """

    bucket: str
    container_bucket: str | None = None
    endpoint_url: str | None = None
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    profile: str | None = None
    memory_budget: int = 256 * MIB
    spool_dir: Path = Path("/tmp")  # noqa: S108 - the settings say which; the file has no name
    spool_limit: int = 4096 * MIB
    upload_expiry: timedelta = timedelta(days=7)

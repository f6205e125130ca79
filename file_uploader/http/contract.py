"""The contract of this API as machines read it: OpenAPI 3.1, written in YAML and sent as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import yaml

from .fixed import Fixed

WRITTEN = Path(__file__).parent / "openapi.yaml"
"""The one place where it is written down."""


def _as_json() -> tuple[bytes, Mapping[str, str]]:
    # The parser in C: the one in Python takes seconds.
    contract = yaml.load(WRITTEN.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return json.dumps(contract, separators=(",", ":")).encode(), {}


SENT = Fixed("application/json", _as_json)
"""The contract as it is sent."""

"""The contract of this API as machines read it: OpenAPI 3.1, written in YAML and sent as JSON."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import yaml

from .fixed import Fixed

WRITTEN = Path(__file__).parent / "openapi.yaml"
"""The one place where it is written down."""


@cache
def sent() -> Fixed:
    """The contract as it is sent; read from its file once in a process."""
    # The parser in C: the one in Python takes seconds.
    contract = yaml.load(WRITTEN.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return Fixed(json.dumps(contract, separators=(",", ":")).encode(), "application/json")

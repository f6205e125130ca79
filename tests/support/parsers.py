"""gunicorn's two parsers: which one serves depends on whether the one in C could be built."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

import pytest

PARSERS = ("fast", "python")


def settings_for(parser: str) -> Mapping[str, str]:
    """What makes the service use this one. Skips where it is not installed."""
    if parser == "fast" and importlib.util.find_spec("gunicorn_h1c") is None:
        pytest.skip("needs gunicorn_h1c: pip install file-uploader[fast]")
    return {"GUNICORN_CMD_ARGS": f"--http-parser {parser}"}

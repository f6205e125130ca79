"""What a command says, and when."""

from __future__ import annotations

import io
from argparse import Namespace

import pytest

from file_uploader.cli.support.report import Report
from file_uploader.storage.upkeep import Flaw


def test_a_finding_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also to a program that reads it, where Python gathers what is printed."""
    pipe = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(pipe))
    Report(Namespace(json=False)).tell(Flaw("it is damaged"))
    assert pipe.getvalue() == b"it is damaged\n"

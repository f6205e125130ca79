"""The command ``file-uploader``."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from file_uploader.cli import main
from tests.unit.http.conftest import ALICE, BOB
from tests.unit.http.test_auth import BAD

CONTAINER = "4d80cdde7d3b31742852a736230fe37e"
"""BLAKE2b of ALICE's 16 bytes, worked out once: changing the mapping loses everybody's files."""


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A command sets up the package's log for its process, which here is that of all tests."""
    log = logging.getLogger("file_uploader")
    handlers, level = list(log.handlers), log.level
    yield
    log.handlers[:] = handlers
    log.setLevel(level)


@pytest.mark.parametrize("token", [ALICE, ALICE.upper()])
def test_it_prints_the_container(capsys: pytest.CaptureFixture[str], token: str) -> None:
    assert main(["container", token]) == 0
    assert capsys.readouterr() == (f"{CONTAINER}\n", "")


def test_another_token_is_another_container(capsys: pytest.CaptureFixture[str]) -> None:
    main(["container", BOB])
    printed = capsys.readouterr().out.strip()
    assert len(printed) == 32
    assert printed != CONTAINER


@pytest.mark.parametrize("token", BAD.values(), ids=BAD)
def test_a_bad_token_is_refused_in_a_line_without_it(
    capsys: pytest.CaptureFixture[str], token: str
) -> None:
    assert main(["container", token]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("file-uploader: X-Auth-Token ")
    assert err.count("\n") == 1
    assert len(token) < 30 or token not in err


@pytest.mark.parametrize(
    "arguments",
    [[], ["container"], ["container", ALICE, "more"], ["nothing"], ["container", ALICE, "--x"]],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: file-uploader" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["none", "0"])
def test_serve_with_a_bad_setting_says_so_in_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", value)
    assert main(["serve"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("file-uploader: WEB_CONCURRENCY: ")
    assert err.count("\n") == 1

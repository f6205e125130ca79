"""``serve``: what it says of itself, and what gunicorn gets."""

from __future__ import annotations

import re
from pathlib import Path

from file_uploader.settings import Settings
from tests.support.command import command


def test_its_help_tells_the_defaults_of_the_settings(tmp_path: Path) -> None:
    done = command("serve", "--help", settings={"PORT": "9000"}, cwd=tmp_path)
    told = dict(re.findall(r"^  ([A-Z_]+) .*\((.*)\)$", done.out, re.MULTILINE))
    by_hand = {"WEB_CONCURRENCY": "the number of cores", "BUCKET": "unset"}
    defaults = {name: str(Settings.model_fields[name.lower()].default) for name in told}
    assert told == {**defaults, **by_hand}
    assert {"HOST", "PORT"} <= told.keys()


def test_all_options_are_gunicorns(tmp_path: Path) -> None:
    """Those that the help names, and others; they win over settings."""
    done = command(
        *("serve", "--print-config", "-w", "3", "-b", "127.0.0.1:1", "-b", "[::1]:2"),
        *("--certfile=a", "--keyfile", "b", "--reload", "--max-requests", "4"),
        settings={"WEB_CONCURRENCY": "7", "PORT": "8"},
        cwd=tmp_path,
    )
    assert (done.status, done.err) == (0, "")
    found = dict(re.findall(r"^(\w+) += (.*)$", done.out, re.MULTILINE))
    expected = {
        "workers": "3",
        "bind": "['127.0.0.1:1', '[::1]:2']",
        "certfile": "a",
        "keyfile": "b",
        "reload": "True",
        "max_requests": "4",
    }
    assert {name: found[name] for name in expected} == expected

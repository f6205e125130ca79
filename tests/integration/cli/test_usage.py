"""``usage``: what clients have, counted."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

import pytest

from file_uploader.model.names import Container
from tests.contract.stores import Place
from tests.integration.cli.filling import FILES, filled
from tests.support.command import RunsHere, command
from tests.support.files import put

SIZE = sum(FILES.values())


async def test_it_counts_everything_and_one(place: Place, tmp_path: Path) -> None:
    owners = await filled(place)
    token = uuid4()
    owner = Container.of(token)
    await put(await place.open(), owner, "file", b"12345")
    everybody = sorted([*owners, owner], key=lambda each: each.name)
    done = command("usage", "--json", settings=place.settings, cwd=tmp_path)
    assert (done.status, done.err) == (0, "")
    counts = dict.fromkeys(owners, (6, SIZE)) | {owner: (1, 5)}
    expected = [
        {"container": each.name, "files": counts[each][0], "bytes": counts[each][1]}
        for each in everybody
    ]
    counted = {"files": 13, "bytes": 2 * SIZE + 5, "failed": 0}
    assert done.json == [{"containers": expected, **counted}]
    done = command("usage", settings=place.settings, cwd=tmp_path)
    lines = [line.split() for line in done.out.splitlines()]
    assert [line[0] for line in lines] == [*(each.name for each in everybody), "total"]
    assert lines[-1][1:] == ["13", "files", "18.6", "MiB"]
    done = command("usage", str(token), settings=place.settings, cwd=tmp_path)
    assert done.out.split() == [owner.name, "1", "files", "5", "B"]


@pytest.mark.parametrize("place", ["local"], indirect=True)
async def test_a_bad_token_is_refused_in_a_line(place: Place, tmp_path: Path) -> None:
    await place.open()
    done = command("usage", "nonsense", settings=place.settings, cwd=tmp_path)
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith("file-uploader: X-Auth-Token has to be a UUID")


@pytest.mark.parametrize(
    "arguments",
    [("usage",), ("sweep",), ("sweep", "--dry-run"), ("verify",), ("backup", "to")],
    ids=" ".join,
)
async def test_where_there_is_no_store_none_is_made(
    tmp_path: Path, arguments: tuple[str, ...], here: RunsHere
) -> None:
    done = await here({})(*arguments)
    assert (done.status, done.out) == (3, "")
    assert done.err == f"file-uploader: DATA_DIR: there is no store in {tmp_path / 'data'}.\n"
    assert _in(tmp_path) == []


def _in(directory: Path) -> list[Path]:
    return list(directory.iterdir())


def test_who_does_not_own_the_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    try:
        os.chown(tmp_path / "data", 12345, 12345)
    except PermissionError:
        pytest.skip("needs root")
    done = command("usage", settings={}, cwd=tmp_path)
    assert (done.status, done.out) == (3, "")
    assert done.err.startswith("file-uploader: DATA_DIR: it belongs to the user with id 12345;")
    assert _in(tmp_path / "data") == []


async def test_a_setting_that_cannot_work_is_named_in_a_line(here: RunsHere) -> None:
    for settings, name in (
        ({"UPLOAD_EXPIRY": "soon"}, "UPLOAD_EXPIRY"),
        ({"CONTAINER_BUCKET": "x"}, "CONTAINER_BUCKET"),
    ):
        done = await here(settings)("verify")
        assert (done.status, done.out, done.err.count("\n")) == (3, "", 1)
        assert name in done.err


def test_an_object_store_that_is_not_there_is_told_in_a_line(tmp_path: Path) -> None:
    settings = {
        "BUCKET": "bucket",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
    }
    done = command("usage", settings=settings, cwd=tmp_path)
    assert (done.status, done.out, done.err.count("\n")) == (3, "", 1), done.err
    assert done.err.startswith("file-uploader: ")

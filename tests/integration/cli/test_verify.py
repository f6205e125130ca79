"""``verify`` finds what is not what was stored, and nothing else."""

from __future__ import annotations

import json
import signal
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import apsw
import pytest

from tests.contract.stores import LocalPlace, Place
from tests.integration.cli.filling import FILES, filled
from tests.support.bodies import KIB, MIB, content
from tests.support.command import RunsHere, command, started
from tests.support.files import new_container, put
from tests.support.rot import flip
from tests.support.waiting import until

DIFFERENT = "its bytes are not those that were stored"
IN_ALL = 2 * sum(FILES.values())

local = pytest.mark.parametrize("place", ["local"], indirect=True)


async def test_all_is_well(place: Place, tmp_path: Path) -> None:
    await filled(place)
    done = command("verify", settings=place.settings, cwd=tmp_path)
    assert (done.status, done.err) == (0, "")
    assert done.out == "12 files, 18.6 MiB: 0 wrong, 0 that nothing proves\n"
    done = command("verify", "--json", settings=place.settings, cwd=tmp_path)
    counts = {
        "files": 12,
        "bytes": IN_ALL,
        "wrong": 0,
        "unproven": 0,
        "harmless": 0,
        "left_over": {},
    }
    assert (done.status, done.json) == (0, [counts])


async def test_one_flipped_bit_is_found_and_named(place: Place, here: RunsHere) -> None:
    """Of a file of each size, and in none of those of the other client."""
    run = here(place.settings)
    owners = await filled(place)
    names = [name for name, size in FILES.items() if size]
    for name in names:
        flip(place, owners[1], name)
    done = await run("verify", "--json")
    assert (done.status, done.err) == (1, "")
    *found, summary = done.json
    whose = owners[1].name
    assert sorted(found, key=lambda each: names.index(each["file"])) == [
        {"container": whose, "file": name, "wrong": DIFFERENT} for name in names
    ]
    counts = (summary["files"], summary["bytes"], summary["wrong"])
    assert counts == (len(FILES) * 2, IN_ALL, len(names))
    told = await run("verify")
    assert told.status == 1
    lines = [f"{whose} {quote(name)}: {DIFFERENT}" for name in names]
    assert sorted(told.out.splitlines()[: len(names)]) == sorted(lines)


@local
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("size = size + 1", DIFFERENT),
        (
            """metadata = replace(metadata, '"custom"', '"cache_control": "\\r\\n", "custom"')""",
            "HTTP cannot carry",
        ),
    ],
)
async def test_what_cannot_be_downloaded_is_named(
    place: LocalPlace, damage: str, said: str, here: RunsHere
) -> None:
    run = here(place.settings)
    [owner, _] = await filled(place)
    with closing(apsw.Connection(str(place.directory / "index.db"))) as index:
        index.execute(
            f"UPDATE files SET {damage} WHERE name = 'b' AND container = ?",
            (bytes.fromhex(owner.name),),
        )
    done = await run("verify", "--json")
    *found, summary = done.json
    assert (done.status, summary["wrong"]) == (1, 1)
    [named] = found
    assert (named["container"], named["file"]) == (owner.name, "b")
    assert said in named["wrong"]


@local
async def test_lost_and_cut_contents_are_found(place: LocalPlace, here: RunsHere) -> None:
    run = here(place.settings)
    [owner, _] = await filled(place)
    with closing(apsw.Connection(str(place.directory / "index.db"))) as index:
        sql = "SELECT name, blob FROM files WHERE container = ? AND blob IS NOT NULL ORDER BY name"
        cursor = index.execute(sql, (bytes.fromhex(owner.name),))
        rows = {str(name): str(blob) for name, blob in cursor}
        [(upload, its_blob)] = index.execute("SELECT id, blob FROM uploads")
        index.execute("UPDATE files SET content = 1000000 WHERE name = 'b'")
        index.execute("DELETE FROM contents WHERE id = (SELECT min(id) FROM contents)")
    path_of(place, rows["f"]).unlink()
    cut = path_of(place, rows["large\u009b"])
    cut.write_bytes(cut.read_bytes()[:-1])
    path_of(place, its_blob).write_bytes(b"")
    done = await run("verify", "--json")
    assert done.status == 1
    *found, summary = done.json
    lines = [{**each} for each in found]
    for expected in (
        {
            "container": owner.name,
            "file": "f",
            "wrong": "The stored content of this file is missing.",
        },
        {
            "container": owner.name,
            "file": "large\u009b",
            "wrong": "The stored content of this file is damaged.",
        },
        {"container": owner.name, "upload": upload, "wrong": "a part of what had arrived is lost"},
    ):
        assert expected in lines
    assert {each["file"] for each in found if "index" in each.get("wrong", "")} >= {"b"}
    assert summary["wrong"] == len([each for each in found if "wrong" in each])


@local
async def test_what_crashes_left_is_no_damage(place: LocalPlace, here: RunsHere) -> None:
    run = here(place.settings)
    await filled(place)
    left = place.directory / "blobs" / "ab" / f"ab{'0' * 14}-{'0' * 16}"
    left.write_bytes(bytes(3 * KIB))
    done = await run("verify")
    assert done.status == 0
    assert done.out.splitlines()[1:] == ["a sweep would remove 1 unfinished (3.0 KiB)"]
    assert left.exists()


@local
async def test_a_damaged_index_is_found(place: LocalPlace, here: RunsHere) -> None:
    run = here(place.settings)
    await filled(place)
    await place.close()
    index = place.directory / "index.db"
    with closing(apsw.Connection(str(index))) as connection:
        connection.pragma("writable_schema", True)
        sql = "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE"
        connection.execute(f"{sql} name = 'uploads_by_blob') WHERE name = 'files_by_blob'")
    done = await run("verify", "--json")
    assert done.status == 1, done
    assert all(each["wrong"].startswith("the index: ") for each in done.json[:-1])
    assert done.json[-1].get("wrong") == len(done.json) - 1 > 0


@local
async def test_an_index_that_cannot_be_read_is_told(place: LocalPlace, here: RunsHere) -> None:
    run = here(place.settings)
    store, owner = await place.open(), new_container()
    for number in range(600):
        await put(store, owner, f"{number:060}", b"1")
    await place.close()
    spoil(place.directory / "index.db")
    done = await run("verify", "--json")
    assert done.status == 1, done
    assert done.json[0]["wrong"].startswith("the index: ")
    assert "Traceback" not in done.err


async def test_it_goes_on_where_it_was_killed(place: Place, tmp_path: Path) -> None:
    store = await place.open()
    owner = new_container()
    for number in range(40):
        await put(store, owner, f"{number:02}", content(256 * KIB, number))
    flip(place, owner, "01")
    flip(place, owner, "38")
    state = tmp_path / "state"
    arguments = ("verify", "--json", "--rate", "1MiB", "--state", state)
    killed = started(arguments, settings=place.settings, cwd=tmp_path)
    until(
        lambda: state.exists() and json.loads(state.read_text())["files"] > 4,
        "it is on its way",
        60,
    )
    killed.kill()
    killed.communicate()
    before = json.loads(state.read_text())
    assert 4 < before["files"] < 40
    done = command("verify", "--json", "--state", state, settings=place.settings, cwd=tmp_path)
    *found, summary = done.json
    assert [each["file"] for each in found] == ["38"]
    assert (done.status, summary["wrong"], summary["files"]) == (1, 2, 40)
    assert summary["bytes"] == 10 * MIB
    assert not state.exists()


@local
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_can_be_interrupted(place: Place, tmp_path: Path, number: int) -> None:
    store, owner, state = await place.open(), new_container(), tmp_path / "state"
    for each in range(20):
        await put(store, owner, f"{each:02}", content(256 * KIB, each))
    arguments = ("verify", "--rate", "1MiB", "--state", state)
    process = started(arguments, settings=place.settings, cwd=tmp_path)
    until(state.exists, "it is on its way", 60)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (128 + number, "", "")
    assert 0 < json.loads(state.read_text())["files"] < 20


@local
async def test_it_keeps_to_the_rate(place: Place, tmp_path: Path) -> None:
    store, owner = await place.open(), new_container()
    for each in range(8):
        await put(store, owner, f"{each}", content(MIB, each))
    began = time.monotonic()
    done = command("verify", "--rate", "2MiB", settings=place.settings, cwd=tmp_path)
    assert done.status == 0
    assert 3.9 < time.monotonic() - began < 15


@local
async def test_a_state_of_another_store_is_refused(
    place: Place, tmp_path: Path, here: RunsHere
) -> None:
    run = here(place.settings)
    await filled(place)
    state = tmp_path / "state"
    for text, problem in (
        ("{", "is no state of a verification"),
        (json.dumps({"store": "s3://other", "place": None}), "is of another store: s3://other"),
    ):
        state.write_text(text)
        done = await run("verify", "--state", state)
        assert (done.status, done.out) == (3, "")
        assert done.err == f"file-uploader: {state} {problem}.\n"


@local
async def test_progress_is_shown_when_it_is_asked_for(place: Place, tmp_path: Path) -> None:
    await filled(place)
    done = command("verify", "--progress", settings=place.settings, cwd=tmp_path)
    assert "100%" in done.err
    assert "18.6M/18.6M" in done.err
    assert done.out.count("\n") == 1


def spoil(index: Path) -> None:
    """Overwrite every page but the first few."""
    data = bytearray(index.read_bytes())
    for start in range(10 * 4096, len(data), 4096):
        data[start : start + 4096] = b"\xff" * 4096
    index.write_bytes(data)


def path_of(place: LocalPlace, blob: object) -> Path:
    return place.directory / "blobs" / str(blob)[:2] / str(blob)

"""Uploads from the page: whole folders, and what goes on by itself when something breaks."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.integration.service.clients.proxy import Proxy
from tests.integration.service.clients.proxy import running as proxied
from tests.support.bodies import content
from tests.support.service import Backend, LocalBackend, Service, service, start, wait_ready
from tests.support.stored import begin, unfinished
from tests.system.browser.conftest import OpenPage
from tests.system.browser.page import UploaderPage, page_of
from tests.system.faults.small_disks import taken, tmpfs

MIB = 2**20
LARGE = 300 * MIB
RATE = 40 * MIB
"""Bytes a second that the browser may send, so that there is a middle."""
TWICE = LARGE // 10
"""Bytes that may be sent twice."""


@pytest.fixture
def page(running: Service, open_page: OpenPage) -> UploaderPage:
    return page_of(open_page(running.url), running)


def stored(port: int, token: str, name: str) -> str | None:
    """The SHA-256 of a stored file."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", f"/api/files/{name}", headers={"X-Auth-Token": token})
    answer = connection.getresponse()
    digest = hashlib.sha256()
    while chunk := answer.read(MIB):
        digest.update(chunk)
    connection.close()
    return digest.hexdigest() if answer.status == 200 else None


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def written(path: Path, size: int, seed: object = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for at in range(0, size, 32 * MIB):
            file.write(content(min(32 * MIB, size - at), f"{path.name}{seed}{at}"))
    return path


@pytest.mark.smoke
def test_files_and_a_folder_are_dropped(
    page: UploaderPage, running: Service, tmp_path: Path
) -> None:
    drop_files_and_a_folder(page, running.port, tmp_path)


def drop_files_and_a_folder(page: UploaderPage, port: int, directory: Path) -> None:
    """Make a token, drop three files and a folder of 50, find them listed, and read them back."""
    token = page.sign_up()
    assert str(uuid.UUID(token)) == token
    names = ["a.txt", "b c.html", "д.bin"]
    files = [written(directory / name, 30_000) for name in names]
    folder = directory / "folder"
    for number in range(50):
        written(folder / f"{number % 3}" / f"{number}.dat", 1000 * number)
    page.drop([*files, folder])
    page.expect_listed(*names, "folder/")
    expect(page.page.get_by_text("Upload complete")).to_be_visible(timeout=60_000)
    page.opener("folder/").click()
    page.opener("1/").click()
    page.expect_listed(*(f"{number}.dat" for number in range(1, 50, 3)))
    page.page.go_back()
    page.expect_listed("0/", "1/", "2/")
    for path in (*files, *folder.rglob("*.dat")):
        name = quote(str(path.relative_to(directory)))
        assert stored(port, token, name) == sha256(path), name


def test_a_folder_is_chosen_and_goes_where_one_is(
    page: UploaderPage, running: Service, tmp_path: Path
) -> None:
    token = page.sign_up()
    page.open("here/")
    files = [written(tmp_path / "folder" / name, 5000) for name in ("x", "y/z")]
    page.choose([tmp_path / "folder"], "browse folders")
    page.expect_listed("folder/")
    expect(page.page.get_by_text("Upload complete")).to_be_visible()
    for path in files:
        name = f"here/{path.relative_to(tmp_path)}"
        assert stored(running.port, token, name) == sha256(path)


def test_a_file_is_replaced_only_if_somebody_says_so(
    page: UploaderPage, running: Service, tmp_path: Path
) -> None:
    page.visit.expect("412")
    token = page.sign_up()
    one, other = tmp_path / "one", tmp_path / "other"
    old, kept = written(one / "a", 1000), written(one / "b", 1000)
    page.choose([old, kept])
    page.expect_listed("a", "b")
    page.button("Done").click()
    new, unwanted = written(other / "a", 2000, 1), written(other / "b", 2000, 1)
    page.choose([new])
    expect(page.page.get_by_text("Replace 1 that are there already?")).to_be_visible()
    assert stored(running.port, token, "a") == sha256(old)
    page.button("Replace").click()
    expect(page.row("a")).to_contain_text("1.95 kB")
    assert stored(running.port, token, "a") == sha256(new)
    page.button("Done").click()
    page.choose([unwanted])
    page.button("Keep what is there").click()
    expect(page.page.get_by_text("already?")).to_have_count(0)
    assert stored(running.port, token, "b") == sha256(kept)


def test_files_are_pasted(page: UploaderPage) -> None:
    page.sign_up()
    page.heading("Files").click()
    page.page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(["hello"], "pasted.txt", { type: "text/plain" }));
            const event = new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
            document.body.dispatchEvent(event);
        }"""
    )
    page.expect_listed("pasted.txt")


NAMES = ["large", "All together"]


def test_an_upload_is_paused_resumed_and_cancelled(
    page: UploaderPage, running: Service, tmp_path: Path
) -> None:
    page.throttle(RATE // 4)
    token = running.token = page.sign_up()
    large = written(tmp_path / "large", 60 * MIB)
    page.choose([large])
    page.wait_until_uploaded(20)
    moving = page.page.get_by_role("region", name="Under way").get_by_role("listitem")
    expect(moving).to_have_text([re.compile(rf"{name}.*MB/s, 0:\d\d left") for name in NAMES])
    page.button("Pause").click()
    expect(page.page.get_by_text("Upload paused")).to_be_visible()
    page.page.wait_for_timeout(1000)  # what was on its way
    before = page.uploaded()
    page.page.wait_for_timeout(1500)
    assert page.uploaded() == before
    page.throttle(0)
    page.button("Resume").click()
    page.expect_listed("large")
    assert stored(running.port, token, "large") == sha256(large)
    page.button("Done").click()
    page.throttle(RATE // 4)
    page.choose([written(tmp_path / "unwanted", 60 * MIB)])
    page.wait_until_uploaded(20)
    page.page.locator(".uppy-StatusBar").get_by_role("button", name="Cancel").click()
    expect(page.page.get_by_role("button", name=re.compile("browse files"))).to_be_visible()
    assert stored(running.port, token, "unwanted") is None
    page.visit.until(lambda: unfinished(running) == [], "the server has let go of it")
    page.page.reload()
    expect(page.page.get_by_text("1 shown")).to_be_visible()
    expect(page.heading("Unfinished uploads")).to_have_count(0)


def test_uploads_wait_for_room_and_go_on_by_themselves(
    log: Path, open_page: OpenPage, tmp_path: Path
) -> None:
    large, small = written(tmp_path / "large", 60 * MIB), written(tmp_path / "small", 3 * MIB)
    with (
        tmpfs(tmp_path / "disk", 200 * MIB) as disk,
        service(LocalBackend(disk / "data"), log) as running,
    ):
        page = page_of(open_page(running.url), running)
        page.visit.expect("507")
        token = page.sign_up()
        page.throttle(RATE // 4)
        page.choose([large])
        page.wait_until_uploaded(30)
        moving = page.page.get_by_role("region", name="Under way").get_by_role("listitem")
        with taken(disk):
            expect(page.page.get_by_text("The server has no room left.")).to_be_visible()
            page.drop([small])
            expect(page.page.get_by_text("Uploads that wait: 2.")).to_be_visible()
            waits = re.compile(r"^(large|All together, files: 0 of 2)Waiting for room, \S+ MB of")
            expect(moving).to_have_text([waits, waits])
            expect(page.page.get_by_text(re.compile("Next try in 0:0[1-5]"))).to_be_visible()
            expect(page.page.get_by_text(re.compile(" left$|MB/s"))).to_have_count(0)
            expect(page.page.locator(".uppy-StatusBar")).to_contain_text("Waiting for room")
        page.expect_listed("large", "small", seconds=40)
        expect(page.page.get_by_text("The server has no room left.")).to_have_count(0)
        for path in (large, small):
            assert stored(running.port, token, path.name) == sha256(path)


def go_offline(page: UploaderPage, _running: Service) -> None:
    page.visit.allow("net::ERR_")
    page.throttle(0, offline=True)
    page.page.wait_for_timeout(1000)
    before = page.uploaded()
    page.page.wait_for_timeout(4000)
    assert page.uploaded() == before
    page.throttle(RATE)


def reload(page: UploaderPage, _running: Service) -> None:
    page.visit.expect("dialog: beforeunload")
    page.page.reload()


BREAKS = {"network off": go_offline, "reload": reload}


BROKEN = [
    pytest.param("local", "network off"),
    pytest.param("local", "reload"),
    pytest.param("ceph", "server killed"),
    pytest.param("ceph", "network off", marks=pytest.mark.soak),
    pytest.param("ceph", "reload", marks=pytest.mark.soak),
    pytest.param("local", "server killed", marks=pytest.mark.soak),
]


@pytest.mark.smoke
@pytest.mark.parametrize(("backend", "broken"), BROKEN, indirect=["backend"])
def test_a_large_upload_ends_by_itself(
    backend: Backend, log: Path, open_page: OpenPage, tmp_path: Path, broken: str
) -> None:
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(service(backend, log, workers=2))
        with proxied(Proxy(target=lambda: running.port)) as proxy:
            page = UploaderPage(open_page(proxy.url), proxy.url)
            page.open()
            page.throttle(RATE)
            token = page.sign_up()
            large = written(tmp_path / "large.bin", LARGE)
            page.choose([large])
            page.wait_until_uploaded(50)
            if broken == "server killed":
                page.visit.allow("net::ERR_|502|Failed to load")
                running.kill()
                page.page.wait_for_timeout(1000)
                wait_ready(stack.enter_context(started_again(backend, log, running.port)))
            else:
                BREAKS[broken](page, running)
            page.expect_listed("large.bin", seconds=90)
            assert stored(running.port, token, "large.bin") == sha256(large)
            print(f"{broken} on {backend.name}: {(proxy.sent - LARGE) / MIB:.1f} MiB more sent")
            assert proxy.sent <= LARGE + TWICE


@contextlib.contextmanager
def started_again(backend: Backend, log: Path, port: int) -> Iterator[Service]:
    running = start(backend, log, workers=2, port=port)
    try:
        yield running
    finally:
        running.stop()


def test_an_upload_begun_elsewhere_goes_on_here_or_is_discarded(
    page: UploaderPage, running: Service, tmp_path: Path
) -> None:
    token = running.token = page.sign_up()
    large = written(tmp_path / "large.bin", 3 * MIB)
    data = large.read_bytes()
    for name in ("dir/large.bin", "dir/other.bin"):
        begin(running, name, data[:MIB], len(data))
    page.page.reload()
    expect(page.heading("Unfinished uploads")).to_be_visible()
    expect(page.page.get_by_text(re.compile("1 MB of 3 MB"))).to_have_count(2)

    def resume(name: str, file: Path) -> None:
        with page.page.expect_file_chooser() as chooser:
            page.button(f"Resume {name}").click()
        chooser.value.set_files(file)

    resume("dir/other.bin", large)
    expect(page.notices).to_contain_text("That is another file")
    resume("dir/large.bin", large)
    page.expect_listed("dir/")
    assert stored(running.port, token, "dir/large.bin") == sha256(large)
    page.button("Discard dir/other.bin").click()
    page.button("Discard", page.dialog).click()
    expect(page.heading("Unfinished uploads")).to_have_count(0)
    page.page.reload()
    page.expect_listed("dir/")
    expect(page.heading("Unfinished uploads")).to_have_count(0)


def test_another_token_gets_nothing_of_what_was_under_way(
    page: UploaderPage, tmp_path: Path
) -> None:
    page.throttle(RATE // 4)
    page.sign_up()
    page.choose([written(tmp_path / "large.bin", 60 * MIB)])
    page.wait_until_uploaded(20)
    page.forget()
    page.sign_up()
    page.page.wait_for_timeout(1000)
    page.page.reload()
    expect(page.page.get_by_text("Nothing is here yet")).to_be_visible()
    expect(page.page.get_by_role("button", name=re.compile("browse files"))).to_be_visible()
    expect(page.heading("Unfinished uploads")).to_have_count(0)

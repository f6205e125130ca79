"""Files on the page: finding, looking, sharing and deleting; and what hostile ones cannot do."""

from __future__ import annotations

import json
import re
import shlex
import struct
import subprocess
import wave
import zlib
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.service import Service
from tests.support.stored import TEXT, listed, put
from tests.system.browser.conftest import OpenPage
from tests.system.browser.page import UploaderPage, page_of


@pytest.fixture
def page(running: Service, open_page: OpenPage) -> UploaderPage:
    """The page, signed in."""
    page = page_of(open_page(running.url), running)
    page.sign_in(running.token)
    return page


def names_of(page: UploaderPage) -> list[str]:
    """What is in the list, from the top."""
    return [each.removeprefix("Open ") for each in _labels(page)]


def _labels(page: UploaderPage) -> list[str]:
    openers = page.page.get_by_role("button", name=re.compile("^Open "))
    return [str(one.get_attribute("aria-label")) for one in openers.all()]


def test_folders_search_and_order(page: UploaderPage, running: Service) -> None:
    sizes = {"a": 30, "b": 10, "c": 20}
    for name, size in sizes.items():  # one after the other, for their dates
        put(running, {f"{name}.txt": (TEXT, b"x" * size)})
        page.page.wait_for_timeout(1100)
    put(running, {"ab/1": (TEXT, b""), "ab/deep/2": (TEXT, b""), "Ä?#%/3": (TEXT, b"")})
    page.button("Reload the list").click()
    page.expect_listed("a.txt")
    assert names_of(page) == ["a.txt", "ab/", "b.txt", "c.txt", "Ä?#%/"]
    orders = {
        "Name": [["Ä?#%/", "c.txt", "b.txt", "ab/", "a.txt"]],
        "Size": [["ab/", "Ä?#%/", "b.txt", "c.txt", "a.txt"], ["a.txt", "c.txt", "b.txt"]],
        "Changed": [["ab/", "Ä?#%/", "a.txt", "b.txt", "c.txt"], ["c.txt", "b.txt", "a.txt"]],
    }
    for column, expected in orders.items():
        for names in expected:
            page.page.get_by_role("columnheader").get_by_role("button", name=column).click()
            expect(page.page.get_by_role("button", name=re.compile("^Open ")).first).to_have_text(
                names[0]
            )
            assert names_of(page)[: len(names)] == names
    page.button("Name").click()
    page.page.get_by_role("searchbox").fill("a")
    expect(page.page.get_by_text("2 shown")).to_be_visible()
    assert names_of(page) == ["a.txt", "ab/"]
    page.page.get_by_role("searchbox").fill("zz")
    expect(page.page.get_by_text("No name here begins with “zz”.")).to_be_visible()
    page.page.get_by_role("searchbox").fill("")
    page.opener("Ä?#%/").click()
    page.expect_listed("3")
    assert "token" not in page.page.url
    page.page.reload()
    page.expect_listed("3")
    page.button("All files").click()
    page.opener("ab/").click()
    page.opener("deep/").click()
    page.expect_listed("2")
    page.button("ab").click()
    page.expect_listed("1", "deep/")


@pytest.mark.smoke
def test_many_are_selected_and_deleted(page: UploaderPage, running: Service) -> None:
    put(running, dict.fromkeys(("a", "b", "c", "f/1", "f/2/3", "g/4"), (TEXT, b"x")))
    page.button("Reload the list").click()
    page.expect_listed("a", "b", "c", "f/", "g/")
    for name in ("a", "f/"):
        page.page.get_by_role("checkbox", name=f"Select {name}", exact=True).check()
    expect(page.page.get_by_text("2 selected")).to_be_visible()
    downloads: list[str] = []
    page.page.on("download", lambda download: downloads.append(download.suggested_filename))
    page.page.get_by_role("checkbox", name="Select b", exact=True).check()
    page.button("Download").click()
    page.visit.until(lambda: downloads == ["a", "b"], "both files are downloaded")
    page.page.get_by_role("checkbox", name="Select b", exact=True).uncheck()
    page.button("Delete").click()
    expect(page.dialog).to_contain_text("This cannot be undone.")
    expect(page.dialog).to_contain_text("with everything in them")
    page.button("Cancel", page.dialog).click()
    assert names_of(page) == ["a", "b", "c", "f/", "g/"]
    page.button("Delete").click()
    page.button("Delete", page.dialog).click()
    expect(page.notices).to_contain_text("Deleted: 3")
    assert names_of(page) == ["b", "c", "g/"]
    assert listed(running) == ["b", "c", "g/4"]
    page.page.get_by_role("checkbox", name="Select all that are shown").check()
    page.button("Select none").click()
    expect(page.page.get_by_text("selected")).to_have_count(0)


def png(color: bytes) -> bytes:
    """A PNG of one pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" + color))
        + chunk(b"IEND", b"")
    )


def wav(path: Path) -> bytes:
    """A second of silence."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(b"\x80" * 8000)
    return path.read_bytes()


def test_previews(page: UploaderPage, running: Service, tmp_path: Path) -> None:
    put(
        running,
        {
            "image.png": ("image/png", png(b"\xff\0\0")),
            "sound.wav": ("audio/wav", wav(tmp_path / "sound.wav")),
            "text.txt": ("text/plain; charset=windows-1251", "Привет".encode("cp1251")),
            "data.json": ("application/json", b'{"a": 1}'),
            "long.csv": ("text/csv", b"1,2\n" * 100_000),
            "empty.txt": (TEXT, b""),
            "document.pdf": ("application/pdf", b"%PDF-1.7 ..."),
            "unknown": ("application/x-unknown", b"..."),
            "broken.png": ("image/png", b"no image"),
        },
    )
    page.button("Reload the list").click()
    with page.opened("image.png") as dialog:
        image = dialog.get_by_role("img", name="image.png")
        expect(image).to_be_visible()
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1
    with page.opened("sound.wav") as dialog:
        sound = dialog.locator("audio")
        expect(sound).to_be_visible()
        page.page.wait_for_timeout(500)
        assert sound.evaluate("sound => sound.duration") == 1
    with page.opened("text.txt") as dialog:
        expect(dialog.get_by_role("region", name="Preview")).to_have_text("Привет")
    with page.opened("data.json") as dialog:
        expect(dialog.get_by_role("region", name="Preview")).to_have_text('{"a": 1}')
    with page.opened("long.csv") as dialog:
        expect(dialog).to_contain_text("the beginning of the file only")
    with page.opened("empty.txt") as dialog:
        expect(dialog.get_by_role("region", name="Preview")).to_have_text("")
    with page.opened("document.pdf") as dialog:
        link = dialog.get_by_role("link", name="Open it in a new tab")
        expect(link).to_have_attribute("href", re.compile("^/api/links/.*/document.pdf$"))
        expect(link).to_have_attribute("rel", "noopener noreferrer")
    with page.opened("unknown") as dialog:
        expect(dialog).to_contain_text("Files of this type cannot be shown here.")
    with page.opened("broken.png") as dialog:
        expect(dialog).to_contain_text("It cannot be shown.")


HOSTILE = b"""<svg xmlns="http://www.w3.org/2000/svg" onload="document.title='bad'">
<script>document.title='bad'; fetch('http://127.0.0.1:9/x'); alert(1)</script>
<image href="http://127.0.0.1:9/y" onerror="alert(2)"/></svg>"""


@pytest.mark.parametrize(
    "media_type",
    ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "text/javascript"],
)
def test_a_hostile_file_is_only_looked_at(
    page: UploaderPage, running: Service, media_type: str
) -> None:
    """The visit complains of anything that ran, and of any request to elsewhere."""
    put(running, {"hostile": (media_type, HOSTILE)})
    page.button("Reload the list").click()
    title = page.page.title()
    with page.opened("hostile") as dialog:
        preview = dialog.locator(".preview")
        drawn = media_type == "image/svg+xml"
        expect(preview.locator("img" if drawn else "pre")).to_be_visible()
        page.page.wait_for_timeout(500)
        assert ("document.title" in preview.inner_text()) != drawn
    assert page.page.title() == title


@pytest.mark.smoke
def test_a_file_is_downloaded(page: UploaderPage, running: Service) -> None:
    name, data = "dir/ä b%.html", b"<script>alert(1)</script>"
    put(running, {name: ("text/html", data)})
    page.open("dir/")
    page.expect_listed("ä b%.html")
    with page.page.expect_download() as from_list:
        page.button("Download ä b%.html").click()
    with page.opened("ä b%.html") as dialog, page.page.expect_download() as from_dialog:
        page.button("Download", dialog).click()
    for download in (from_list.value, from_dialog.value):
        assert download.suggested_filename == name.rpartition("/")[2]
        assert download.path().read_bytes() == data
        assert running.token not in download.url


def test_a_file_is_shared(page: UploaderPage, running: Service, open_page: OpenPage) -> None:
    put(running, {"shared.txt": (TEXT, b"for everybody")})
    page.button("Reload the list").click()
    with page.opened("shared.txt") as dialog:
        dialog.get_by_label("The link works for").select_option("one day")
        page.button("Make a link").click()
        url = dialog.get_by_label("Link", exact=True).input_value()
        expect(dialog).to_contain_text("Whoever has this link can read the file until")
    assert running.token not in url
    other = open_page(running.url)
    other.page.goto(url)
    expect(other.page.locator("body")).to_have_text("for everybody")


def test_what_is_copied(page: UploaderPage, running: Service) -> None:
    page.visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    put(running, {"a b": (TEXT, b"x")})
    page.button("Reload the list").click()
    page.button("Copy the token").click()
    expect(page.notices).to_contain_text("Copied")
    assert page.page.evaluate("navigator.clipboard.readText()") == running.token
    with page.opened("a b") as dialog:
        page.button("Make a link").click()
        link = dialog.get_by_label("Link", exact=True).input_value()
        dialog.get_by_role("button", name="Copy", exact=True).first.click()
        expect(dialog.locator(".notices")).to_contain_text("Copied")
        assert page.page.evaluate("navigator.clipboard.readText()") == link


def test_commands_do_what_the_page_does(
    page: UploaderPage, running: Service, tmp_path: Path
) -> None:
    put(running, {"dir/it's $(x)": (TEXT, b"content")})
    page.open("dir/")
    page.expect_listed("it's $(x)")

    def run(command: str) -> str:
        assert running.token not in command
        done = subprocess.run(
            ["sh", "-c", command.replace("curl ", "curl -sS ", 1)],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "TOKEN": running.token},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return done.stdout

    def commands(place: str) -> list[str]:
        details = page.page.locator(place).locator("details")
        details.locator("summary").click()
        return details.locator("pre").all_inner_texts()

    (upload,) = commands("section[aria-labelledby=upload]")
    listing, _ = commands("section[aria-labelledby=files]")
    page.opener("it's $(x)").click()
    download, share, delete = commands("dialog")
    (tmp_path / "FILE").write_text("uploaded")
    run(upload)
    found = json.loads(run(listing))
    assert [entry["name"] for entry in found] == ["dir/FILE", "dir/it's $(x)"]
    run(download)
    assert (tmp_path / "it's $(x)").read_text() == "content"
    url = json.loads(run(share))["url"]
    assert run(f"curl {shlex.quote(url)}") == "content"
    run(delete)
    assert listed(running) == ["dir/FILE"]

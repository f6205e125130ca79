"""The page for everybody: with the keyboard alone, by ear, small, dark, in two languages."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.support.bodies import content
from tests.support.checkout import ROOT
from tests.support.service import Service
from tests.support.stored import TEXT, begin, listed, put, read, unfinished
from tests.system.browser.conftest import OpenPage
from tests.system.browser.page import TOKEN, UploaderPage, page_of

AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
MIB = 2**20

local = pytest.mark.parametrize("running", ["local"], indirect=True)
"""For what happens in the browser: one store is enough."""


def check(page: UploaderPage) -> None:
    """Let axe-core look at what is there now."""
    page.page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.page.evaluate("axe.run(document)")
    assert len(found["passes"]) > 10
    told = [
        f"{violation['id']}: {node['html'][:200]}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
    assert told == []


LOOKS = [
    pytest.param(1200, "light"),
    pytest.param(360, "dark"),
    pytest.param(1200, "dark", marks=pytest.mark.soak),
    pytest.param(360, "light", marks=pytest.mark.soak),
]


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_every_view_is_accessible(
    running: Service, open_page: OpenPage, tmp_path: Path, scheme: str, width: int
) -> None:
    viewport = {"width": width, "height": 800}
    page = page_of(open_page(running.url, color_scheme=scheme, viewport=viewport), running)
    check(page)  # the welcome
    page.page.get_by_label("I have a token").fill("nonsense")
    page.button("Use this token").click()
    check(page)  # with what is wrong
    running.token = page.sign_up()
    check(page)  # nothing there yet, and a token to be saved
    begin(running, "begun", b"x" * 10, 20)
    put(running, {"a.txt": (TEXT, b"hello"), "dir/b": (TEXT, b"x"), "unknown": ("x/y", b"x")})
    page.page.reload()
    page.expect_listed("a.txt", "dir/")
    expect(page.heading("Unfinished uploads")).to_be_visible()
    for summary in page.page.locator("summary").all():
        summary.click()
    check(page)
    page.visit.expect("412")
    page.throttle(MIB)
    large, old = tmp_path / "large", tmp_path / "a.txt"
    large.write_bytes(content(20 * MIB))
    old.write_bytes(b"other")
    page.choose([large, old])
    expect(page.page.get_by_text("Replace 1 that")).to_be_visible()
    check(page)  # an upload under way, and a question
    page.visit.allow("net::ERR_")
    page.throttle(0, offline=True)
    expect(page.page.get_by_text("The server cannot be reached.")).to_be_visible()
    check(page)  # an upload that waits
    page.throttle(0)
    page.expect_listed("large")
    page.page.get_by_role("checkbox", name="Select a.txt").check()
    check(page)
    for name in ("a.txt", "unknown"):
        page.opener(name).click()
        expect(page.dialog.locator(".preview > *").first).to_be_visible()
        page.button("Make a link").click()
        expect(page.dialog.get_by_label("Link", exact=True)).to_be_visible()
        page.dialog.locator("summary").click()
        check(page)
        page.button("Delete", page.dialog).click()
        check(page)
        page.button("Cancel", page.dialog).click()
        page.button("Close", page.dialog).click()
    overflow = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.page.evaluate(overflow)


def test_everything_with_the_keyboard_alone(
    running: Service, open_page: OpenPage, tmp_path: Path
) -> None:
    page = page_of(open_page(running.url), running)
    page.visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    keys = page.page.keyboard

    def to(target: Locator) -> None:
        """Press Tab until it has the focus, and can be seen to have it."""
        expect(target).to_be_visible()
        for _ in range(150):
            if target.evaluate("it => it === document.activeElement"):
                assert target.evaluate("it => getComputedStyle(it).outlineStyle") != "none"
                return
            keys.press("Tab")
        raise AssertionError(f"Tab does not come to {target}")

    def press(target: Locator, key: str = "Enter") -> None:
        to(target)
        keys.press(key)

    def choose(button: str, file: Path) -> None:
        with page.page.expect_file_chooser() as chooser:
            press(page.page.get_by_role("button", name=re.compile(button)).first)
        chooser.value.set_files(file)

    press(page.button("Make a new token"))
    expect(page.heading("Upload")).to_be_visible()
    running.token = page.token()
    with page.page.expect_download():
        press(page.button("Save as a file"))
    press(page.button("I have saved it"))
    press(page.button("Show the token"))
    press(page.button("Hide the token"))
    press(page.button("Copy the token"))
    assert page.page.evaluate("navigator.clipboard.readText()") == running.token
    for store in ("sessionStorage", "localStorage"):
        press(page.page.get_by_label("Keep it on this device"), "Space")
        assert page.page.evaluate(f"{store}.getItem({TOKEN!r})") == running.token
    to(page.page.get_by_label("Language"))
    keys.press("ArrowDown")
    expect(page.heading("Загрузить")).to_be_visible()
    keys.press("ArrowUp")

    file = tmp_path / "dir-file.txt"
    file.write_text("hello")
    choose("browse files", file)
    page.expect_listed("dir-file.txt")
    press(page.button("Done"))
    page.visit.expect("412")
    for answer, content_now in (("Keep what is there", b"hello"), ("Replace", b"other")):
        file.write_bytes(b"other")
        choose("browse files", file)
        press(page.button(answer))
        expect(page.button(answer)).to_have_count(0)
        if answer == "Replace":
            press(page.button("Done"))
        assert read(running, file.name) == content_now
    press(page.page.locator("section[aria-labelledby=upload] summary"))
    press(page.page.locator("section[aria-labelledby=upload] li").get_by_role("button"))
    assert "--upload-file" in page.page.evaluate("navigator.clipboard.readText()")
    with page.page.expect_file_chooser():
        press(page.page.get_by_role("button", name=re.compile("browse folders")).first)
    page.throttle(MIB)
    large = tmp_path / "large"
    large.write_bytes(content(20 * MIB))
    choose("browse files", large)
    page.wait_until_uploaded(10)
    press(page.button("Pause"))
    expect(page.page.get_by_text("Upload paused")).to_be_visible()
    press(page.button("Resume"))
    press(page.page.locator(".uppy-StatusBar").get_by_role("button", name="Cancel"))
    expect(page.page.get_by_role("button", name=re.compile("browse files"))).to_be_visible()
    # A reload before that would keep the browser from telling the server.
    page.visit.until(lambda: unfinished(running) == [], "the server has let go of it")

    begin(running, "begun", b"x" * 10, 20)
    begin(running, "left", b"x" * 10, 20)
    put(running, {"dir/b.txt": (TEXT, b"x"), "c.txt": (TEXT, b"x")})
    page.page.reload()
    begun = tmp_path / "begun"
    begun.write_bytes(b"x" * 20)
    choose("Resume begun", begun)
    page.expect_listed("begun")
    press(page.button("Discard left"))
    press(page.button("Discard", page.dialog))
    expect(page.heading("Unfinished uploads")).to_have_count(0)

    to(page.page.get_by_role("searchbox"))
    keys.type("c")
    expect(page.page.get_by_text("1 shown")).to_be_visible()
    keys.press("Backspace")
    expect(page.page.get_by_text("4 shown")).to_be_visible()
    press(page.button("Size"))
    press(page.button("Name"))
    press(page.opener("dir/"))
    page.expect_listed("b.txt")
    press(page.button("All files"))
    page.expect_listed("c.txt")
    press(page.button("Reload the list"))
    with page.page.expect_download():
        press(page.button("Download c.txt"))
    press(page.page.locator("section[aria-labelledby=files] summary"))
    expect(page.page.locator("section[aria-labelledby=files] pre").first).to_be_visible()

    press(page.page.get_by_role("checkbox", name="Select all that are shown"), "Space")
    press(page.button("Select none"))
    press(page.page.get_by_role("checkbox", name="Select c.txt"), "Space")
    with page.page.expect_download():
        press(page.button("Download"))
    press(page.page.get_by_role("checkbox", name="Select c.txt"), "Space")

    press(page.opener("c.txt"))
    expect(page.dialog.get_by_role("region", name="Preview")).to_be_visible()
    with page.page.expect_download():
        press(page.button("Download", page.dialog))
    to(page.dialog.get_by_label("The link works for"))
    keys.press("ArrowDown")
    press(page.button("Make a link"))
    press(page.dialog.get_by_role("button", name="Copy", exact=True).first)
    assert "/api/links/" in page.page.evaluate("navigator.clipboard.readText()")
    keys.press("Escape")
    expect(page.opener("c.txt")).to_be_focused()
    press(page.opener("c.txt"))
    press(page.button("Delete", page.dialog))
    expect(page.heading("Delete c.txt?")).to_be_visible()
    press(page.button("Delete", page.dialog))
    expect(page.opener("c.txt")).to_have_count(0)
    press(page.page.get_by_role("checkbox", name="Select dir/"), "Space")
    press(page.button("Delete"))
    press(page.button("Delete", page.dialog))
    expect(page.opener("dir/")).to_have_count(0)
    assert listed(running) == ["begun", "dir-file.txt"]

    press(page.button("Forget the token"))
    press(page.button("Forget the token", page.dialog))
    to(page.page.get_by_label("I have a token"))
    keys.type(running.token)
    keys.press("Enter")
    page.expect_listed("begun", "dir-file.txt")


def test_a_token_is_kept_as_told_and_shown_to_nobody(running: Service, open_page: OpenPage) -> None:
    page = page_of(open_page(running.url), running)
    page.page.get_by_label("I have a token").fill("0" * 36)
    page.button("Use this token").click()
    expect(page.page.get_by_role("alert")).to_contain_text("A token is a UUID")
    token = str(uuid.uuid4())
    page.sign_in(f" {token.upper()} ")
    assert page.token() == token
    expect(page.page.get_by_text(token)).to_have_count(0)
    page.button("Show the token").click()
    expect(page.page.get_by_text(token)).to_be_visible()

    def kept() -> Any:
        return page.page.evaluate("[sessionStorage, localStorage].map(each => ({...each}))")

    assert token not in kept()[1].values()
    page.page.get_by_label("Keep it on this device").check()
    assert (token in kept()[0].values(), token in kept()[1].values()) == (False, True)
    second = page.visit.context.new_page()
    second.goto(running.url)
    expect(second.get_by_role("heading", name="Upload", exact=True)).to_be_visible()
    second.close()
    page.button("Forget the token").click()
    page.button("Forget the token", page.dialog).click()
    expect(page.button("Make a new token")).to_be_visible()
    assert token not in str(kept())
    assert not any(token in url for url in page.visit.requests)
    assert token not in running.said()


def copies(page: UploaderPage) -> bool:
    """Whether the browser has a database of copies of files."""
    found: bool = page.page.evaluate("indexedDB.databases().then(found => found.length > 0)")
    return found


@local
def test_a_new_token_is_kept_and_its_files_are_not_lost_with_a_tab(
    running: Service, open_page: OpenPage, tmp_path: Path
) -> None:
    large = tmp_path / "large"
    large.write_bytes(content(60 * MIB))
    page = page_of(open_page(running.url), running)
    token = page.sign_up()
    with page.page.expect_download() as saved:
        page.button("Save as a file").click()
    assert Path(saved.value.path()).read_text() == f"{token}\n"
    page.page.reload()
    expect(page.heading("Save your new token")).to_be_visible()
    page.button("I have saved it").click()
    page.page.close()
    page = page.tab()
    assert page.token() == token
    expect(page.heading("Upload")).to_be_visible()
    expect(page.heading("Save your new token")).to_have_count(0)
    page.throttle(4 * MIB)
    page.choose([large])
    page.wait_until_uploaded(5)
    assert copies(page)
    page.forget()
    page.visit.until(lambda: not copies(page), "the copies go with the token")

    page = page_of(open_page(running.url), running)
    page.page.get_by_label("Keep the new token on this device").uncheck()
    page.sign_up()
    page.page.reload()  # it has no files yet: nothing is asked
    expect(page.heading("Save your new token")).to_be_visible()
    page.visit.expect("dialog: beforeunload")
    page.throttle(4 * MIB)
    page.choose([large])
    page.wait_until_uploaded(5)
    assert not copies(page)
    for asked in (1, 2):  # for what is under way, and then for what only this token gets at
        page.page.reload()
        expect(page.heading("Unfinished uploads")).to_be_visible()
        assert page.visit.asked == asked
    page.button("I have saved it").click()
    page.page.reload()
    expect(page.heading("Unfinished uploads")).to_be_visible()
    assert page.visit.asked == 2


@local
def test_all_tabs_of_a_token_do_the_same(
    running: Service, open_page: OpenPage, tmp_path: Path
) -> None:
    page = page_of(open_page(running.url), running)
    other = page.tab()
    other.sign_in(str(uuid.uuid4()))
    token = page.sign_up()
    second, third = page.tab(), page.tab()
    keeps = [each.page.get_by_label("Keep it on this device") for each in (page, second, third)]
    for kept in (False, True):
        keeps[0].set_checked(kept)
        for checkbox in keeps:
            expect(checkbox).to_be_checked(checked=kept)
    assert second.token() == third.token() == token
    large = tmp_path / "large"
    large.write_bytes(content(60 * MIB))
    second.throttle(4 * MIB)
    second.choose([large])
    second.wait_until_uploaded(5)
    page.forget()
    for each in (second, third):
        expect(each.button("Make a new token")).to_be_visible()
        expect(each.notices).to_contain_text("The token was forgotten in another tab")
    expect(second.notices).to_contain_text("which stopped uploads here: 1.")
    expect(other.heading("Upload")).to_be_visible()
    assert other.page.evaluate(f"sessionStorage.getItem({TOKEN!r})") != token
    assert token not in str(second.page.evaluate("[{...sessionStorage}, {...localStorage}]"))
    running.token = token
    assert unfinished(running) == ["large"]


def test_errors_are_in_words(running: Service, open_page: OpenPage, tmp_path: Path) -> None:
    page = page_of(open_page(running.url), running)
    running.token = page.sign_up()
    page.visit.allow("Failed to load resource")
    put(running, {"a": (TEXT, b"x")})
    page.button("Reload the list").click()
    page.expect_listed("a")
    put(running, {"b": (TEXT, b"x")})
    page.throttle(0, offline=True)
    page.button("Reload the list").click()
    expect(page.notices).to_contain_text("The server cannot be reached.")
    page.throttle(0)
    page.button("Reload the list").click()
    page.expect_listed("a", "b")
    name = "x" * 200
    large = tmp_path / name
    large.write_bytes(b"x")
    page.open(f"{'d' * 200}/{'e' * 200}/{'f' * 200}/{'g' * 200}/")
    page.choose([large])
    expect(page.notices).to_contain_text("The server refuses this:")


def test_the_other_language(running: Service, open_page: OpenPage) -> None:
    page = page_of(open_page(running.url, locale="ru-RU"), running)
    page.button("Создать новый токен").click()
    expect(page.heading("Файлы")).to_be_visible()
    assert page.page.evaluate("document.documentElement.lang") == "ru"
    expect(page.page.get_by_role("button", name=re.compile("выберите файлы"))).to_be_visible()
    assert english(page) == []
    page.page.get_by_label("Язык").select_option("English")
    expect(page.heading("Files")).to_be_visible()
    expect(page.page.get_by_role("button", name=re.compile("browse files"))).to_be_visible()
    page.page.reload()
    expect(page.heading("Files")).to_be_visible()


def english(page: UploaderPage) -> list[str]:
    """Words in Latin letters that are on the page, names aside."""
    text = page.page.locator("body").inner_text()
    words = re.findall(r"[A-Za-z]{3,}", re.sub(r"[0-9a-f-]{36}|FILE|https?\S+", "", text))
    return [word for word in words if word not in {"file", "uploader", "English", "curl"}]


@pytest.mark.alone
def test_it_is_light_and_quick(running: Service, open_page: OpenPage) -> None:
    visit = open_page(running.url)
    sizes: list[Callable[[], int]] = []
    visit.page.on(
        "requestfinished",
        lambda request: sizes.append(lambda: int(request.sizes()["responseBodySize"])),
    )
    page = UploaderPage(visit, running.url)
    page.open()
    expect(page.button("Make a new token")).to_be_enabled()
    ready = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    seconds = visit.page.evaluate(ready) / 1000
    weight = sum(size() for size in sizes)
    print(f"{weight} bytes, ready after {seconds:.2f} s")
    assert 10_000 < weight < 350_000
    assert seconds < 1

"""A link in a browser, without a token: the file is shown, played or saved as what it is."""

from __future__ import annotations

import io
import struct
import wave
import zlib
from base64 import b64decode
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.support.bodies import content
from tests.support.browser import Visit, origin_of
from tests.support.links import shared
from tests.support.service import S3Backend, Service, service
from tests.system.browser.conftest import OpenPage

WIDTH, HEIGHT = 40, 30
RED = b"\xff\x00\x00"
# What has a meaning in a policy, in a URL, or in both.
NAME = "some/ö é;,'(*)&+%41 #?"


def _picture() -> bytes:
    """A red PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + RED * WIDTH) * HEIGHT)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _sound(seconds: int) -> bytes:
    """A WAV of so many seconds."""
    data = io.BytesIO()
    with wave.open(data, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\x00\x10" * 8000 * seconds)
    return data.getvalue()


_RECORD = """async size => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = size;
    const pen = canvas.getContext('2d');
    let frames = 0;
    const drawing = setInterval(() => {
        pen.fillStyle = frames++ % 2 ? 'red' : 'blue';
        pen.fillRect(0, 0, ...size);
    }, 40);
    const recorder = new MediaRecorder(canvas.captureStream(), {mimeType: 'video/webm'});
    const parts = [];
    recorder.ondataavailable = event => parts.push(event.data);
    const stopped = new Promise(done => { recorder.onstop = done });
    recorder.start();
    await new Promise(done => setTimeout(done, 500));
    recorder.stop();
    await stopped;
    clearInterval(drawing);
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    return [recorder.mimeType, btoa(String.fromCharCode(...bytes))];
}"""


def _film(page: Page) -> tuple[str, bytes]:
    """The type and the bytes of what the browser itself records: half a second of two colours."""
    content_type, data = page.evaluate(_RECORD, [WIDTH, HEIGHT])
    return content_type, b64decode(data)


def test_a_picture_is_shown(running: Service, open_page: OpenPage) -> None:
    url = shared(running, NAME, _picture(), "image/png")
    visit = open_page(running.url, viewport={"width": 400, "height": 300})
    visit.page.goto(url)
    size = "[document.images[0].naturalWidth, document.images[0].naturalHeight]"
    assert visit.page.evaluate(size) == [WIDTH, HEIGHT]
    # In the middle, on black: the browser's own style for it is in force.
    box = visit.page.locator("img").bounding_box()
    assert box == {"x": 180, "y": 135, "width": WIDTH, "height": HEIGHT}
    assert visit.page.evaluate("getComputedStyle(document.body).margin") == "0px"


def test_a_drawing_is_shown_with_its_style(running: Service, open_page: OpenPage) -> None:
    drawing = (
        b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30">'
        b"<style>rect { fill: rgb(255, 0, 0) }</style>"
        b'<rect width="40" height="30" style="stroke: rgb(0, 0, 255)"/></svg>'
    )
    visit = open_page(running.url)
    visit.page.goto(shared(running, "a.svg", drawing, "image/svg+xml"))
    style = "getComputedStyle(document.querySelector('rect'))"
    assert visit.page.evaluate(f"[{style}.fill, {style}.stroke]") == [
        "rgb(255, 0, 0)",
        "rgb(0, 0, 255)",
    ]


_ENDED = "document.querySelector('video').ended"
_STATE = """() => {
    const video = document.querySelector('video');
    return [video.readyState, video.duration, video.videoWidth, video.videoHeight];
}"""


def _play(visit: Visit) -> None:
    """Have it played to its end. In a sandbox nothing starts to play by itself."""
    ready = "document.querySelector('video').readyState"
    visit.until(lambda: bool(visit.page.evaluate(ready) == 4), "all of it")
    assert visit.page.evaluate("document.querySelector('video').currentTime") == 0
    visit.page.locator("video").press("Space")
    visit.until(lambda: bool(visit.page.evaluate(_ENDED)), "the end of it")


@pytest.mark.parametrize("name", ["a.wav", NAME])
def test_a_sound_is_played(running: Service, open_page: OpenPage, name: str) -> None:
    visit = open_page(running.url)
    visit.page.goto(shared(running, name, _sound(1), "audio/wav"))
    _play(visit)
    assert visit.page.evaluate(_STATE) == [4, 1, 0, 0]


def test_a_film_is_played(running: Service, open_page: OpenPage) -> None:
    visit = open_page(running.url)
    content_type, data = _film(visit.page)
    assert content_type.startswith("video/webm;codecs=")
    visit.page.goto(shared(running, NAME, data, content_type))
    _play(visit)
    state, duration, width, height = visit.page.evaluate(_STATE)
    assert (state, width, height) == (4, WIDTH, HEIGHT)
    assert 0.2 < duration < 2


@pytest.mark.parametrize(
    ("content_type", "text"),
    [
        ("text/plain; charset=utf-8", "Grüße & <b>text</b>\n"),
        ("text/markdown; charset=utf-8", "# Grüße\n"),
        ("application/json", '{"a": ["é", 1]}'),
        ("text/javascript", "document.title = 'x'"),
    ],
)
def test_text_is_shown_as_it_is(
    running: Service, open_page: OpenPage, content_type: str, text: str
) -> None:
    visit = open_page(running.url)
    url = shared(running, "a", text.encode(), content_type)
    visit.page.goto(url)
    assert visit.page.locator("pre").inner_text().strip() == text.strip()
    assert visit.page.title() == ""


_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
)


def test_a_pdf_is_shown_by_the_browsers_own_viewer(running: Service, open_page: OpenPage) -> None:
    visit = open_page(running.url)
    visit.allow("^request: (chrome|chrome-extension)://")
    visit.allow(r"^console error: Failed to load resource: .* 404 .*/favicon\.ico\)$")
    visit.page.goto(shared(running, "a.pdf", _PDF, "application/pdf"))
    viewer = "chrome-extension://"
    visit.until(
        lambda: any(frame.url.startswith(viewer) for frame in visit.page.frames), "the viewer"
    )
    (shown,) = [frame for frame in visit.page.frames if frame.url.startswith(viewer)]
    visit.until(lambda: shown.locator("#pagelength").inner_text() == "1", "its only page")
    assert shown.locator("#title").inner_text() == "a.pdf"


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("name", "content_type", "saved_as"),
    [
        ("a.bin", "application/octet-stream", "a.bin"),
        # The browser replaces what not every file system can keep.
        (NAME, "image/png", "ö é;,'(_)&+%41 #_"),
        ("some/a.html", "text/html", "a.html"),
        ("a.pdf", "application/pdf", "a.pdf"),
    ],
)
def test_download_saves_the_bytes_under_the_name(
    running: Service, open_page: OpenPage, name: str, content_type: str, saved_as: str
) -> None:
    data = content(300_000)
    url = shared(running, name, data, content_type)
    visit = open_page(running.url)
    with visit.page.expect_download() as saved:
        visit.page.evaluate("url => { location = url }", f"{url}?download")
    assert saved.value.suggested_filename == saved_as
    assert bool(saved.value.path().read_bytes() == data)


def test_a_direct_download_passes_the_service_by(
    ceph_backend: S3Backend, log: Path, open_page: OpenPage
) -> None:
    data = content(300_000)
    with service(ceph_backend, log, workers=2, settings={"DIRECT_DOWNLOADS": "true"}) as running:
        url = shared(running, "some/a ö.zip", data, "application/zip")
        visit = open_page(running.url, ceph_backend.server.endpoint)
        with visit.page.expect_download() as saved:
            visit.page.evaluate("url => { location = url }", url)
        assert bool(saved.value.path().read_bytes() == data)
        assert saved.value.suggested_filename == "a ö.zip"
        assert [origin_of(each) for each in visit.requests] == [
            running.url,
            ceph_backend.server.endpoint,
        ]
    (line,) = [line for line in log.read_text().splitlines() if '"GET /api/' in line]
    assert '" 307 in=0 out=0 ' in line

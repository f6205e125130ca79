"""Every error that there is, as its client sees it."""

from __future__ import annotations

import html
import inspect
import json
import re
from pathlib import Path
from urllib.parse import urljoin

import pytest
from pydantic import SecretStr

from file_uploader import errors
from file_uploader.http import problems
from file_uploader.http.pages import problem_types
from file_uploader.settings import Address
from tests.support.asgi import Answer, Client
from tests.support.double import StorageDouble, raise_
from tests.unit.http.conftest import ALICE, Serve, container

FILE = "/api/files/a"
DOCS = Path(__file__).parents[3] / "docs" / "api.md"
SENTENCE = "What was wrong, and what would be right."

TABLE = {
    errors.InvalidName: (400, "invalid-name"),
    errors.InvalidParameter: (400, "invalid-parameter"),
    errors.InvalidHeader: (400, "invalid-header"),
    errors.DigestUnsupported: (400, "digest-unsupported-algorithms"),
    errors.DigestMismatch: (400, "digest-mismatched-values"),
    errors.PieceMismatch: (400, "digest-mismatched-values"),
    errors.InconsistentLength: (400, "inconsistent-upload-length"),
    errors.NotConcatenable: (400, "not-concatenable"),
    errors.BodyLengthMismatch: (400, "incomplete-body"),
    errors.ClientDisconnected: (400, "incomplete-body"),
    errors.Unauthenticated: (401, "unauthenticated"),
    errors.InvalidLink: (403, "invalid-link"),
    errors.NotAppendable: (403, "not-appendable"),
    errors.NoSuchFile: (404, "no-such-file"),
    errors.NoSuchUpload: (404, "no-such-upload"),
    errors.BodyTimeout: (408, "body-timeout"),
    errors.OffsetMismatch: (409, "mismatching-upload-offset"),
    errors.Superseded: (409, "upload-taken-over"),
    errors.BodyInterrupted: (409, "upload-taken-over"),
    errors.PreconditionFailed: (412, "precondition-failed"),
    errors.FileTooLarge: (413, "file-too-large"),
    errors.ResumableUnsupported: (501, "resumable-unsupported"),
    errors.StorageFailed: (502, "storage-failed"),
    errors.StorageRefused: (502, "storage-failed"),
    errors.StorageUnavailable: (503, "storage-unavailable"),
    errors.Overloaded: (503, "overloaded"),
    errors.StorageTimeout: (504, "storage-timeout"),
    errors.StorageFull: (507, "storage-full"),
}
UNFORESEEN: list[Exception] = [
    RuntimeError("boom"),
    OSError(28, "No space left on device", "/var/lib/secret-directory/blob"),
    KeyError("secret-key"),
    TimeoutError(),
    errors.FileUploaderError("bare"),
    errors.InvalidInput("bare"),
    errors.StorageError("secret-bucket"),
    errors.BodyError("bare"),
    errors.ConfigurationError("BUCKET: secret-bucket cannot be reached"),
]


REGISTERED = {"inconsistent-upload-length", "mismatching-upload-offset"}


def place(slug: str) -> str:
    """Where a problem type is: those of standards are in a registry (RFC 9457, 4.2)."""
    registry = "https://iana.org/assignments/http-problem-types"
    return registry if slug in REGISTERED else "/docs/api.md"


def test_every_error_class_is_in_a_table_here() -> None:
    """So that a new one has to be added, with what it answers."""
    every = {
        value
        for _, value in inspect.getmembers(errors, inspect.isclass)
        if issubclass(value, errors.FileUploaderError)
    }
    assert every == {*TABLE, *(type(e) for e in UNFORESEEN if isinstance(e, tuple(every)))}


def check_privacy(answer: Answer) -> None:
    """What every answer under ``/api/`` that depends on the token has to say to caches."""
    assert "private" in answer["cache-control"]
    assert "X-Auth-Token" in answer["vary"]
    assert answer["content-type"] == "application/problem+json"


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)
async def test_what_each_is_answered_with(
    client: Client, double: StorageDouble, kind: type[errors.FileUploaderError]
) -> None:
    error = errors.OffsetMismatch(5, 3) if kind is errors.OffsetMismatch else kind(SENTENCE)
    double.before["put"] = raise_(error)
    answer = await client("PUT", FILE, body=b"x")
    assert (answer.status, answer.slug) == TABLE[kind]
    assert answer.json["detail"] == str(error)
    assert answer.json["type"] == f"{place(answer.slug)}#{answer.slug}"
    assert answer.get("retry-after") == ("5" if answer.status == 503 else None)
    assert answer.get("www-authenticate") == ("X-Auth-Token" if answer.status == 401 else None)
    assert answer["content-length"] == str(len(answer.body))
    check_privacy(answer)


@pytest.mark.parametrize("error", UNFORESEEN, ids=repr)
@pytest.mark.parametrize("method", ["PUT", "GET"])
async def test_what_nobody_foresaw_tells_nothing(
    client: Client, double: StorageDouble, error: Exception, method: str
) -> None:
    double.before["put"] = double.before["open"] = raise_(error)
    answer = await client.exchange(method, FILE, body=b"x" if method == "PUT" else None).run()
    assert (answer.status, answer.slug, answer.complete) == (500, "internal", True)
    assert answer.json["detail"] == "The server failed; the log tells its operator."
    assert answer.crash is error, "the server gets to log it"
    check_privacy(answer)


@pytest.mark.parametrize("problem", problems.ALL, ids=lambda problem: problem.slug)
def test_every_type_leads_to_its_section(problem: problems.Problem) -> None:
    path, _, fragment = problem.type.partition("#")
    assert path == place(problem.slug)
    assert f"\n### {fragment}\n" in DOCS.read_text(encoding="utf-8")


def test_an_offset_is_told_in_members_of_its_own() -> None:
    """What the resumable uploads of the IETF register for this type."""
    answer = problems.answer(errors.OffsetMismatch(5, 3))
    members = json.loads(bytes(answer.body))
    assert (members["expected-offset"], members["provided-offset"]) == (5, 3)


def test_types_and_titles_are_one_to_one_but_for_the_shared_ones() -> None:
    slugs = [problem.slug for problem in problems.ALL]
    shared = sorted(slug for slug in set(slugs) if slugs.count(slug) > 1)
    assert shared == ["incomplete-body", "upload-taken-over"]


REFUSALS = [
    ("PUT", "/api/files/..", [], 400),
    ("GET", "/api/files?limit=0", [], 400),
    ("GET", FILE, [("X-Auth-Token", "x")], 401),
    ("GET", "/api/files/none", [], 404),
    ("GET", "/api/none", [], 404),
    ("POST", FILE, [], 405),
    ("GET", "/api/files", [("Accept", "image/png")], 406),
    ("GET", FILE, [("If-Match", '"x"')], 412),
    ("GET", FILE, [("Range", "bytes=99-")], 416),
    ("GET", "/api/files", [("Host", "x")], 400),
    ("GET", "/api/uploads?x", [], 400),
    ("DELETE", "/api/uploads/x", [("Tus-Resumable", "1.0.0")], 404),
    ("POST", "/api/uploads", [], 412),
    ("GET", "/api/links/x/a", [], 403),
    ("POST", "/api/links", [], 415),
    ("GET", "/api/links", [], 405),
    ("POST", "/api/uploads", [("Tus-Resumable", "0.2")], 412),
]


@pytest.mark.parametrize(("method", "target", "headers", "status"), REFUSALS)
async def test_every_refusal_is_private(
    client: Client,
    double: StorageDouble,
    method: str,
    target: str,
    headers: list[tuple[str, str]],
    status: int,
) -> None:
    double.store(container(client), "a", b"x")
    answer = await client(method, target, headers)
    assert answer.status == status
    check_privacy(answer)
    assert answer.slug


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/api/files/..", [], 400),
        (FILE, [("X-Auth-Token", "x")], 401),
        ("/api/files/none", [], 404),
        ("/api/none", [], 404),
        (FILE, [("If-Match", '"x"')], 412),
        (FILE, [("Host", "x")], 400),
    ],
)
async def test_a_refused_head_is_a_refused_get_without_its_body(
    client: Client,
    double: StorageDouble,
    target: str,
    headers: list[tuple[str, str]],
    status: int,
) -> None:
    double.store(container(client), "a", b"x")
    get, head = [await client(method, target, headers) for method in ("GET", "HEAD")]
    assert (head.status, head.body, head.complete) == (status, b"", True)
    assert head.headers == get.headers
    assert get.body


async def test_a_failed_head_has_no_body(client: Client, double: StorageDouble) -> None:
    for error, status in ((RuntimeError("boom"), 500), (errors.StorageTimeout("late"), 504)):
        double.before["head"] = raise_(error)
        answer = await client.exchange("HEAD", FILE).run()
        assert (answer.status, answer.body, answer.complete) == (status, b"", True)


async def test_nothing_secret_in_any_of_them(serve: Serve, double: StorageDouble) -> None:
    client = await serve(
        bucket="secret-bucket",
        container_bucket="secret-bucket-{container}",
        data_dir=Path("/secret-directory"),
        aws_access_key_id="secret-access-key",
    )
    secrets = ["secret", ALICE, ALICE.replace("-", ""), container(client).name, "Traceback", ".py"]
    answers = []
    for method in ("GET", "HEAD", "PUT", "DELETE", "POST"):
        for target in (FILE, "/api/files", "/api/files/..", "/api/files?x", "/api/x", "/x"):
            body = b"x" if method == "PUT" else None
            answers.append(await client(method, target, body=body))
    for token in (ALICE + "0", ALICE.replace("-", ""), f"{ALICE}, {ALICE}", f"{{{ALICE}}}"):
        answers.append(await Client(client.app, token)("GET", FILE))  # noqa: PERF401
    answers.append(await client("GET", FILE, [("X-Auth-Token", ALICE)]))
    for error in UNFORESEEN:
        for step in ("open", "head", "put", "delete", "list", "usage"):
            double.before[step] = raise_(error)
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            body = b"x" if method == "PUT" else None
            answers.append(await client.exchange(method, FILE, body=body).run())
            answers.append(await client.exchange(method, "/api/files", body=body).run())
    assert {answer.status for answer in answers} >= {200, 204, 400, 401, 404, 405, 500}
    for answer in answers:
        everything = repr((answer.headers, answer.body)).lower()
        found = [secret for secret in secrets if secret.lower() in everything]
        assert not found, (found, answer)


@pytest.mark.parametrize("kind", [errors.StorageUnavailable, errors.StorageTimeout])
async def test_not_ready(
    nobody: Client, double: StorageDouble, kind: type[errors.StorageError]
) -> None:
    double.before["ready"] = raise_(kind(SENTENCE))
    answer = await nobody("GET", "/ready")
    assert (answer.status, answer.slug) == TABLE[kind]
    assert (await nobody("GET", "/health")).status == 200


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_the_type_of_every_problem_leads_to_what_explains_it(
    serve: Serve, elsewhere: bool
) -> None:
    """RFC 9457, 3.1.1: it is resolved against the URL of the request, wherever that was sent."""
    address = Address("127.0.0.1", 8080) if elsewhere else None
    nobody = Client((await serve(metrics_address=address)).app)
    for problem in problems.ALL:
        path, _, fragment = problem.type.partition("#")
        if problem.registered:
            continue
        page = await nobody("GET", path)
        assert (page.status, page["content-type"]) == (200, "text/html; charset=utf-8")
        section = page.body.decode().partition(f'<section id="{fragment}">')[2]
        assert problem.type in section.partition("</section>")[0]
        assert problem_types.MEANINGS[fragment].rpartition("`")[2] in html.unescape(section)


async def test_the_page_of_the_types_is_safe_and_does_not_change(nobody: Client) -> None:
    page = await nobody("GET", "/docs/api.md")
    assert "default-src 'none'" in page["content-security-policy"]
    assert page["x-content-type-options"] == "nosniff"
    again = await nobody("GET", "/docs/api.md", [("If-None-Match", page["etag"])])
    assert (again.status, again.body) == (304, b"")
    assert (await nobody("PUT", "/docs/api.md", body=b"x")).slug == "method-not-allowed"
    for target in re.findall(r'(?:href|src)="([^"]+)"', page.body.decode()):
        assert (await nobody("GET", urljoin("/docs/api.md", target))).status == 200


async def test_every_path_of_the_contract_is_there(serve: Serve) -> None:
    """Below the server that it names, seen from where it is."""
    client = await serve(metrics_token=SecretStr("a" * 16))
    contract = (await client("GET", "/api/openapi.json")).json
    (server,) = contract["servers"]
    for path in contract["paths"]:
        target = urljoin(urljoin("/api/openapi.json", server["url"]), path)
        answer = await client("OPTIONS", re.sub(r"{\w+}", "x", target))
        assert (answer.status, answer.get("allow") is None) == (204, False), path

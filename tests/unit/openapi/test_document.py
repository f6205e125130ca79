"""The contract against the code and against the manual, both ways."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import SecretStr

import file_uploader
from file_uploader.http import problems
from file_uploader.http.app import fixed, routes
from file_uploader.http.cors import EXPOSED
from file_uploader.http.pages.contract import WRITTEN
from file_uploader.http.routing import NoRoute
from file_uploader.tokens import HEADER
from file_uploader.uploads.rules import Uploads
from tests.support.double import StorageDouble
from tests.support.service import ROOT
from tests.unit.http.conftest import settings
from tests.unit.openapi.document import DOCUMENT, Operation, followed, operations
from tests.unit.openapi.headers_read import headers_read

OF_HTTP = {
    "forwarded": "of proxies",
    "accept": "OpenAPI leaves it to the media types of the answers",
    "authorization": "OpenAPI leaves it to the security schemes",
    "content-length": "of every request with a body",
    "content-type": "OpenAPI leaves it to the media types of the bodies",
    "content-range": "only refused: it is in the text of what refuses it",
    "trailer": "only refused, and only where it announces a digest",
    "host": "of every request",
    "transfer-encoding": "of every request with a body",
}
"""Headers that are read and are no parameters, and why."""


def parameters_in(place: str) -> set[str]:
    return {
        parameter["name"]
        for operation in operations()
        for parameter in operation.parameters
        if parameter["in"] == place
    }


def headers_sent() -> set[str]:
    return {
        name
        for operation in operations()
        for status in operation.responses
        for name in operation.headers_of(status)
    }


def types_of(answer: dict[str, Any]) -> set[str]:
    """The problem types that an answer can have; none if it is no problem."""
    content = answer.get("content", {}).get(problems.MEDIA_TYPE, {})
    return {
        problem
        for narrower in content.get("schema", {}).get("allOf", [])
        for problem in narrower.get("properties", {}).get("type", {}).get("enum", [])
    }


def test_it_is_valid() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_it_is_of_this_version_and_at_the_root() -> None:
    assert DOCUMENT["info"]["version"] == file_uploader.__version__
    assert (ROOT / "openapi.yaml").samefile(WRITTEN)


def test_its_operations_are_those_of_the_route_table(tmp_path: Path) -> None:
    storage = StorageDouble()
    uploads = Uploads(storage, expiry=timedelta(days=1))
    existing = set()
    everything = settings(metrics_token=SecretStr("0123456789abcdef"))
    for route in routes(storage, uploads, everything, fixed(tmp_path)):
        if not isinstance(route, NoRoute):
            one: Any = route
            existing |= {f"{method} {one.path}" for method in one.methods}
    assert {operation.label for operation in operations()} == existing


def test_every_part_of_it_is_used() -> None:
    written = json.dumps(DOCUMENT)
    for kind in ("parameters", "headers", "responses", "schemas"):
        for name in DOCUMENT["components"][kind].keys() - {"ProblemType"}:
            assert f'"#/components/{kind}/{name}"' in written, name


def test_every_request_header_that_is_read_is_in_it() -> None:
    known = {name.lower().rstrip("*") for name in parameters_in("header")} | {HEADER.lower()}
    read = headers_read()
    # One of each way in which the code asks for a header.
    assert {"if-match", "origin", "content-md5", "upload-incomplete", "x-object-meta-"} <= read
    assert read - OF_HTTP.keys() <= known
    (store,) = (one for one in operations() if one.label == "PUT /api/files/{name}")
    assert "`Content-Range`" in store.definition["description"]


def test_every_answer_header_that_other_origins_may_read_is_in_it() -> None:
    assert set(EXPOSED) - {"*"} <= headers_sent()


def test_every_problem_type_is_in_it_and_no_other() -> None:
    existing = {problem.type for problem in problems.ALL}
    listed = set(DOCUMENT["components"]["schemas"]["ProblemType"]["enum"])
    answers = [answer for one in operations() for answer in one.responses.values()]
    answered = {kind for answer in answers for kind in types_of(answer)}
    assert listed == existing
    assert answered == existing


def test_every_problem_is_answered_with_its_status() -> None:
    statuses = {problem.type: str(problem.status) for problem in problems.ALL}
    for operation in operations():
        for status, answer in operation.responses.items():
            for kind in types_of(answer):
                assert statuses[kind] == status, (operation.label, kind)


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.label)
def test_every_operation_tells_how_it_is_refused(operation: Operation) -> None:
    """What the server refuses before it knows the path, and who is not let in."""
    assert {"400", "408", "414", "431", "500", "501"} <= operation.responses.keys()
    asks = operation.definition.get("security", DOCUMENT["security"])
    assert bool(asks) == ("401" in operation.responses)
    private = operation.path.startswith(("/api/", "/metrics")) and operation.method != "OPTIONS"
    public = operation.path.startswith(("/api/links/", "/api/docs", "/api/openapi.json"))
    assert bool(asks) == (private and not public)


def test_examples_fit_their_schemas() -> None:
    """The validator looks at defaults only."""
    seen = 0
    for operation in operations():
        for parameter in operation.parameters:
            if "example" in parameter:
                OAS31Validator(followed(parameter["schema"])).validate(parameter["example"])
                seen += 1
    assert seen > 50


_NAMED = re.compile(r"`([A-Z][A-Za-z0-9]*(?:-[A-Za-z0-9*]+)+)[`:;]")


def test_the_manual_and_it_speak_of_the_same_headers() -> None:
    manual = set(_NAMED.findall((ROOT / "docs/api.md").read_text(encoding="utf-8")))
    said = set(_NAMED.findall(WRITTEN.read_text(encoding="utf-8")))
    known = parameters_in("header") | headers_sent() | said | {HEADER, "Content-Type"}
    lowered = {name.lower() for name in known} | OF_HTTP.keys()
    assert {name for name in manual if name.lower() not in lowered} == set()
